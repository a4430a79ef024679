"""How fast a run's model answers: timed by itself, or by the runs of its sweep whose models have the same shape.

While one process measures, the others of its machine wait: on a machine of many cores, with lives of a minute, they
would do little else. Models of one shape are as fast as each other, whatever their weights are.
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from clbench.record import hardware
from clbench.record.parts import Hardware
from clbench.runtime.coordinator import alone, current_coordinator
from clbench.storage.cache import key_of
from clbench.storage.writing import write_whole

if TYPE_CHECKING:
    import numpy as np

    from clbench.compression.execute import Compressed
    from clbench.encoder.measure import Speed
    from clbench.runs.job import Job

# So often a shape is timed in a sweep on a machine: a median of three bears one that was disturbed.
_ENOUGH = 3
# A sweep that was killed leaves its times behind, or one on another machine; seconds.
_FORGOTTEN = 2 * 24 * 3600


class Timed(NamedTuple):
    """A measurement, and what it was taken with: the machine, the threads."""

    speed: Speed
    hardware: Hardware


def timed(job: Job, compressed: Compressed, rows: np.ndarray) -> Timed:
    """How fast a model answers on this machine, while the processes that work beside this one wait.

    In a sweep the first three quiet measurements of a shape are kept, and every further model of it has their median.

    Args:
        job: the run, for its device and what ``rows`` are.
        compressed: the model.
        rows: int (N,), test examples of its first domain.
    """
    from clbench.encoder.measure import measure
    from clbench.encoder.quantize import evaluated

    times = current_coordinator().times
    place = None if times is None else times / _shape(job, compressed)
    known = _kept(place)
    if len(known) < _ENOUGH:
        with alone():
            known = _kept(place)  # the others may have measured while this one waited
            if len(known) < _ENOUGH:
                speed = measure(evaluated(compressed.model), rows)
                found = Timed(speed, hardware(job.device))
                if place is not None and speed.is_quiet:
                    _keep(found, place, len(known))
                return found
    return _median(known)


def _shape(job: Job, compressed: Compressed) -> str:
    """The key of all that a model's speed depends on, machine and versions apart."""
    from clbench.encoder.quantize import is_int8

    model = compressed.model
    sizes = [(name, list(one.shape), str(one.dtype)) for name, one in model.state_dict().items()]
    config = getattr(model, "config", None)  # a reference has none
    return key_of(
        {
            "structure": str(model), "sizes": sizes, "int8": is_int8(model),
            "config": None if config is None else config.to_json_string(use_diff=False),
            "device": [*sorted(job.device.identity().items()), job.device.card], "max_length": job.max_length,
            "tokens": job.backbone.digest, "rows": job.trained[0].splits["test"].digest(),
        }
    )  # fmt: skip


def _kept(place: Path | None) -> list[Timed]:
    """What has been measured there, in order; what cannot be read was not."""
    from clbench.encoder.measure import Speed

    found: list[Timed] = []
    if place is None:
        return found
    for number in range(_ENOUGH):
        try:
            told = json.loads((place / f"{number}.json").read_text(encoding="utf-8"))
            found.append(Timed(Speed(**told["speed"]), Hardware.model_validate(told["hardware"])))
        except (OSError, ValueError, TypeError, KeyError):
            break
    return found


def _keep(found: Timed, place: Path, number: int) -> None:
    """Keep a measurement for the others, where there is room; times that nobody asks for any more are removed."""
    times = place.parent
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        told = {"speed": asdict(found.speed), "hardware": found.hardware.model_dump(mode="json")}
        write_whole(place / f"{number}.json", json.dumps(told))
        for other in times.parent.iterdir():
            if other != times and time.time() - other.stat().st_mtime > _FORGOTTEN:
                shutil.rmtree(other, ignore_errors=True)


def _median(known: list[Timed]) -> Timed:
    from clbench.encoder.measure import Speed

    names = [field.name for field in fields(Speed)]
    return known[0]._replace(speed=Speed(*(median(getattr(one.speed, name) for one in known) for name in names)))
