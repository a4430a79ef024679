"""What a pre-training leaves on the way: its checkpoint and its curve, whole or not at all."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clbench.errors import UserError
from clbench.pretrain.matching import Pupil
from clbench.storage.writing import cannot_write


@dataclass
class Progress:
    """What a checkpoint holds: the pupil, its optimiser, steps done, the curve so far, and seconds of training."""

    pupil: Pupil
    optimizer: torch.optim.Optimizer
    step: int
    curve: list[dict[str, float]]
    seconds: float


def save(folder: Path, progress: Progress, print_: str) -> None:
    """Write the checkpoint in one move, so that a half-written one is never read.

    Raises:
        UserError: ``folder`` cannot be written.
    """
    partial = folder / "checkpoint.pt.partial"
    with written(folder, partial):
        torch.save(
            {
                "fingerprint": print_,
                "pupil": progress.pupil.state_dict(),
                "optimizer": progress.optimizer.state_dict(),
                "step": progress.step,
                "curve": progress.curve,
                "seconds": progress.seconds,
            },
            partial,
        )
        os.replace(partial, folder / "checkpoint.pt")


def resume(folder: Path, progress: Progress, print_: str) -> Progress:
    """Load the checkpoint in ``folder``, if there is one, into ``progress``.

    Raises:
        UserError: the checkpoint is damaged, or of another text, teacher or configuration.
    """
    path = folder / "checkpoint.pt"
    if not path.is_file():
        return progress
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        found = content["fingerprint"]
    except Exception as error:  # another program's file may be anything
        raise UserError(
            f"{path} is damaged, or no checkpoint of clbench pretrain; choose another --out, or delete it to begin "
            "again."
        ) from error
    if found != print_:
        raise UserError(
            f"{path} is of another configuration, text or teacher; choose another --out, or delete it to begin again."
        )
    progress.pupil.load_state_dict(content["pupil"])
    progress.optimizer.load_state_dict(content["optimizer"])
    progress.step, progress.curve, progress.seconds = content["step"], content["curve"], content["seconds"]
    return progress


def write_curve(folder: Path, progress: Progress) -> None:
    partial = folder / "curve.csv.partial"
    with written(folder, partial):
        columns = list(dict.fromkeys(name for row in progress.curve for name in row))
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(progress.curve)
        os.replace(partial, folder / "curve.csv")


@contextmanager
def written(folder: Path, partial: Path | None = None) -> Iterator[None]:
    """Whatever goes wrong in writing into ``folder`` is one sentence, and ``partial`` does not stay behind.

    Raises:
        UserError: the disk is full, or ``folder`` is not to be written.
    """
    from safetensors import SafetensorError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if partial is not None:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        raise cannot_write(f"--out {folder}", error) from error
