"""Backbones: the pre-trained encoder that everything starts from, opened by name and never trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.encoder.architecture import fresh_head, load_model, read_architecture
from clbench.encoder.hf_folder import FILES, PICKLED, check_files, digest_of, is_bert, read_bert_shape
from clbench.encoder.located import Located, check_length, locate
from clbench.encoder.pickled import as_safetensors
from clbench.encoder.tokenizer import read_tokenizer
from clbench.encoder.weights import (
    HEAD,
    POOLER,
    Head,
    check_finite,
    check_floating,
    check_weights,
    expected_weights,
    read_head,
    read_weights,
    stored_names,
)
from clbench.errors import UserError
from clbench.runtime import torchvision_ops
from clbench.schema.backbone import BertShape, EncoderShape, called
from clbench.schema.registry import plugins
from clbench.schema.shipped import expanded, is_shipped
from clbench.storage.cache import cached, installed_versions

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from transformers import BertModel

    from clbench.encoder.classifier import Classifier
    from clbench.schema.recipe import OpenRecipe

# As in a record, which names the backbone.
_LONGEST_NAME = 300


@dataclass(frozen=True)
class Backbone:
    """A checked encoder on this machine.

    Attributes:
        name: what it was asked for by.
        folder: a Hugging Face folder: configuration, ``model.safetensors``, tokenizer.
        digest: sha256 over these files.
        source: where they came from, for the record: kind, id, licence, revision asked and commit resolved.
        learning_rate: the fine-tuning rate that suits its size.
        shape: its sizes.
    """

    name: str
    folder: Path
    digest: str
    source: dict[str, Any]
    learning_rate: float
    shape: BertShape | EncoderShape = field(repr=False)

    @property
    def layers(self) -> int:
        """Depth."""
        return self.shape.num_hidden_layers

    @property
    def lower_case(self) -> bool:
        """Whether its tokenizer makes no difference between upper and lower case."""
        tokenizer = self.tokenizer()
        return bool(tokenizer.encode("A").ids == tokenizer.encode("a").ids)

    def tokenizer(self) -> Tokenizer:
        """A fresh tokenizer with a template for pairs; it neither pads nor cuts.

        Raises:
            UserError: its file is missing, damaged, or does not fit the encoder.
        """
        if self.source["kind"] == "packaged":
            # transformers reads the same (a test sees to that), but takes seconds to be imported.
            from tokenizers import Tokenizer

            return Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        return read_tokenizer(self.folder, self.shape.vocab_size, f"backbone {self.name}")

    def classifier(self, num_labels: int, seed: int) -> Classifier:
        """The encoder with a fresh head, fp32, in training mode; dropout as in its configuration.

        The head, and the pooler where the checkpoint has none, are drawn from ``seed`` alone: of a BERT weights from
        N(0, initializer_range) and biases 0, of another family as transformers draws them. torch's global generator is
        left as it was.
        """
        import torch

        from clbench.encoder.classifier import Classifier
        from clbench.encoder.quantize import trained_anew

        if isinstance(self.shape, EncoderShape):
            model = load_model(self.folder, f"backbone {self.name}", seed=seed, num_labels=num_labels)
            if f"{self.shape.head}.weight" in stored_names(self.folder, f"backbone {self.name}"):
                fresh_head(model, seed)
            return trained_anew(Classifier(model.train(), packed=self.shape.packed))
        torchvision_ops.define()
        from transformers import BertForSequenceClassification

        width, generator = self.shape.hidden_size, torch.Generator().manual_seed(seed)
        weights = {f"bert.{name}": value for name, value in self._weights(*POOLER).items()}
        fresh = {"classifier": (num_labels, width)}
        if f"bert.{POOLER[0]}" not in weights:
            fresh["bert.pooler.dense"] = (width, width)
        for name, size in fresh.items():
            drawn = torch.empty(size).normal_(0.0, self.shape.initializer_range, generator=generator)
            weights |= {f"{name}.weight": drawn, f"{name}.bias": torch.zeros(size[0])}
        model = _empty(BertForSequenceClassification, self.shape, num_labels=num_labels)
        model.load_state_dict(weights)
        model.train()
        return trained_anew(Classifier(model))

    def head(self, label_space: Sequence[str], labels: Sequence[str] | None = None) -> Head:
        """The checkpoint's own classification head, checked; see :func:`clbench.encoder.weights.read_head`.

        Raises:
            UserError: it has no head, a damaged one, or one for other labels.
        """
        return read_head(self.folder, self.shape, label_space, f"model {self.name}", labels)

    def trained(self, label_space: Sequence[str], labels: Sequence[str] | None = None) -> Classifier:
        """The checkpoint with the head that it was trained with, fp32, in training mode.

        A head whose labels have the same names in another order is turned; labels that nobody named (``LABEL_0``, ..)
        are taken in order.

        Args:
            label_space: the order that is wanted.
            labels: the order that the head has, where config.json does not say it.

        Raises:
            UserError: it has no head, a damaged one, or one for other labels.
        """
        import torch

        from clbench.encoder.classifier import Classifier

        order = list(self.head(label_space, labels).order)
        names: dict[str, Any] = {
            "id2label": dict(enumerate(label_space)),
            "label2id": {label: number for number, label in enumerate(label_space)},
        }
        if isinstance(self.shape, EncoderShape):
            model = load_model(self.folder, f"model {self.name}", seed=0, with_head=True, **names)
            last = model.get_submodule(self.shape.head)
            with torch.no_grad():
                for parameter in last.parameters():
                    parameter.copy_(parameter[order])
            return Classifier(model.train(), packed=self.shape.packed)
        torchvision_ops.define()
        from transformers import BertForSequenceClassification

        model = _empty(BertForSequenceClassification, self.shape, **names)
        weights = self._weights(*POOLER, *HEAD)
        heads = {name: weights.pop(name)[order] for name in HEAD}
        model.load_state_dict({f"bert.{name}": value for name, value in weights.items()} | heads)
        model.train()
        return Classifier(model)

    def encoder(self) -> BertModel:
        """The encoder alone, without pooler, fp32, in evaluation mode, its parameters frozen: a teacher.

        Raises:
            UserError: it is no BERT; clbench's pre-training teaches BERTs from a BERT.
        """
        if isinstance(self.shape, EncoderShape):
            raise UserError(
                f"backbone {self.name}: pre-training should be taught by a BERT, but this is a {self.shape.model_type}."
            )
        torchvision_ops.define()
        from transformers import BertModel

        model = _empty(BertModel, self.shape, {"add_pooling_layer": False})
        model.load_state_dict(self._weights())
        return model.eval().requires_grad_(False)

    def check_length(self, max_length: int, asked: str) -> None:
        """Check that there is a position for each token of the longest example.

        Args:
            max_length: tokens an example, special ones included.
            asked: who asks for them, for the sentence.

        Raises:
            UserError: there are fewer.
        """
        check_length(self.name, self.shape.max_position_embeddings, max_length, asked)

    def _weights(self, *more: str) -> dict[str, Tensor]:
        """The encoder's weights, and those of ``more`` that the checkpoint has."""
        assert isinstance(self.shape, BertShape)
        return read_weights(self.folder, {*expected_weights(self.shape), *more}, f"backbone {self.name}")


