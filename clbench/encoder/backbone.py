"""Backbones: the pre-trained encoder that everything starts from, opened by name and never trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clbench import torchvision_ops
from clbench.encoder.hf_folder import check_weights, digest_of, head_order, read_shape
from clbench.encoder.tokenizer import read_tokenizer
from clbench.errors import UserError, nearest
from clbench.schema.backbone import HUB_ID, BackboneForm, BertShape
from clbench.schema.form import read_yaml
from clbench.schema.shipped import FOLDERS, find, names

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

    from clbench.encoder.bert import Classifier


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
    shape: BertShape = field(repr=False)

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
        """A fresh tokenizer with BERT's template; it neither pads nor cuts.

        Raises:
            UserError: its file is missing, damaged, or does not fit the encoder.
        """
        return read_tokenizer(self.folder, self.shape, f"backbone {self.name}")

    def classifier(self, num_labels: int, seed: int) -> Classifier:
        """The encoder with a fresh head, fp32, in training mode; dropout as in its configuration.

        The head, and the pooler where the checkpoint has none, are drawn from ``seed`` alone: weights from
        N(0, initializer_range), biases 0. torch's global generator is left as it was.
        """
        from clbench.encoder.bert import Classifier

        torchvision_ops.define()
        from transformers import BertForSequenceClassification

        model, missing = _load(BertForSequenceClassification, self.folder, num_labels=num_labels)
        generator = torch.Generator().manual_seed(seed)
        fresh = [model.classifier]
        if any("pooler" in name for name in missing):
            fresh.append(model.bert.pooler.dense)
        with torch.no_grad():
            for linear in fresh:
                linear.weight.normal_(0.0, model.config.initializer_range, generator=generator)
                linear.bias.zero_()
        model.train()
        return Classifier(model)

    def trained(self, label_space: Sequence[str]) -> Classifier:
        """The checkpoint with the head that it was trained with, fp32, in training mode.

        A head whose labels have the same names in another order is turned; labels that nobody named (``LABEL_0``, ..)
        are taken in order.

        Raises:
            UserError: it has no head, or one for other labels.
        """
        from clbench.encoder.bert import Classifier

        torchvision_ops.define()
        from transformers import BertForSequenceClassification

        order = head_order(self.folder, label_space, f"model {self.name}")
        model, _ = _load(BertForSequenceClassification, self.folder)
        with torch.no_grad():
            for parameter in model.classifier.parameters():
                parameter.copy_(parameter[order].clone())
        model.config.id2label = dict(enumerate(label_space))
        model.config.label2id = {label: number for number, label in enumerate(label_space)}
        model.train()
        return Classifier(model)

    def encoder(self) -> BertModel:
        """The encoder alone, without pooler, fp32, in evaluation mode, its parameters frozen: a teacher."""
        torchvision_ops.define()
        from transformers import BertModel

        model, _ = _load(BertModel, self.folder, add_pooling_layer=False)
        return model.eval().requires_grad_(False)


def open_backbone(name: str) -> Backbone:
    """The backbone that a user means by ``name``.

    Args:
        name: a shipped name, the path of a YAML file, a local Hugging Face folder, or a hub id.

    Raises:
        UserError: nothing of that name, no network, or files that are damaged, pickled, of another architecture, or
            not those that the YAML's sha256 promises; one sentence says which, and what would be right.
    """
    if name.endswith((".yaml", ".yml")) or name in names("backbone"):
        return _from_yaml(name, find("backbone", name))
    if Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
        return _checked(name, folder, {"kind": "folder", "id": folder.resolve().name}, None)
    for shipped in names("backbone"):
        if read_yaml(FOLDERS["backbone"] / f"{shipped}.yaml", BackboneForm).hub == name:
            return _from_yaml(name, FOLDERS["backbone"] / f"{shipped}.yaml")
    if name.count("/") == 1 and re.match(HUB_ID, name):
        return _from_hub(name, name, None, {}, None)
    if "/" in name:
        raise UserError(
            f"backbone {name} is no folder on this machine and no hub id (owner/name); "
            f"{nearest(name, names('backbone'))}"
        )
    raise UserError(f"no backbone is called '{name}'; {nearest(name, names('backbone'))}")


def _from_yaml(name: str, path: Path) -> Backbone:
    form = read_yaml(path, BackboneForm)
    about = {"licence": form.licence, "citation": form.citation}
    if form.hub is not None:
        backbone = _from_hub(name, form.hub, form.revision, about, form.learning_rate)
    else:
        folder = path.parent / str(form.folder)
        if not folder.is_dir():
            raise UserError(f"{path}: field 'folder' should name a folder beside it, but there is no {folder}.")
        packaged = path.parent.resolve() == FOLDERS["backbone"].resolve()
        source = {"kind": "packaged" if packaged else "folder", "id": form.name, **about}
        backbone = _checked(name, folder, source, form.learning_rate)
    if form.sha256 is not None and form.sha256 != backbone.digest:
        raise UserError(
            f"{path}: field 'sha256' says {form.sha256}, but the files of the backbone have {backbone.digest}; "
            "they were changed or damaged: fetch them again, or correct the field."
        )
    return backbone


def _from_hub(name: str, hub_id: str, revision: str | None, about: dict[str, str], rate: float | None) -> Backbone:
    from clbench.encoder.hub import fetch

    folder, commit = fetch(hub_id, revision)
    source = {"kind": "hub", "id": hub_id, "revision": revision, "commit": commit, **about}
    return _checked(name, folder, source, rate)


def _checked(name: str, folder: Path, source: dict[str, Any], rate: float | None) -> Backbone:
    origin = f"backbone {name}"
    shape = read_shape(folder, origin)
    check_weights(folder, shape, origin)
    # Width times rate is about the same for the rates that suit widths 128 and 768.
    chosen = rate if rate is not None else float(f"{0.023 / shape.hidden_size:.1e}")
    return Backbone(name, folder, digest_of(folder), source, chosen, shape)


def _load(kind: Any, folder: Path, **arguments: Any) -> tuple[Any, set[str]]:
    """A model of class ``kind`` and the names of the weights that the checkpoint lacks."""
    with _silence(), torch.random.fork_rng(devices=[]):
        model, report = kind.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # a checkpoint's own head, which is drawn anew
            output_loading_info=True,
            **arguments,
        )
    return model, set(report["missing_keys"])


@contextmanager
def _silence() -> Iterator[None]:
    """transformers without its progress bar and its report on the head that is missing."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
