"""All that can be told of one run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from clbench.explain.forgotten import BeforeAfter, Change, before_after, changes
from clbench.explain.inside import Inside, look_inside
from clbench.explain.material import Limits, why_not
from clbench.record import Record
from clbench.runtime.device import CPU, Device


@dataclass(frozen=True)
class Explanation:
    """What is known of one run, one seed.

    Attributes:
        run: its folder.
        record: its record.
        changes, ends: which examples were forgotten; confusion and calibration before and after: from the record alone.
        inside: what its models show; None where it has kept none.
        why: in a sentence, why there is no ``inside``, and what would help; None where there is one.
        seconds: that looking took.
    """

    run: Path
    record: Record
    changes: tuple[Change, ...]
    ends: tuple[BeforeAfter, ...]
    inside: Inside | None
    why: str | None
    seconds: float


def explain(
    run: Path, record: Record, *, data_dir: Path | None = None, limits: Limits | None = None, device: Device = CPU
) -> Explanation:
    """Explain one run.

    Args:
        run: its folder.
        record: its record.
        data_dir: where the examples of a real edition lie, where that is elsewhere than at the run's time.
        limits: of examples; by default :class:`Limits`'.
        device: where its models compute.

    Raises:
        UserError: it has kept its models, but these or its examples cannot be read.
    """
    begin = time.perf_counter()
    why = why_not(run, record)
    inside = None if why else look_inside(run, record, data_dir, limits or Limits(), device)
    ends = tuple(before_after(record))
    return Explanation(run, record, tuple(changes(record)), ends, inside, why, time.perf_counter() - begin)