# By the name that each was asked for by, see :func:`opened_elsewhere`.
_elsewhere: ContextVar[Mapping[str, Backbone] | None] = ContextVar("elsewhere", default=None)


@contextmanager
def opened_elsewhere(backbones: Mapping[str, Backbone]) -> Iterator[None]:
    """Within the ``with`` block these names mean backbones that another machine has opened, whose folders are here."""
    token = _elsewhere.set(backbones)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def open_backbone(name: str | Path) -> Backbone:
    """The backbone that a user means by ``name``.

    Args:
        name: a shipped name, the path of a YAML file, a local Hugging Face folder, or a hub id.

    Raises:
        UserError: nothing of that name, no network, or files that are damaged, of another architecture, or
            not those that the YAML's sha256 promises; one sentence says which, and what would be right.
    """
    return _named_in(None, os.fspath(name))


def _opened(place: Located) -> Backbone:
    name, form = place.name, place.form
    about: dict[str, Any] = {} if form is None else {"licence": form.licence, "citation": form.citation}
    if form is not None and form.seen_domains is not None:
        about["seen_domains"] = list(form.seen_domains)
    rate = None if form is None else form.learning_rate
    if place.hub is not None:
        backbone = _from_hub(name, place.hub, place.revision, about, rate)
    else:
        folder = place.folder or Path()
        source, promised = {"kind": "folder", "id": folder.resolve().name}, None
        if form is not None and place.path is not None:
            packaged = is_shipped("backbone", place.path)
            source = {"kind": "packaged" if packaged else "folder", "id": form.name, **about}
            promised = form.sha256 if packaged else None
        backbone = _checked(name, folder, source, rate, promised)
    if form is not None and form.sha256 is not None and form.sha256 != backbone.digest:
        raise UserError(
            f"{place.path}: field 'sha256' says {form.sha256}, but the files of the backbone have {backbone.digest}; "
            "they were changed or damaged: fetch them again, or correct the field."
        )
    return backbone


def starting_backbone(
    recipe: OpenRecipe, given: str | Path | None, otherwise: str, field: str | None = None
) -> Backbone:
    """The encoder that a recipe starts from.

    Args:
        given: what the user asks for with ``--backbone``; before the recipe's own, but a checkpoint is its own encoder.
        otherwise: the edition's, where neither user nor recipe names one.
        field: the file and the field that name ``otherwise``, for the sentence if there is no such backbone.

    Raises:
        UserError: ``given`` contradicts the checkpoint that is to be loaded; or as :func:`open_backbone`.
    """
    name, own = starting_name(recipe, given, otherwise), recipe.backbone
    if given is None or recipe.form.checkpoint:
        field = field if own is None else _field(recipe)
        return _named_in(field, name)
    return open_backbone(name)


