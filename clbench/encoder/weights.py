"""The weights of a Hugging Face folder: safetensors only, every one there, of the right shape, floating and finite."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.encoder.hf_folder import PICKLED, read_json
from clbench.errors import UserError, kind_of, listed
from clbench.schema.backbone import BertShape, EncoderShape
from clbench.schema.form import shown

if TYPE_CHECKING:
    from torch import Tensor

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")
_FLOATING = ("F16", "BF16", "F32", "F64")
POOLER = ("pooler.dense.weight", "pooler.dense.bias")
HEAD = ("classifier.weight", "classifier.bias")
# What old checkpoints hold beside the weights: numbers that follow from the shape.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")


@dataclass(frozen=True)
class Stored:
    """A tensor in a safetensors file: its name there, its shape, and its type as safetensors spells it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Head:
    """A checkpoint's own classification head, seen from a label space.

    Attributes:
        order: for each label the row of the head that is meant for it.
        named: whether the checkpoint, or the user, says which row is which label; else they are taken in order.
    """

    order: tuple[int, ...]
    named: bool


def expected_weights(shape: BertShape) -> dict[str, tuple[int, ...]]:
    """Name (without the prefix ``bert.``) and shape of every weight that an encoder cannot do without."""
    width, inner = shape.hidden_size, shape.intermediate_size
    names: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (shape.vocab_size, width),
        "embeddings.position_embeddings.weight": (shape.max_position_embeddings, width),
        "embeddings.token_type_embeddings.weight": (shape.type_vocab_size, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for number in range(shape.num_hidden_layers):
        linears = {
            "attention.self.query": (width, width),
            "attention.self.key": (width, width),
            "attention.self.value": (width, width),
            "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width),
            "output.dense": (width, inner),
        }
        for part, size in linears.items():
            names[f"encoder.layer.{number}.{part}.weight"] = size
            names[f"encoder.layer.{number}.{part}.bias"] = size[:1]
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            names[f"encoder.layer.{number}.{part}.weight"] = names[f"encoder.layer.{number}.{part}.bias"] = (width,)
    return names


def classifier_weights(shape: BertShape, layers: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a BERT classifier, as ``save_pretrained`` writes it.

    Args:
        shape: of the encoder that it was made from.
        layers: of it that are left.
        classes: of the head.
    """
    width = shape.hidden_size
    encoder = expected_weights(shape.model_copy(update={"num_hidden_layers": layers}))
    encoder |= {POOLER[0]: (width, width), POOLER[1]: (width,)}
    return {f"bert.{name}": size for name, size in encoder.items()} | {HEAD[0]: (classes, width), HEAD[1]: (classes,)}


def check_weights(folder: Path, shape: BertShape, origin: str) -> None:
    """Check that ``model.safetensors`` holds every weight of an encoder of that shape, and no other one of an encoder.

    The pooler may be missing, but not half of it. A head is not looked at: see :func:`read_head`.

    Raises:
        UserError: no such file, a damaged one; a weight that is missing, of another shape, not floating, or that no
            BERT encoder of this configuration has.
    """
    found = _stored(folder, origin)
    expected = expected_weights(shape)
    layers = {int(match[1]) for name in found if (match := re.match(r"encoder\.layer\.(\d{1,6})\.", name))}
    if layers and layers != set(range(shape.num_hidden_layers)):
        raise UserError(
            f"{origin}: config.json says num_hidden_layers {shape.num_hidden_layers}, but model.safetensors holds "
            f"{len(layers)} layers, the last of them encoder.layer.{max(layers)}; correct whichever is wrong."
        )
    if any(name in found for name in POOLER):
        expected |= {POOLER[0]: (shape.hidden_size,) * 2, POOLER[1]: (shape.hidden_size,)}
    for name, size in expected.items():
        _check(found, name, size, "by config.json", origin)
    for name in found:
        if name.startswith(("embeddings.", "encoder.", "pooler.")) and name not in expected and name not in _BUFFERS:
            raise UserError(
                f"{origin}: model.safetensors holds '{found[name].name}', which a BERT encoder does not have; "
                "give a plain BERT checkpoint."
            )


def check_finite(folder: Path, names: Collection[str], origin: str) -> None:
    """Check that no weight of ``names`` (those that are there) is NaN or infinite; every one of them is read.

    Raises:
        UserError: one is.
    """
    for name, value in _arrays(folder, names, origin):
        # Faster than isfinite, which writes a mask: NaN and infinities reach the extremes.
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(value.min()) and np.isfinite(value.max())
        if not finite:
            bad = int((~np.isfinite(value)).sum())
            raise UserError(
                f"{origin}: '{name}' in model.safetensors should hold finite numbers, but {bad:,} of its "
                f"{value.size:,} are NaN or infinite."
            )


def check_floating(folder: Path, origin: str) -> None:
    """Check that no weight is stored in a type that is read with a scale, as 8-bit ones are.

    Raises:
        UserError: one is.
    """
    for found in _stored(folder, origin).values():
        if found.dtype.startswith(("F8", "F4", "F6", "I8", "U8", "E8")):
            raise UserError(
                f"{origin}: '{found.name}' in model.safetensors should hold floating-point numbers "
                f"({', '.join(_FLOATING)}), but holds {found.dtype}; give the checkpoint in floating point."
            )


def stored_numbers(folder: Path, origin: str) -> int:
    """How many numbers ``model.safetensors`` holds; only its header is read."""
    return sum(math.prod(found.shape) for found in _stored(folder, origin).values())


def stored_names(folder: Path, origin: str) -> set[str]:
    """The plain names of what ``model.safetensors`` holds; only its header is read."""
    return set(_stored(folder, origin))


def read_weights(folder: Path, names: Collection[str], origin: str) -> dict[str, Tensor]:
    """Those weights of ``names`` that are there, by name without the prefix ``bert.``, in float32.

    Raises:
        UserError: the file cannot be read.
    """
    import torch

    with _opened(folder, origin, "pt") as file:
        return {
            _plain(name): file.get_tensor(name).to(torch.float32)
            for name in file.keys()  # noqa: SIM118
            if _plain(name) in names
        }


def read_head(
    folder: Path,
    shape: BertShape | EncoderShape,
    label_space: Sequence[str],
    origin: str,
    labels: Sequence[str] | None = None,
) -> Head:
    """The checkpoint's classification head, checked.

    Args:
        folder, shape: the checkpoint, whose encoder has been checked.
        label_space: the labels that the head should tell apart.
        labels: those that the user says for the head's rows, in their order.

    Raises:
        UserError: no head or pooler; a head of another shape, without its bias, with numbers that are not finite, or
            for other labels; or what is said of its labels contradicts itself.
    """
    found, bert = _stored(folder, origin), isinstance(shape, BertShape)
    head = HEAD if isinstance(shape, BertShape) else (f"{shape.head}.weight", f"{shape.head}.bias")
    if head[0] not in found or (bert and POOLER[0] not in found):
        raise UserError(
            f"{origin}: it should hold a classification head ({head[0]}){' over a pooler' if bert else ''}, but is an "
            f"encoder alone; fine-tune it first: --model finetune-12l --backbone {folder}."
        )
    rows = found[head[0]].shape[:1] or (0,)
    if bert:
        _check(found, head[0], (rows[0], shape.hidden_size), f"by the hidden_size {shape.hidden_size}", origin)
        _check(found, head[1], rows, f"beside a classifier.weight of {rows[0]} rows", origin)
    names = _names_of(read_json(folder / "config.json", origin), rows[0], origin)
    arranged = _arranged(names, rows[0], label_space, labels, origin)
    check_finite(folder, head, origin)
    return arranged


def _arranged(
    names: list[str] | None, rows: int, label_space: Sequence[str], labels: Sequence[str] | None, origin: str
) -> Head:
    order = None if names is None else _order(names, label_space)
    if labels is not None:
        told = _order(labels, label_space)
        if told is None or len(labels) != rows:
            raise UserError(
                f"{origin}: --labels should name {listed(label_space)}, each once, in the order of the head's "
                f"{rows} rows, but names {listed(labels)}."
            )
        if order is not None and order != told:
            raise UserError(
                f"{origin}: --labels names {listed(labels)}, but config.json names the head's rows "
                f"{', '.join(names or ())[:200]}; leave --labels out, or correct whichever is wrong."
            )
        return Head(tuple(told), named=True)
    if order is not None:
        return Head(tuple(order), named=True)
    if names is None and rows == len(label_space):
        return Head(tuple(range(rows)), named=False)
    said = names if names is not None else [f"LABEL_{number}" for number in range(rows)]
    raise UserError(
        f"{origin}: its head should tell {listed(label_space, ' from ')}, in that order or by these names in id2label, "
        f"but tells {', '.join(said)[:200]}."
    )


def _names_of(content: dict[str, Any], rows: int, origin: str) -> list[str] | None:
    """The labels of a head's rows by config.json; None where nobody named them (LABEL_0, LABEL_1, ..).

    Of ``id2label`` and ``label2id`` one may be nameless, as transformers leaves it where only the other was set.
    """
    where = f"{origin}: config.json"
    by_row, by_name = content.get("id2label"), content.get("label2id")
    for field, given in (("id2label", by_row), ("label2id", by_name)):
        if given is not None and not isinstance(given, dict):
            raise UserError(f"{where}: field '{field}' should be a mapping, but is {kind_of(given)}.")
    count = content.get("num_labels")
    if count is not None and count != rows:
        raise UserError(f"{where}: num_labels is {shown(count)}, but the head of model.safetensors has {rows} rows.")
    for name, number in (by_name or {}).items():
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < rows:
            raise UserError(
                f"{where}: field 'label2id' should give each label one of the head's {rows} rows, counted from 0, but "
                f"gives {shown(name)} {shown(number)}."
            )
    if by_row and set(by_row) != {str(number) for number in range(rows)}:
        raise UserError(
            f"{where}: field 'id2label' should name the head's rows, 0 to {rows - 1}, but names "
            f"{', '.join(by_row)[:200]}."
        )
    names = [str(by_row[str(number)]) for number in range(rows)] if by_row else None
    named = {name: number for name, number in (by_name or {}).items() if _plain_label(name) != f"label{number}"}
    if names is not None and not _nameless(names):
        for name, number in named.items():
            if _plain_label(name) != _plain_label(names[number]):
                raise UserError(
                    f"{where}: id2label and label2id contradict each other: row {number} is {shown(names[number])} by "
                    f"the one and {shown(name)} by the other; correct whichever is wrong."
                )
        return names
    if not named:
        return None
    names = [next((name for name, at in (by_name or {}).items() if at == number), "") for number in range(rows)]
    if "" in names or len(by_name or {}) != rows:
        raise UserError(
            f"{where}: field 'label2id' should give each of the head's {rows} rows one label, but gives "
            f"{', '.join(f'{name} {number}' for name, number in (by_name or {}).items())[:200]}."
        )
    return names


def _nameless(names: Sequence[str]) -> bool:
    """Whether the names say nothing but the row: LABEL_0, LABEL_1, .."""
    return [_plain_label(name) for name in names] == [f"label{number}" for number in range(len(names))]


def _order(names: Sequence[str], label_space: Sequence[str]) -> list[int] | None:
    """For each label the place of its name; None unless each has one. Case and punctuation matter only if they must."""
    for spelling in (str, _plain_label):
        said, wanted = [spelling(name) for name in names], [spelling(label) for label in label_space]
        if len(set(wanted)) == len(wanted) and sorted(said) == sorted(wanted):
            return [said.index(label) for label in wanted]
    return None


def _plain_label(label: str) -> str:
    return "".join(letter for letter in label.lower() if letter.isalnum())


def _check(found: dict[str, Stored], name: str, size: tuple[int, ...], reason: str, origin: str) -> None:
    """Raise unless the weight is there, of that shape, and floating."""
    if name not in found:
        raise UserError(
            f"{origin}: model.safetensors should hold a weight of shape {size} called '{name}', but lacks it."
        )
    if found[name].shape != size:
        raise UserError(
            f"{origin}: '{name}' in model.safetensors should be of shape {size} {reason}, "
            f"but is of shape {found[name].shape}."
        )
    if found[name].dtype not in _FLOATING:
        raise UserError(
            f"{origin}: '{name}' in model.safetensors should hold floating-point numbers ({', '.join(_FLOATING)}), "
            f"but holds {found[name].dtype}."
        )


def _stored(folder: Path, origin: str) -> dict[str, Stored]:
    """What the file holds, by plain name; only its header is read."""
    found: dict[str, Stored] = {}
    with _opened(folder, origin) as file:
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            plain = _plain(name)
            if plain in found:
                raise UserError(
                    f"{origin}: model.safetensors holds '{plain}' twice, as {found[plain].name} and {name}."
                )
            found[plain] = Stored(name, tuple(part.get_shape()), str(part.get_dtype()))
    return found


def _arrays(folder: Path, names: Collection[str], origin: str) -> Iterator[tuple[str, np.ndarray]]:
    """Those weights of ``names`` that are there, in float32. torch, which takes seconds to import, is not needed."""
    stored = _stored(folder, origin)
    wanted = [found for name, found in stored.items() if name in names]
    with _opened(folder, origin) as file:
        for found in wanted:
            if found.dtype != "BF16":
                # A number too large for float32 becomes infinite, as it would in the model.
                with np.errstate(over="ignore"):
                    yield _plain(found.name), file.get_tensor(found.name).astype(np.float32, copy=False)
    halves = {_plain(found.name) for found in wanted if found.dtype == "BF16"}
    if halves:
        # numpy has no bfloat16.
        yield from ((name, value.numpy()) for name, value in read_weights(folder, halves, origin).items())


@contextmanager
def _opened(folder: Path, origin: str, framework: str = "np") -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        raise UserError(f"{origin}: {_instead(folder)}")
    try:
        with safe_open(path, framework) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise UserError(f"{origin}: model.safetensors is damaged or cut short ({error}); fetch it again.") from error


def _instead(folder: Path) -> str:
    """Why there are no weights to load, as the end of a sentence."""
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
    if (folder / "model.safetensors.index.json").is_file():
        return "its weights lie in several files; save them as one model.safetensors."
    if pickled:
        return (
            f"only pickled weights are there ({pickled[0]}), which can run code; convert them to model.safetensors "
            "(save_pretrained of transformers writes it)."
        )
    return f"its weights are missing; a model.safetensors, or a {PICKLED}, is needed."


def _plain(name: str) -> str:
    """A weight's name without the prefix, and with the names that TensorFlow's BERT left behind turned into torch's."""
    name = name.removeprefix("bert.")
    if name.endswith(("LayerNorm.gamma", "LayerNorm.beta")):
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    return name
