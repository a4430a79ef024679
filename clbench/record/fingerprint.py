"""What a run's fingerprint is of: one place for whoever makes a run, and for whoever holds a record against it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from clbench.schema.scenario import DOMAIN, Scenario

if TYPE_CHECKING:
    from clbench.record.forms import Record
    from clbench.record.parts import Plugin

# What of a record's hardware is part of it, as clbench.runtime.device.Device.identity names it.
_DEVICE = ("device", "precision", "card", "micro_batch", "deterministic")


@dataclass(frozen=True)
class Identity:
    """Everything that determines a run's record, times apart.

    Attributes:
        clbench, torch: their versions.
        model, strategy: the forms as they are used, as plain JSON values.
        stream: its name.
        label_space: the class names.
        max_length: tokens an example at most.
        data: each domain's name with the digest of each of its splits, in stream order.
        backbone: its digest and its learning rate.
        eval_every: optimizer steps between evaluations inside an experience; None for none.
        seed: of the run; None for what all its seeds have in common.
        device: what of the device determines a result; nothing for float32 on a CPU.
        plugins: steps, strategy and sources that are not clbench's own.
        random_baseline: whether the model with random weights is asked as well.
        budget: of the strategy, as plain JSON values; empty for none.
        placed: whether the path of a checkpoint that the model loads is part of it, as it was in earlier versions.
        teachers: digest and learning rate of the encoders of teachers that do not start from the backbone.
        scenario: the stream's.
        classes: each domain's classes where it has not all of the label space, by its name.
    """

    clbench: str
    torch: str
    model: Mapping[str, Any]
    strategy: Mapping[str, Any]
    stream: str
    label_space: Sequence[str]
    max_length: int
    data: Sequence[tuple[str, Mapping[str, str]]]
    backbone: tuple[str, float]
    eval_every: int | None
    seed: int | None
    device: Mapping[str, str] = field(default_factory=dict)
    plugins: Sequence[Plugin] = ()
    teachers: Sequence[tuple[str, float]] = ()
    scenario: Scenario = DOMAIN
    classes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    random_baseline: bool = False
    budget: Mapping[str, Any] = field(default_factory=dict)
    placed: bool = False

    def fingerprint(self) -> str:
        """sha256 over it, 64 hexadecimal digits."""
        content: dict[str, Any] = {
            "clbench": self.clbench,
            "torch": self.torch,
            "model": self.model if self.placed else without_places(self.model),
            "strategy": self.strategy,
            "stream": [self.stream, list(self.label_space)],
            "max_length": self.max_length,
            "data": [[name, dict(digests)] for name, digests in self.data],
            "backbone": list(self.backbone),
            "eval_every": self.eval_every,
            "seed": self.seed,
            **self.device,
        }
        if self.plugins:
            content["plugins"] = [plugin.model_dump(mode="json") for plugin in self.plugins]
        if self.random_baseline:  # as long as nobody asks, fingerprints are those of before
            content["random_baseline"] = True
        if self.budget:
            content["budget"] = dict(self.budget)
        if self.teachers:
            content["teachers"] = [list(teacher) for teacher in self.teachers]
        if self.scenario != DOMAIN:
            content["scenario"] = self.scenario
        if self.classes:
            content["classes"] = {name: list(places) for name, places in self.classes.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def identity_of(record: Record, learning_rate: float, teachers: Sequence[tuple[str, float]]) -> Identity:
    """What a record says of its run.

    Args:
        record: one whose ``measured.versions`` name torch.
        learning_rate: of its backbone, which not every record tells.
        teachers: as of :class:`Identity`; a record does not tell them.
    """
    told, machine = record.configuration, record.measured.hardware
    return Identity(
        clbench=record.clbench,
        torch=record.measured.versions["torch"],
        model=told.model,
        strategy=told.strategy,
        stream=str(told.stream.get("name")),
        label_space=record.label_space,
        max_length=told.max_length,
        data=[(d.name, {name: split.digest for name, split in d.splits.items()}) for d in record.data],
        backbone=(told.backbone.digest, learning_rate),
        eval_every=told.eval_every,
        seed=told.seed,
        device={name: value for name in _DEVICE if (value := getattr(machine, name)) is not None},
        plugins=[plugin for plugin in record.plugins if plugin.kind != "metric"],
        teachers=teachers,
        scenario=record.scenario,
        classes={domain.name: domain.classes for domain in record.data if domain.classes},
        random_baseline=told.random_baseline,
        budget=told.budget.model_dump(mode="json"),
    )


def fits(identity: Identity, fingerprint: str) -> bool:
    """Whether a fingerprint is of this, whatever torch's build is called.

    A record names torch's version as its package does, which may leave out what torch itself tells of its build: the
    package 2.9.0 may be a torch 2.9.0+cu128. One of an earlier version, with the path of its checkpoint, fits as well.
    """
    return any(
        replace(identity, torch=torch, placed=placed).fingerprint() == fingerprint
        for torch in _builds(identity.torch)
        for placed in (False, True)
    )


def without_places(model: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without where the checkpoints that it and its teachers load lie: their digests, which stand beside it,
    say which they are, however a path to them is spelled.

    Args:
        model: its form, as plain JSON values; what is no recipe is left as it is.
    """
    content, steps = dict(model), model.get("steps")
    if isinstance(steps, list) and all(isinstance(step, Mapping) for step in steps):
        content["steps"] = [
            {key: without_places(part) if key == "teacher" and isinstance(part, Mapping) else part
             for key, part in step.items()}
            for step in steps
        ]  # fmt: skip
        if any(step.get("step") == "load" for step in steps):
            content.pop("backbone", None)
    return content


def _builds(version: str) -> Iterator[str]:
    yield version
    if "+" not in version:
        yield f"{version}+cpu"
        yield from (f"{version}+cu{number}" for number in range(110, 160))
        yield from (f"{version}+rocm{major}.{minor}" for major in (6, 7) for minor in range(10))