def starting_name(recipe: OpenRecipe, given: str | Path | None, otherwise: str) -> str:
    """The name of :func:`starting_backbone`'s answer."""
    own, given = recipe.backbone, None if given is None else os.fspath(given)
    if recipe.form.checkpoint and own is not None and given is not None and not _same_place(own, given):
        raise UserError(
            f"--backbone {given} contradicts --model {recipe.form.name}, which is a checkpoint and its own encoder, "
            f"{own}; leave --backbone out."
        )
    return (own if recipe.form.checkpoint else given or own) or given or otherwise


def _field(recipe: OpenRecipe) -> str | None:
    """The file and the field that name a recipe's backbone; None for a checkpoint, which is one."""
    return None if recipe.form.checkpoint else f"{recipe.path}: field 'backbone'"


def _named_in(field: str | None, name: str) -> Backbone:
    """The backbone ``name`` that a field of a file names, or a user."""
    there = (_elsewhere.get() or {}).get(called(name))
    if there is not None:
        return there
    try:
        place = locate(name)
    except UserError as error:
        raise error if field is None else UserError(f"{field}: {error}") from error
    return _opened(place)


def teacher_backbone(teacher: OpenRecipe, backbone: Backbone) -> Backbone:
    """The encoder that a teacher starts from: its own, where it is a checkpoint or names one, else its student's."""
    return backbone if teacher.backbone is None else _named_in(_field(teacher), teacher.backbone)


def _same_place(one: str, other: str) -> bool:
    first, second = (expanded(called(name)) for name in (one, other))
    return first == second or (os.path.exists(first) and os.path.exists(second) and first.resolve() == second.resolve())


def _from_hub(name: str, hub_id: str, revision: str | None, about: dict[str, Any], rate: float | None) -> Backbone:
    from clbench.encoder.hub import fetch

    folder, commit = fetch(hub_id, revision)
    source = {"kind": "hub", "id": hub_id, "revision": revision, "commit": commit, **about}
    return _checked(name, folder, source, rate)


def _checked(
    name: str, folder: Path, source: dict[str, Any], rate: float | None, packaged: str | None = None
) -> Backbone:
    """The backbone in ``folder``; ``packaged`` is the digest of one that comes with clbench."""
    origin = f"backbone {name}"
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise UserError(
            f"{origin}: the path or name should be at most {_LONGEST_NAME} printable characters; rename the folder."
        )
    check_files(folder, origin)
    folder, shape, digest = _read_through(folder, origin)
    # Width times rate is about the same for the rates that suit widths 128 and 768.
    chosen = rate if rate is not None else float(f"{0.023 / shape.hidden_size:.1e}")
    if digest != packaged:
        _check_tokenizer(folder, shape.vocab_size, digest, origin)
    return Backbone(name, folder, digest, source, chosen, shape)


def _check_tokenizer(folder: Path, vocab_size: int, digest: str, origin: str) -> None:
    """Read the tokenizer once: that takes transformers' import, so that what has passed is kept in the cache."""

    def read(entry: Path) -> None:
        read_tokenizer(folder, vocab_size, origin)
        (entry / "passed").write_bytes(b"")

    content = {"backbone": digest, "versions": installed_versions("tokenizers", "transformers")}
    cached("tokenizers", content, read)


# What has been read of folders, by the state of their files: a sweep opens the same backbone for every run.
_READ: dict[tuple[Any, ...], tuple[Path, BertShape | EncoderShape, str]] = {}


def _read_through(folder: Path, origin: str) -> tuple[Path, BertShape | EncoderShape, str]:
    """The folder with its weights in safetensors, its shape and digest, after a look at every weight of its encoder;
    once for each state of its files.
    """
    found = [(folder / name).stat() for name in (*FILES, PICKLED) if (folder / name).exists()]
    # A plug-in may bring the family.
    state = (folder.resolve(), *plugins(), *((s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in found))
    if state not in _READ or not _READ[state][0].exists():
        shape: BertShape | EncoderShape
        folder = as_safetensors(folder, origin)
        if is_bert(folder, origin):
            shape, digest = read_bert_shape(folder, origin), digest_of(folder)
            check_weights(folder, shape, origin)
            check_finite(folder, {*expected_weights(shape), *POOLER}, origin)
        else:
            check_floating(folder, origin)
            check_finite(folder, stored_names(folder, origin), origin)
            digest = digest_of(folder)
            shape = read_architecture(folder, digest, origin)
        _READ[state] = (folder, shape, digest)
    return _READ[state]


def _empty(kind: Any, shape: BertShape, arguments: Mapping[str, Any] | None = None, **fields: Any) -> Any:
    """A model of class ``kind`` whose weights are not yet filled in; nothing is drawn.

    Args:
        arguments: of the class, beside the configuration.
        fields: of the configuration, beside those of the shape.
    """
    import torch
    from transformers import BertConfig

    config = BertConfig(**shape.config_fields(), **fields, attn_implementation="sdpa")
    with torch.device("meta"):
        model = kind(config, **(arguments or {}))
    model = model.to_empty(device="cpu")
    with torch.no_grad():
        # transformers' buffers are no part of a checkpoint.
        embeddings = getattr(model, "bert", model).embeddings
        embeddings.position_ids.copy_(torch.arange(shape.max_position_embeddings))
        embeddings.token_type_ids.zero_()
    return model
