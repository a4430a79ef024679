"""Writing an encoder or a classifier as a Hugging Face folder: config, weights, tokenizer, model card, checksums."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clbench.encoder.architecture import single_label
from clbench.encoder.hf_folder import FILES, read_json
from clbench.encoder.outline import check_written
from clbench.encoder.tokenizer import read_tokenizer, template_of
from clbench.storage.cache import sha256_of
from clbench.storage.writing import cannot_write, made, replace_folder, unfinished

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedModel

SUMS = "SHA256SUMS"
# Where a checkpoint names code of its own, which is not written beside it.
_OWN_CODE = "auto_map"
_TYPES = "token_type_ids"
# Of the files, those that are not copied from where the tokenizer is.
_WRITTEN = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def write_backbone(bert: BertModel, source: Path, card: str, folder: Path) -> None:
    """Write ``bert``, its pooler included, in fp16 into ``folder``; see :func:`write_classifier`."""
    longest = bert.config.max_position_embeddings
    _write(bert, torch.float16, "BertModel", source, longest, card, folder)


def write_classifier(model: PreTrainedModel, source: Path, max_length: int, card: str, folder: Path) -> None:
    """Write a classifier, head included, in fp32 into ``folder``, which appears whole or not at all; one that is there
    already is replaced.

    Args:
        model: of any family.
        source: the checked folder of the encoder that it was made from, whose tokenizer it keeps.
        max_length: tokens an example that the model was trained with at most; transformers will cut there.
        card: the model card, Markdown.
        folder: where to.

    Raises:
        UserError: nothing can be written there; or the model has shapes that its configuration does not make, so that
            nobody could read it again.
    """
    check_written(model)
    _write(model, torch.float32, type(model).__name__, source, max_length, card, folder)


def _write(
    model: PreTrainedModel,
    dtype: torch.dtype,
    architecture: str,
    source: Path,
    max_length: int,
    card: str,
    folder: Path,
) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with made(folder.parent), unfinished(folder.parent) as place:
            place.chmod(0o755)
            weights = {name: value.detach().to(dtype).contiguous() for name, value in model.state_dict().items()}
            save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
            (place / "model.safetensors").chmod(0o644)  # safetensors writes for its owner alone
            config = model.config.to_dict()
            for name in ("_name_or_path", _OWN_CODE):
                config.pop(name, None)
            if "problem_type" in config:  # of a model that somebody else made
                config["problem_type"] = single_label(config["problem_type"])
            config.update(architectures=[architecture], dtype=str(dtype).removeprefix("torch."))
            _write_json(place / "config.json", config)
            _write_tokenizer(model, source, max_length, place)
            (place / "README.md").write_text(card, encoding="utf-8")
            lines = [f"{sha256_of(place / name)}  {name}\n" for name in FILES if (place / name).is_file()]
            (place / SUMS).write_text("".join(lines), encoding="utf-8")
            replace_folder(place, folder)
    except (OSError, SafetensorError) as error:
        raise cannot_write(folder, error) from error


def _write_tokenizer(model: PreTrainedModel, source: Path, max_length: int, place: Path) -> None:
    """The tokenizer's files as they are, but for the length at which transformers cuts, and what it gives a model."""
    from tokenizers import Tokenizer

    from clbench.encoder.forward import has_types

    for name in FILES:
        if name not in _WRITTEN and (source / name).is_file():
            shutil.copyfile(source / name, place / name)
    there = source / "tokenizer.json"
    if there.is_file():
        tokenizer = Tokenizer.from_file(str(there))
    else:
        tokenizer = read_tokenizer(source, model.config.vocab_size, str(source))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(place / there.name))
    told = source / "tokenizer_config.json"
    settings = read_json(told, str(source)) if told.is_file() else {}
    settings.pop(_OWN_CODE, None)
    # Of some families (ALBERT, RemBERT, BigBird) transformers' tokenizers leave out the types that their template has,
    # and that the model was trained with. A BERT's that does is refused when it is read.
    kind, inputs = model.config.model_type, settings.get("model_input_names") or ["input_ids", "attention_mask"]
    if kind != "bert" and has_types(model) and template_of(tokenizer).typed:
        settings["model_input_names"] = [*inputs, *(name for name in (_TYPES,) if name not in inputs)]
    elif kind == "bert" and not has_types(model):
        # A second type, which a BERT's tokenizer sends by itself, would be looked up beyond the table's end.
        settings["model_input_names"] = [name for name in inputs if name != _TYPES]
    _write_json(place / told.name, settings | {"model_max_length": max_length})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
