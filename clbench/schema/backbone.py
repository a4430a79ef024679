"""Backbones: the pre-trained encoder that everything starts from (``baselines/backbones/*.yaml``)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clbench.schema.form import Form, Name
from clbench.schema.shipped import expanded, names

# owner/name or name, as the hub spells it.
HUB_ID = r"^(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}$"
# What stands before an id where the hub alone is meant.
ON_THE_HUB = "hub:"
# A branch, a tag or a commit.
_REVISION = r"[\w][\w./-]{0,199}"


def called(name: str) -> str:
    """What a backbone is called that was asked for by ``name``.

    >>> called("hub:me/mine@v1"), called("me/mine")
    ('me/mine@v1', 'me/mine')
    """
    return name.removeprefix(ON_THE_HUB)


def on_the_hub(name: str) -> tuple[str, str | None] | None:
    """Id and revision of what a user means by ``OWNER/NAME`` or ``OWNER/NAME@REVISION``; None where it is neither.

    >>> on_the_hub("me/mine@v1"), on_the_hub("me/mine"), on_the_hub("mine")
    (('me/mine', 'v1'), ('me/mine', None), None)
    """
    hub, at, revision = name.partition("@")
    if hub.count("/") != 1 or not re.match(HUB_ID, hub) or not re.fullmatch(_REVISION if at else "", revision):
        return None
    return hub, revision or None


def backbone_from(file: Path, named: str) -> str:
    """The backbone that a file names, as ``clbench.encoder.located.locate`` takes it: a path is meant from that file's
    folder, wherever the user stands.

    What lies in the working directory alone becomes the whole path where it should be, so that the sentence about it
    tells where it was looked for.
    """
    if not named or named.startswith(ON_THE_HUB) or named in names("backbone"):
        return named
    beside, here = file.parent / expanded(named), expanded(named)
    if beside == here:
        return named
    if os.path.exists(beside):
        return str(beside)
    return os.path.abspath(beside) if os.path.exists(here) else named


class BackboneForm(Form):
    """Where a backbone comes from; either ``hub`` or ``folder`` is given.

    Attributes:
        name: what ``--backbone`` is given.
        title: one line for people; empty for none.
        licence: of the weights, or ``none stated``.
        citation: where the model comes from, or ``none stated``.
        learning_rate: for fine-tuning, AdamW's at its peak; it depends on the width.
        hub: a Hugging Face model id.
        revision: a commit, branch or tag of it; null for the newest.
        folder: a Hugging Face folder, relative to this file.
        sha256: of the backbone's files, as ``clbench pretrain`` prints it; null where it is not to be checked.
        seen_domains: the domains on whose examples it, or what it was distilled from, was trained before; null where
            nobody knows.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    name: Name
    title: str = ""
    licence: str = "none stated"
    citation: str = "none stated"
    learning_rate: float = Field(gt=0, le=1)
    hub: str | None = Field(default=None, pattern=HUB_ID)
    revision: str | None = Field(default=None, min_length=1)
    folder: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    seen_domains: tuple[Name, ...] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> BackboneForm:
        if (self.hub is None) == (self.folder is None):
            raise ValueError("either hub or folder should be given, and not both")
        if self.revision is not None and self.hub is None:
            raise ValueError("a revision goes with hub, and a folder has none")
        return self


class EncoderShape(BaseModel):
    """What clbench knows of an encoder of any family, once it has been opened and tried.

    Attributes:
        model_type: the architecture, as config.json names it.
        hidden_size, intermediate_size: widths of the hidden states, and inside the feed-forward part.
        num_hidden_layers, num_attention_heads: layers, and heads of each.
        vocab_size, type_vocab_size: rows of the tables of words and of token types.
        max_position_embeddings: tokens that a row may have.
        packed: whether tokens go through it without padding; tried on rows of unlike length.
        head: the name of the classification head's last matrix and bias, without their endings.
        head_width, head_besides: inputs of that matrix, and the head's parameters beside it and its bias.
        more_by_layer, more_besides: parameters that a layer, and all else but the head, has more than BERT's of these
            sizes.
    """

    model_config = ConfigDict(frozen=True)

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    type_vocab_size: int
    max_position_embeddings: int
    packed: bool
    head: str
    head_width: int
    head_besides: int
    more_by_layer: int
    more_besides: int


class BertShape(BaseModel):
    """What clbench reads of a BERT checkpoint's ``config.json``; models are built from these fields alone.

    The bounds keep a stranger's configuration from filling the memory before a single weight has been read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    model_type: Literal["bert"]
    hidden_size: int = Field(ge=4, le=4096)
    num_hidden_layers: int = Field(ge=1, le=96)
    num_attention_heads: int = Field(ge=1, le=128)
    intermediate_size: int = Field(ge=4, le=16384)
    vocab_size: int = Field(ge=5, le=1_000_000)
    max_position_embeddings: int = Field(ge=8, le=16384)
    type_vocab_size: int = Field(ge=1, le=64)
    # All that transformers has but those with parameters of their own, which no checkpoint of a BERT holds.
    hidden_act: Literal[
        "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh",
        "gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu", "relu2",
        "relu6", "sigmoid", "silu", "sqrtsoftplus", "swish", "tanh",
    ] = "gelu"  # fmt: skip
    position_embedding_type: Literal["absolute"] = "absolute"
    is_decoder: Literal[False] = False
    add_cross_attention: Literal[False] = False
    hidden_dropout_prob: float = Field(default=0.1, ge=0, lt=1)
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, lt=1)
    classifier_dropout: float | None = Field(default=None, ge=0, lt=1)
    layerdrop: float = Field(default=0.0, ge=0, lt=1)  # clbench's own; transformers has none for BERT
    initializer_range: float = Field(default=0.02, gt=0, le=1)
    layer_norm_eps: float = Field(default=1e-12, gt=0, le=1)
    pad_token_id: int | None = Field(default=0, ge=0)
    int8: bool = False  # clbench's own: evaluated in int8
    masked: bool = False  # clbench's own: weights that are zero stay so

    @model_validator(mode="after")
    def _fits_together(self) -> BertShape:
        if self.pad_token_id is not None and self.pad_token_id >= self.vocab_size:
            raise ValueError(f"pad_token_id {self.pad_token_id} should be below vocab_size {self.vocab_size}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} should be a multiple of num_attention_heads {self.num_attention_heads}"
            )
        return self

    @property
    def packed(self) -> bool:
        """BERT's tokens are always packed."""
        return True

    @property
    def head_width(self) -> int:
        """See :class:`EncoderShape`."""
        return self.hidden_size

    @property
    def head_besides(self) -> int:
        """See :class:`EncoderShape`."""
        return 0

    @property
    def more_by_layer(self) -> int:
        """See :class:`EncoderShape`."""
        return 0

    @property
    def more_besides(self) -> int:
        """See :class:`EncoderShape`."""
        return 0

    def config_fields(self) -> dict[str, Any]:
        """Arguments of a transformers ``BertConfig`` of this shape; clbench's own fields only if the file has them."""
        own = {"layerdrop", "int8", "masked"}
        return self.model_dump(exclude={"model_type", "position_embedding_type"} | (own - self.model_fields_set))
