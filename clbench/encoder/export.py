"""Writing an encoder or a classifier as a Hugging Face folder: config, weights, tokenizer, model card, checksums."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clbench.encoder.hf_folder import FILES
from clbench.writing import cannot_write, made, unfinished

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertForSequenceClassification, BertModel

SUMS = "SHA256SUMS"


def write_backbone(bert: BertModel, tokenizer: Tokenizer, lower_case: bool, card: str, folder: Path) -> None:
    """Write ``bert``, its pooler included, in fp16 into ``folder``; see :func:`write_classifier`."""
    _write(bert, torch.float16, "BertModel", tokenizer, lower_case, card, folder)


def write_classifier(
    model: BertForSequenceClassification, tokenizer: Tokenizer, lower_case: bool, card: str, folder: Path
) -> None:
    """Write a classifier, head included, in fp32 into ``folder``, which appears whole or not at all; one that is there
    already is replaced.

    Args:
        tokenizer: a WordPiece tokenizer.
        lower_case: whether that tokenizer lower-cases.
        card: the model card, Markdown.
        folder: where to.
    """
    _write(model, torch.float32, "BertForSequenceClassification", tokenizer, lower_case, card, folder)


def _write(
    model: BertModel | BertForSequenceClassification,
    dtype: torch.dtype,
    architecture: str,
    tokenizer: Tokenizer,
    lower_case: bool,
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
            config.pop("_name_or_path", None)
            config.update(architectures=[architecture], dtype=str(dtype).removeprefix("torch."), model_type="bert")
            _write_json(place / "config.json", config)
            tokenizer.no_padding()
            tokenizer.no_truncation()
            tokenizer.save(str(place / "tokenizer.json"))
            words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
            (place / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
            settings = {
                "tokenizer_class": "BertTokenizer",
                "do_lower_case": lower_case,
                "model_max_length": model.config.max_position_embeddings,
                **{f"{kind}_token": f"[{kind.upper()}]" for kind in ("cls", "sep", "pad", "unk", "mask")},
            }
            _write_json(place / "tokenizer_config.json", settings)
            (place / "README.md").write_text(card, encoding="utf-8")
            lines = [f"{sha256(place / name)}  {name}\n" for name in FILES if (place / name).is_file()]
            (place / SUMS).write_text("".join(lines), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(place, folder)
    except (OSError, SafetensorError) as error:
        raise cannot_write(folder, error) from error


def sha256(path: Path) -> str:
    """The file's sha256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
