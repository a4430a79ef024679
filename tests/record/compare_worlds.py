"""Records of several made-up models on the same examples, for the tests of comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from record_worlds import pieces

from clbench.record import Record, RunParts, make_record, write_record


def life_of(name: str, seed: int, worse: float = 0.0, change: dict[str, Any] | None = None, **options: Any) -> Record:
    """A record of recipe ``name``; of its right answers a share of ``worse`` is turned.

    Args:
        change: of the configuration, keys of its parts with dots.
        options: of :func:`record_worlds.pieces`.
    """
    parts = pieces(seed=seed, **options)
    parts["configuration"]["model"] = {**parts["configuration"]["model"], "name": name}
    for key, value in (change or {}).items():
        place = parts["configuration"]
        *path, last = key.split(".")
        for step in path:
            place = place[step]
        place[last] = value
    rng = np.random.default_rng(seed)
    gold = {info.data.name: info.data.splits["test"].labels for info in parts["domains"]}
    for point in parts["points"]:
        for domain, said in point.predictions.items():
            turned = (said == gold[domain]) & (rng.random(len(said)) < worse)
            said[turned] = (said[turned] + 1) % len(parts["label_space"])
    return make_record(RunParts(**parts))


def written(folder: Path, name: str, seeds: tuple[int, ...], **options: Any) -> list[Record]:
    """The records of a model's seeds, written as ``folder``/seed-N/record.json."""
    records = [life_of(name, seed, **options) for seed in seeds]
    for record in records:
        write_record(folder / f"seed-{record.configuration.seed}", record)
    return records
