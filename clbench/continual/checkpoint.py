"""What a life leaves after each experience, so that it can resume there: one safetensors file, whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clbench.continual.evaluation import Point
from clbench.storage.writing import cannot_write

# Two: if the last one is damaged, the life resumes from the one before, and the disk holds no more than it must.
_KEPT = 2
# A folder, not a file: safetensors has temporary files of its own there, which a kill would leave behind.
_UNFINISHED = ".unfinished"
_NAME = re.compile(r"experience-(\d+)\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A life after an experience.

    Attributes:
        experience: the number of the experience that is over.
        model: the model's state dict.
        strategy: what the strategy remembers, see :meth:`clbench.schema.strategy.Strategy.state`.
        points: every evaluation since inception.
    """

    experience: int
    model: dict[str, Tensor]
    strategy: dict[str, Tensor]
    points: list[Point]


def write(folder: Path, checkpoint: Checkpoint, fingerprint: str) -> Path:
    """Write ``experience-{t}.safetensors`` into ``folder``, atomically, and remove those that are no longer needed.

    Raises:
        UserError: the file cannot be written (a full disk, say); nothing half-written stays behind.
    """
    tensors = {f"model/{name}": value for name, value in checkpoint.model.items()}
    tensors |= {f"strategy/{name}": value for name, value in checkpoint.strategy.items()}
    for number, point in enumerate(checkpoint.points):
        for name, classes in point.predictions.items():
            tensors[f"points/{number}/{name}"] = torch.from_numpy(classes)
        for name, likely in point.probabilities.items():
            tensors[f"probabilities/{number}/{name}"] = torch.from_numpy(likely)
    tensors = _apart(tensors)
    content = {
        "fingerprint": fingerprint,
        "crc32": _crc(tensors),
        "order": list(tensors),
        "points": [
            asdict(point) | {"predictions": list(point.predictions), "probabilities": list(point.probabilities)}
            for point in checkpoint.points
        ],
    }
    path = folder / f"experience-{checkpoint.experience}.safetensors"
    unfinished = folder / _UNFINISHED / path.name
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, unfinished, metadata={"clbench": json.dumps(content)})
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(unfinished.parent, ignore_errors=True)
    for number, old in _numbered(folder):
        if number <= checkpoint.experience - _KEPT:
            old.unlink(missing_ok=True)
    return path


def latest(folder: Path, fingerprint: str) -> Checkpoint | None:
    """The last whole checkpoint of this life in ``folder``; those that are damaged or of another life are removed.

    Args:
        folder: where :func:`write` wrote; may be missing.
        fingerprint: what was given to :func:`write`: everything that determines the life.
    """
    found: Checkpoint | None = None
    for number, path in sorted(_numbered(folder), reverse=True):
        if found is None:
            found = _read(path, number, fingerprint)
            if found is None:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
    return found


def _read(path: Path, number: int, fingerprint: str) -> Checkpoint | None:
    """The checkpoint at ``path``, or None where it is damaged or of another life."""
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})["clbench"])
            if content["fingerprint"] != fingerprint:
                return None
            # Copied out of the mapped file: torch aligns what it allocates, and products may depend on alignment.
            # In the order in which they were given, which safetensors does not keep: an unbroken life has it, and sums
            # and sets may depend on it. A checkpoint of an earlier clbench does not tell it.
            order = content.get("order", file.keys())
            tensors = {name: file.get_tensor(name).clone() for name in order}
        if _crc(tensors) != content["crc32"]:
            return None
        points = [_point(fields, index, tensors) for index, fields in enumerate(content["points"])]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    return Checkpoint(number, _under("model/", tensors), _under("strategy/", tensors), points)


def _point(fields: dict[str, Any], index: int, tensors: dict[str, Tensor]) -> Point:
    predictions = {name: tensors[f"points/{index}/{name}"].numpy() for name in fields["predictions"]}
    # A checkpoint of an earlier clbench has none.
    likely = {name: tensors[f"probabilities/{index}/{name}"].numpy() for name in fields.get("probabilities", ())}
    return Point(**{**fields, "met": tuple(fields["met"]), "predictions": predictions, "probabilities": likely})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each in memory of its own, as safetensors wants them."""
    seen: set[int] = set()
    result = {}
    for name, value in tensors.items():
        value = value.detach().cpu().contiguous()
        if value.untyped_storage().data_ptr() in seen:
            value = value.clone()
        seen.add(value.untyped_storage().data_ptr())
        result[name] = value
    return result


def _crc(tensors: dict[str, Tensor]) -> int:
    """A checksum of all names and values: safetensors notices a file that is cut short, not one whose bytes changed."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(name.encode(), crc)
        crc = zlib.crc32(tensors[name].numpy().reshape(-1).view(np.uint8).data, crc)
    return crc


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.glob("experience-*.safetensors"))
    return [(int(match[1]), path) for match, path in matches if match]
