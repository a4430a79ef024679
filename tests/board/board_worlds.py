"""Small boards made up for the tests: submissions of real records whose every answer is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record_worlds import NAMES, TRAINED, Said, pieces

from clbench.board import submit
from clbench.record import RunParts, make_record, write_record

# After experience t, the share of a domain's examples that is found: (t, place of the domain) -> share.
Skill = Callable[[int, int], float]


def steady(level: float, lost: float = 0.1) -> Skill:
    """A model as good as ``level`` on what it has just learned, that loses ``lost`` with each later experience."""
    return lambda t, d: level - lost * max(0, t - d) if d <= t and d < len(TRAINED) else 0.55


def answers(gold: np.ndarray, share: float, rng: np.random.Generator | None) -> np.ndarray:
    """Two-way answers of which ``share`` is right: the first examples without a generator, drawn ones with it."""
    wrong = np.arange(len(gold)) >= round(share * len(gold)) if rng is None else rng.random(len(gold)) >= share
    return np.where(wrong, 1 - gold, gold).astype(np.uint8)


def submission(
    folder: Path,
    name: str,
    skill: Skill | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    parameters: int = 3_000_000,
    drawn: bool = True,
    size: int = 200,
    author: str = "A. Person",
    link: str | None = "https://example.org/model",
    licence: str = "Apache-2.0",
    change: Callable[[dict[str, Any]], None] | None = None,
    measurements: Sequence[Path] = (),
) -> Path:
    """Hand in a life through alpha, beta and gamma (delta is for evaluation only) into ``folder``/``name``.

    Args:
        folder: of the submissions.
        name: of this one.
        skill: of the model; steady 0.9 unless given.
        seeds: one record each.
        parameters: of the model.
        drawn: which examples are right is drawn by seed, instead of the first ones.
        size: test examples of alpha; beta has 3 more, and so on.
        author, link, licence: of the submission.
        change: last word on what each record is made of.
        measurements: as ``clbench measure --json`` writes them.
    """
    files = []
    for seed in seeds:
        made = pieces(seed=seed, inside=0, size=size)
        golds = {info.data.name: info.data.splits["test"].labels for info in made["domains"]}
        number = sum(ord(c) << 8 * place for place, c in enumerate(name[:7])) + 1000 * seed
        rng = np.random.default_rng(number) if drawn else None
        made["points"] = [
            Said(
                t, TRAINED[t], 10 * t, 160 * t, True, TRAINED[: t + 1],
                {key: answers(golds[key], (skill or steady(0.9))(t, d), rng) for d, key in enumerate(NAMES)},
            )
            for t in range(len(TRAINED))
        ]  # fmt: skip
        made["cost"]["parameters"] = parameters
        if change is not None:
            change(made)
        files.append(write_record(folder.parent / f".runs-{name}" / f"seed-{seed}", make_record(RunParts(**made))))
    return submit(files, folder, name=name, author=author, link=link, licence=licence, measurements=measurements)


def measurement(**changed: Any) -> dict[str, Any]:
    """What ``clbench measure --json`` prints of a model of the small board, with one thread and with four."""
    times = {
        "threads": 1, "p50_ms": 4.25, "p95_ms": 6.5, "p99_ms": 8.75, "answers": 200, "first_ms": 31.5, "load_s": 0.5,
        "import_s": 1.5, "model_bytes": 30_000_000, "peak_bytes": 400_000_000, "joules": 0.0125, "share": 0.99,
    }  # fmt: skip
    told = {
        "folder": "model", "runtime": "onnxruntime", "stream": "greek", "edition": "embedded",
        "lengths": {"least": 5, "median": 20, "p95": 40, "most": 64}, "disk_bytes": 20_000_000,
        "times": [times, times | {"threads": 4, "p50_ms": 2.5, "joules": None, "share": None}],
        "machine": {"cpu": "A phone's CPU", "cores": 8, "memory_bytes": 2**32, "threads": 1},
        "versions": {"python": "3.11", "clbench": "0.1.0", "onnxruntime": "1.30"}, "no_energy": None, "busy": False,
    }  # fmt: skip
    return told | changed


def small_board(folder: Path) -> Path:
    """Six submissions in two tracks.

    In naive: big is far better than all, the twins are as good as each other (one is smaller), weak is far worse, and
    tiny is worse and smaller than all. In replay: one with a single seed.
    """
    place = folder / "submissions"
    submission(place, "big-12l", steady(0.95, 0.02), parameters=9_000_000)
    submission(place, "twin-a", steady(0.85), parameters=5_000_000)
    submission(place, "twin-b", steady(0.85), parameters=4_000_000)
    submission(place, "weak", steady(0.70), parameters=4_500_000)
    submission(place, "tiny", steady(0.65), parameters=1_000_000)

    def replay(made: dict[str, Any]) -> None:
        made["configuration"]["strategy"] |= {"name": "replay", "method": "replay"}

    submission(place, "one-seed", steady(0.9, 0.01), seeds=[4], change=replay)
    return place
