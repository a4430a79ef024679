"""The jobs of a process that does many runs: a stream's examples are read once, and not once a run."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.runs.job import Job, make_job, stream_of

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData
    from clbench.schema.spec import RunSpec


def worker_job(spec: RunSpec) -> Job:
    """As :func:`clbench.runs.job.make_job`, with the examples that this process has read already.

    Raises:
        UserError: as there.
    """
    return make_job(spec, data=_data(spec.stream, spec.edition, spec.data_dir, spec.shift, spec.quick))


def forget_data() -> None:
    """Read the data anew for the next job: between two sweeps of one process a user may have mended a file."""
    _data.cache_clear()


@lru_cache(maxsize=2)
def _data(
    stream: str | Path, edition: str | None, data_dir: Path | None, shift: float, quick: bool
) -> list[DomainData]:
    from clbench.data.load import load
    from clbench.schema.spec import RunSpec

    spec = RunSpec(stream=stream, edition=edition, data_dir=data_dir, quick=quick)
    return load(*stream_of(spec), data_dir=data_dir, shift=shift)
