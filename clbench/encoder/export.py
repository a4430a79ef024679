"""Writing an encoder or a classifier as a Hugging Face folder: config, weights, tokenizer, model card, checksums."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clbench.encoder.hf_folder import FILES
from clbench.encoder.same_tokens import AS_IT_IS, BY_SETTINGS, bert_settings
from clbench.encoder.tokenizer import template_of
from clbench.encoder.wordpiece import SPECIAL
from clbench.storage.writing import cannot_write, made, unfinished

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel, PreTrainedConfig, PreTrainedModel

SUMS = "SHA256SUMS"


def write_backbone(bert: BertModel, tokenizer: Tokenizer, card: str, folder: Path) -> None:
    """Write ``bert``, its pooler included, in fp16 into ``folder``; see :func:`write_classifier`."""
    longest = bert.config.max_position_embeddings
    _write(bert, torch.float16, "BertModel", tokenizer, longest, card, folder)


def write_classifier(model: PreTrainedModel, tokenizer: Tokenizer, max_length: int, card: str, folder: Path) -> None:
    """Write a classifier, head included, in fp32 into ``folder``, which appears whole or not at all; one that is there
    already is replaced.

    Args:
        model: of any family.
        tokenizer: its tokenizer, as :func:`~clbench.encoder.tokenizer.read_tokenizer` returns it.
        max_length: tokens a pair that the model was trained with at most; transformers will cut there.
        card: the model card, Markdown.
        folder: where to.
    """
    _write(model, torch.float32, type(model).__name__, tokenizer, max_length, card, folder)


def _write(
    model: PreTrainedModel,
    dtype: torch.dtype,
    architecture: str,
    tokenizer: Tokenizer,
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
            config.pop("_name_or_path", None)
            config.update(architectures=[architecture], dtype=str(dtype).removeprefix("torch."))
            _write_json(place / "config.json", config)
            tokenizer.no_padding()
            tokenizer.no_truncation()
            tokenizer.save(str(place / "tokenizer.json"))
            if config["model_type"] == "bert":
                _write_vocabulary(place / "vocab.txt", tokenizer)
            settings = {**_tokenizer_settings(tokenizer, model.config), "model_max_length": max_length}
            _write_json(place / "tokenizer_config.json", settings)
            (place / "README.md").write_text(card, encoding="utf-8")
            lines = [f"{sha256(place / name)}  {name}\n" for name in FILES if (place / name).is_file()]
            (place / SUMS).write_text("".join(lines), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(place, folder)
    except (OSError, SafetensorError) as error:
        raise cannot_write(folder, error) from error


def _tokenizer_settings(tokenizer: Tokenizer, config: PreTrainedConfig) -> dict[str, Any]:
    """What ``tokenizer_config.json`` must say for transformers to read as ``tokenizer`` does."""
    found, template = bert_settings(tokenizer) if config.model_type == "bert" else None, template_of(tokenizer)
    if found is None:
        # transformers takes tokenizer.json as it is, but no longer knows whether token types are wanted.
        typed = template.typed and (getattr(config, "type_vocab_size", 0) or 0) > 1
        names = ["input_ids", *(["token_type_ids"] if typed else []), "attention_mask"]
        content: dict[str, Any] = {"tokenizer_class": AS_IT_IS[0], "model_input_names": names}
    else:
        content = {"tokenizer_class": BY_SETTINGS[0], "do_lower_case": found["do_lower_case"]}
        # Written where they are not what transformers takes without them.
        if found["strip_accents"] != found["do_lower_case"]:
            content["strip_accents"] = found["strip_accents"]
        if not found["tokenize_chinese_chars"]:
            content["tokenize_chinese_chars"] = False
    said = {"cls": tokenizer.id_to_token(template.before[0]), "sep": tokenizer.id_to_token(template.between[-1])}
    if isinstance(unknown := getattr(tokenizer.model, "unk_token", None), str):
        said["unk"] = unknown
    if config.pad_token_id is not None and (padding := tokenizer.id_to_token(config.pad_token_id)) is not None:
        said["pad"] = padding
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    for kind in SPECIAL:
        # null where there is none: transformers would add its own, with a number beyond the embeddings.
        usual = (name for name in (f"[{kind.upper()}]", f"<{kind}>") if name in special)
        content[f"{kind}_token"] = said.get(kind) or next(usual, None)
    return content


def _write_vocabulary(path: Path, tokenizer: Tokenizer) -> None:
    """One token a line, for those who ask for it; not where numbers are left out or a token would not come back."""
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if all(number == line and word == word.strip() != "" for line, (word, number) in enumerate(words)):
        path.write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")


def sha256(path: Path) -> str:
    """The file's sha256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
