"""How fast a submitted model answers on a device of its submitter: what ``clbench measure --json`` has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import from_json

from clbench.errors import UserError, first_line
from clbench.record.parts import Hardware
from clbench.schema.form import explain
from clbench.schema.part import Name, Part

# Of one submission, and of one measurement.
MOST_MEASUREMENTS = 8
_MOST_THREADS = 16

# An hour for one example is no measurement.
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000)]
Count = Annotated[int, Field(ge=1, le=2**40)]
Line = Annotated[str, Field(min_length=1, max_length=100)]


class Timed(Part):
    """With one number of threads.

    Attributes:
        threads: that the runtime computed with.
        p50_ms, p95_ms, p99_ms: percentiles of the time that one example takes, warm.
        answers: how many were timed.
        first_ms: the first answer of a process that has just loaded the model.
        model_bytes: how much more memory the process held than before the model was loaded.
        peak_bytes: the most that it held, its runtime included; null where the system does not tell.
        joules: that the machine's processors took for an example; null where it does not tell.
    """

    threads: int = Field(ge=1, le=1024)
    p50_ms: Milliseconds
    p95_ms: Milliseconds
    p99_ms: Milliseconds
    answers: Count
    first_ms: Milliseconds
    model_bytes: int = Field(ge=0, le=2**50)
    peak_bytes: int | None = Field(ge=0, le=2**50)
    joules: float | None = Field(ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        if not self.p50_ms <= self.p95_ms <= self.p99_ms:
            raise ValueError("p50_ms, p95_ms and p99_ms should ascend")
        return self


class SubmittedMeasurement(Part):
    """What was measured of a submission's model on one machine with one runtime.

    Attributes:
        runtime: ``torch`` or ``onnxruntime``.
        stream, edition: whose test examples were asked: the track's.
        lengths: tokens of the timed examples: ``least``, ``median``, ``p95`` and ``most``.
        disk_bytes: of the weights that the runtime reads.
        times: a number of threads each.
        machine: as a record has it.
        versions: of Python, clbench, the runtime.
    """

    runtime: Literal["torch", "onnxruntime"]
    stream: Name
    edition: Name
    lengths: dict[Literal["least", "median", "p95", "most"], Count]
    disk_bytes: Count
    times: tuple[Timed, ...] = Field(min_length=1, max_length=_MOST_THREADS)
    machine: Hardware
    versions: Annotated[dict[Line, Line], Field(max_length=100)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        lengths = [self.lengths.get(name) for name in ("least", "median", "p95", "most")]
        if None in lengths or lengths != sorted(lengths, key=lambda n: n or 0):
            raise ValueError("lengths should have least, median, p95 and most, ascending")
        threads = [one.threads for one in self.times]
        if len(set(threads)) < len(threads):
            raise ValueError("times should have each number of threads once")
        return self


# What clbench measure tells, and a submission does not carry.
_LEFT_OUT = {"folder", "busy", "no_energy"}
_LEFT_OUT_OF_TIMES = {"load_s", "import_s", "share"}


def read_measurement(path: Path) -> SubmittedMeasurement:
    """What ``clbench measure --json`` has written into a file.

    Raises:
        UserError: it is no such file, or other processes had the processor meanwhile.
    """
    try:
        told: Any = from_json(path.read_text(encoding="utf-8"))  # within bounds: json falls over deep nesting
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else first_line(error)
        raise UserError(f"{path} should hold what clbench measure --json prints, but: {why}.") from error
    if not isinstance(told, dict) or not isinstance(told.get("times"), list):
        raise UserError(f"{path} should hold what clbench measure --json prints; redirect its output into that file.")
    if told.get("busy"):
        raise UserError(f"{path}: other processes had the processor meanwhile; measure again when the machine is idle.")
    content = {name: value for name, value in told.items() if name not in _LEFT_OUT}
    content["times"] = [
        {name: value for name, value in one.items() if name not in _LEFT_OUT_OF_TIMES} if isinstance(one, dict) else one
        for one in told["times"]
    ]
    try:
        return SubmittedMeasurement.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, SubmittedMeasurement)}") from error
