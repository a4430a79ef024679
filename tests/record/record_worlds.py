"""Small lives made up for the tests of records: what each model says is drawn, and known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clbench.data.pairs import DomainData, Pairs
from clbench.record import DomainInfo, Record, RunParts, make_record
from clbench.record.probabilities import kept

TRAINED = ("alpha", "beta", "gamma")
NAMES = (*TRAINED, "delta")


@dataclass(frozen=True)
class Said:
    """As much of a life's point as a record asks for."""

    experience: int
    name: str
    step: int
    examples: int
    final: bool
    met: tuple[str, ...]
    predictions: dict[str, np.ndarray]
    validation: dict[str, float] = field(default_factory=dict)
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    held_bytes: int | None = None
    remembered_pairs: int | None = None


@dataclass(frozen=True)
class Baseline:
    accuracy: float
    balanced_accuracy: float


def softmax(logits: np.ndarray) -> np.ndarray:
    """In the logits' own precision, rows of (N, C)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def probabilities(named: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """What a model that names these classes could give them, as records keep it."""
    rows = softmax(2 * np.random.default_rng(seed).standard_normal((len(named), classes)))
    every, best = np.arange(len(named)), rows.argmax(axis=1)
    rows[every, best], rows[every, named] = rows[every, named], rows[every, best]
    return kept(rows, named)


def domain(name: str, gold: np.ndarray, classes: int) -> DomainInfo:
    test = Pairs.of([f"a {name} {i}" for i in range(len(gold))], [f"b {i}" for i in range(len(gold))], gold)
    splits = {"validation": test.select([0]), "test": test}
    if name != "delta":
        splits = {"train": test.select([0, 1]), **splits}
    most = np.bincount(gold).max() / len(gold)
    occurring = len(np.unique(gold))
    return DomainInfo(
        DomainData(name, splits, {"kind": "generated", "seed": 0}),
        evaluation_only=name == "delta",
        majority=Baseline(float(most), 1 / occurring),
        baselines={"word_overlap": Baseline(0.6, 0.55)},
    )


def life(
    golds: dict[str, np.ndarray], rng: np.random.Generator, classes: int = 2, inside: int = 0, joint: bool = False
) -> list[Said]:
    """Points of a life: each domain right with a chance that is high when just learned and falls afterwards."""
    stages = [(0, "alpha", TRAINED[:1])]
    stages += [(1, "joint", TRAINED)] if joint else [(t, TRAINED[t], TRAINED[: t + 1]) for t in (1, 2)]
    points = []
    step = 0
    for experience, name, met in stages:
        for part in range(inside if experience else 0, -1, -1):
            step += 10 if experience else 0
            said = {}
            for place, (key, gold) in enumerate(golds.items()):
                right = 0.9 - 0.1 * (experience - place) if key in met else 0.6
                wrong = (gold + rng.integers(1, classes, len(gold))) % classes
                said[key] = np.where(rng.random(len(gold)) < right - 0.05 * part, gold, wrong).astype(np.uint16)
            final = part == 0
            points.append(Said(experience, name, step, 16 * step, final, met, said, {name: 0.75} if final else {}))
    return points


def pieces(
    seed: int = 0, classes: int = 2, inside: int = 2, joint: bool = False, size: int = 41, likely: bool = False
) -> dict[str, Any]:
    """Everything that :func:`make_record` wants; with ``likely`` the probabilities as well."""
    method = "joint" if joint else "naive"
    gold_rng = np.random.default_rng(7)
    golds = {n: np.append(np.arange(classes), gold_rng.integers(0, classes, size + 3 * i)) for i, n in enumerate(NAMES)}
    points = life(golds, np.random.default_rng(seed), classes, inside, joint)
    if likely:
        for point in points:
            if point.final:
                said = point.predictions.items()
                point.probabilities.update({n: probabilities(p, classes, seed + point.step) for n, p in said})
    return {
        "configuration": {
            "model": {"name": "kd-6l", "title": "vanilla KD", "steps": [{"name": "finetune"}]},
            "stream": {"name": "greek", "domains": list(TRAINED)},
            "edition": "embedded",
            "strategy": {"name": method, "method": method, "training": {"epochs": 1}},
            "backbone": {"name": "small", "digest": "00ff", "source": {"kind": "shipped"}},
            "seed": seed,
            "eval_every": 10 if inside else None,
            "shift": 1.0,
            "max_length": 64,
            "data_source": "generated",
            "fingerprint": "feed",
        },
        "label_space": [f"class-{c}" for c in range(classes)],
        "domains": [domain(name, gold, classes) for name, gold in golds.items()],
        "inception": [
            {"name": "finetune", "epochs": 2, "validation": [0.7, 0.8]},
            {"name": "prune_layers", "layers": [2, 4, 6], "details": {"from": 6}},
        ],
        "points": points,
        "cost": {
            "depth": 3,
            "parameters": 3_000_000,
            "parameters_without_embeddings": 1_000_000,
            "flops_per_pair": 123_456_789,
            "flops_length": 32,
            "disk_bytes": 12_000_100,
        },
        "measured": {
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": {"inception": 12.5, "life": 61.25},
            "latency_ms": 1.5,
            "throughput": 950.0,
            "peak_memory_bytes": 700_000_000,
            "hardware": {"cpu": "a CPU", "cores": 2, "memory_bytes": 8_000_000_000, "threads": 1},
            "versions": {"python": "3.11.9", "torch": "2.13.0"},
        },
    }


def record(**options: Any) -> Record:
    return make_record(RunParts(**pieces(**options)))
