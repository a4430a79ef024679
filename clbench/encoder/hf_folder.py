"""Reading a Hugging Face folder with distrust: ordinary files of a bounded size, strict JSON, no code run."""

from __future__ import annotations

import codecs
import hashlib
import json
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clbench.errors import UserError, kind_of
from clbench.schema.backbone import BertShape
from clbench.schema.form import parse, shown
from clbench.storage.cache import sha256_of

# What a backbone is made of; nothing else is downloaded, read or hashed.
FILES = (
    "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    "vocab.json", "merges.txt", "spm.model", "spiece.model", "sentencepiece.bpe.model",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
# But this, where model.safetensors is not there.
PICKLED = "pytorch_model.bin"
# Bytes that a file may have. The largest tokenizers have a quarter of a million tokens, in some 20 MB.
_LARGEST = {"config.json": 2**20, "model.safetensors": 16 * 2**30, PICKLED: 16 * 2**30}
_LARGEST_OTHER = 64 * 2**20
_DEEPEST = 50


def check_files(folder: Path, origin: str, names: Sequence[str] = FILES) -> None:
    """Check that each of ``names`` which is there is an ordinary file of a sensible size, before any is opened.

    Args:
        folder: a checkpoint's.
        origin: opens the sentence of an error.

    Raises:
        UserError: one is a folder, a pipe or a device, or is too large.
    """
    for name in names:
        try:
            found = (folder / name).stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UserError(f"{origin}: {name} cannot be read: {error.strerror}.") from error
        if not stat.S_ISREG(found.st_mode):
            kind = (
                "a folder" if stat.S_ISDIR(found.st_mode)
                else "a pipe" if stat.S_ISFIFO(found.st_mode)
                else "a device or a socket"
            )  # fmt: skip
            raise UserError(f"{origin}: {name} should be an ordinary file, but is {kind}.")
        largest = _LARGEST.get(name, _LARGEST_OTHER)
        if found.st_size > largest:
            size = f"{largest // 2**30} GiB" if largest >= 2**30 else f"{largest // 2**20} MiB"
            raise UserError(f"{origin}: {name} should be at most {size}, but has {found.st_size:,} bytes.")


def is_bert(folder: Path, origin: str) -> bool:
    """Whether ``config.json`` says that the folder holds a BERT, which is read without transformers.

    Raises:
        UserError: there is no such file, or none that can be read.
    """
    return read_json(folder / "config.json", origin).get("model_type") == "bert"


def read_bert_shape(folder: Path, origin: str) -> BertShape:
    """The checked ``config.json`` of a BERT; ``origin`` opens the sentence of an error.

    Raises:
        UserError: no configuration, one with code of its own, or sizes out of bounds.
    """
    content = read_json(folder / "config.json", origin)
    if content.get("auto_map"):
        raise UserError(
            f"{origin}: config.json has code of its own (auto_map), which is never run; give a plain BERT checkpoint."
        )
    if content.get("quantization_config"):
        raise UserError(
            f"{origin}: config.json says that the weights are quantised (quantization_config), which is not read; "
            "give the checkpoint in floating point."
        )
    return parse(content, BertShape, f"{origin}: config.json")


def digest_of(folder: Path) -> str:
    """sha256 over the name and the sha256 of each of :data:`FILES` that is there."""
    digest = hashlib.sha256()
    for name in FILES:
        if (folder / name).is_file():
            digest.update(f"{name} {sha256_of(folder / name)}\n".encode())
    return digest.hexdigest()


def read_json(path: Path, origin: str) -> dict[str, Any]:
    """The JSON object in one of a folder's files.

    Raises:
        UserError: no such file, no JSON in UTF-8, a key that comes twice, nesting that is too deep, or no object.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{origin}: {path.name} is missing; a Hugging Face checkpoint folder is needed.") from error
    except OSError as error:
        raise UserError(f"{origin}: {path.name} cannot be read: {error.strerror}.") from error
    for name, mark in (("UTF-8", codecs.BOM_UTF8), ("UTF-16", codecs.BOM_UTF16_LE), ("UTF-16", codecs.BOM_UTF16_BE)):
        if found.startswith(mark):
            raise UserError(
                f"{origin}: {path.name} should be UTF-8 without a byte order mark, but begins with that of {name}; "
                "save it again as plain UTF-8."
            )

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise UserError(f"{origin}: {path.name} has the key {shown(twice)} twice; keep the one that is meant.")
        return content

    try:
        content = json.loads(found.decode("utf-8"), object_pairs_hook=once)
    except RecursionError as error:
        raise UserError(f"{origin}: {path.name} is nested too deeply.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{origin}: {path.name} cannot be read as JSON: it is not UTF-8 text.") from error
    except ValueError as error:
        raise UserError(f"{origin}: {path.name} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{origin}: {path.name} should hold a JSON object, but holds {kind_of(content)}.")
    if _depth_exceeds(content, _DEEPEST):
        raise UserError(f"{origin}: {path.name} is nested too deeply: more than {_DEEPEST} levels.")
    return content


def _depth_exceeds(content: Any, limit: int) -> bool:
    """Without recursion, which such a file could exhaust; level by level."""
    level = [content]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


@contextmanager
def silence() -> Iterator[None]:
    """transformers without its warnings and bars."""
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
