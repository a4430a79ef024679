"""What a run's models show layer by layer: drift, probes, distances of weights, overlap of active units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clbench.explain.material import Examples, Limits, model_in, models, open_examples
from clbench.explain.probes import probed
from clbench.explain.units import most_active, overlap
from clbench.explain.weights import Place, distances, places
from clbench.metrics.cka import aligned, centred, linear_cka
from clbench.record import Record
from clbench.runs.snapshots import snapshot_folders
from clbench.runtime import events
from clbench.schema.scenario import CLASS

if TYPE_CHECKING:
    from torch import Tensor

    from clbench.encoder.classifier import Classifier
    from clbench.explain.states import Seen
    from clbench.runtime.device import Device

_TASK = "look into the models"


@dataclass(frozen=True)
class Inside:
    """What the models after T experiences show of D domains in L layers; nan where nothing can be told.

    Attributes:
        experiences, domains: their names, in order.
        met: bool (T, D), which domains had been trained on.
        drift: (T - 1, D, L), 1 - CKA between a domain's states before and after each experience but inception.
        arising: (T - 1, D, L), what of it the layer itself adds: 1 - CKA between what the layer makes, as it was before
            and as it is after the experience, of what it was given before; nan for domains that were not yet met.
        probes: (T, D, L), accuracy of a linear probe on a domain's test examples; nan until the domain is met. It tells
            apart the classes that the model does: where these come with their domains, those of all that were met.
        moved: T - 1 mappings, how far the weights of each place have moved in each experience but inception.
        overlap: (T, D, D, L), how far two domains share their most active units; nan where the family has none.
        own: by domain bool (T, N), whether the model was right on each test example that was looked at, as the record
            says.
        within: the same if only the domain's own classes had been told apart, as the models say.
        probed: the same of the probe on the last layer; before the domain is met, False.
        agreement: share of the examples on which the models say what the record says.
    """

    experiences: tuple[str, ...]
    domains: tuple[str, ...]
    met: np.ndarray
    drift: np.ndarray
    arising: np.ndarray
    probes: np.ndarray
    moved: tuple[Mapping[Place, float], ...]
    overlap: np.ndarray
    own: Mapping[str, np.ndarray]
    within: Mapping[str, np.ndarray]
    probed: Mapping[str, np.ndarray]
    agreement: float

    @property
    def layers(self) -> int:
        """L."""
        return int(self.drift.shape[-1])

    def earlier(self, t: int) -> np.ndarray:
        """bool (D,): the domains met before experience ``t``."""
        found: np.ndarray = self.met[t - 1]
        return found

    def drift_of_earlier(self) -> np.ndarray:
        """(T - 1, L): the mean drift over the domains met before each experience but inception."""
        return np.stack([known_mean(self.drift[t - 1][self.earlier(t)]) for t in range(1, len(self.met))])

    def arising_of_earlier(self) -> np.ndarray:
        """(T - 1, L): as :meth:`drift_of_earlier`, of what each layer itself adds."""
        return np.stack([known_mean(self.arising[t - 1][self.earlier(t)]) for t in range(1, len(self.met))])

    def probe_loss(self) -> np.ndarray:
        """(T - 1, L): what a probe has lost since the domain was learned, the mean over the domains met before each
        experience but inception."""
        learned = self.met.argmax(axis=0)
        rows = []
        for t in range(1, len(self.met)):
            known = [d for d in np.flatnonzero(self.earlier(t)) if not np.isnan(self.probes[t, d]).all()]
            rows.append(known_mean(np.stack([self.probes[learned[d], d] - self.probes[t, d] for d in known])))
        return np.stack(rows)

    def moved_layers(self) -> np.ndarray:
        """(T - 1, L): how far each layer's weights have moved in each experience but inception."""
        shared = max(place.layer for place in self.moved[0]) < self.layers
        return np.array(
            [
                [moved[Place(1 if shared else layer, "all")] for layer in range(1, self.layers + 1)]
                for moved in self.moved
            ]
        )


def known_mean(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is known; nan where nothing is.

    >>> known_mean(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist()
    [2.0, nan]
    """
    count = np.isfinite(values).sum(axis=0)
    total = np.where(np.isfinite(values), values, 0.0).sum(axis=0)
    mean: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def look_inside(run: Path, record: Record, data_dir: Path | None, limits: Limits, device: Device) -> Inside:
    """Look into every model that a run has kept; nothing is trained but the probes.

    Args:
        run: its folder, which holds the models: see :func:`clbench.explain.material.why_not`.
        record: its record.
        data_dir: where the examples of a real edition lie, where that is elsewhere than at the run's time.
        limits: of examples.
        device: where the models compute.

    Raises:
        UserError: the examples or the models cannot be had.
    """
    from clbench.encoder.quantize import evaluated

    examples = open_examples(run, record, data_dir, limits, device)
    finals = [point for point in record.points if point.final]
    places_of: dict[str, Place] = {}
    views: list[_View] = []
    moved: list[dict[Place, float]] = []
    arising: list[np.ndarray] = []
    before: tuple[Classifier, dict[str, Tensor]] | None = None
    for t, (model, weights) in enumerate(models(run, record, examples.store)):
        places_of = places_of or places(model)
        asked = evaluated(model)
        if before is not None:
            moved.append(distances(before[1], weights, places_of))
            arising.append(_arising(record, examples, before[0], asked, t))
        views.append(_view(record, examples, asked, t, views[-1].states if views else {}))
        if len(views) > 1:
            views[-2].states.clear()  # of the whole life they would fill the memory
        before = asked, weights
    events.end(_TASK)
    names = record.domains

    def examples_of(kind: str) -> dict[str, np.ndarray]:
        return {name: np.stack([getattr(view, kind)[name] for view in views]) for name in names}

    none = np.zeros((0, *views[0].drift.shape))
    return Inside(
        tuple(point.name for point in finals), names, np.array([[n in point.met for n in names] for point in finals]),
        np.stack([view.drift for view in views])[1:], np.stack(arising) if arising else none,
        np.stack([view.probes for view in views]), tuple(moved), np.stack([view.overlap for view in views]),
        examples_of("own"), examples_of("within"), examples_of("probed"),
        float(np.mean([view.agreement for view in views])),
    )  # fmt: skip


@dataclass(frozen=True)
class _View:
    """One model, seen: fields as :class:`Inside` has them, without their first axis; and its states for the next."""

    states: dict[str, np.ndarray]
    drift: np.ndarray
    probes: np.ndarray
    overlap: np.ndarray
    own: dict[str, np.ndarray]
    within: dict[str, np.ndarray]
    probed: dict[str, np.ndarray]
    agreement: float


def _view(record: Record, examples: Examples, model: Classifier, t: int, before: Mapping[str, np.ndarray]) -> _View:
    from clbench.explain.states import look

    finals = [point for point in record.points if point.final]
    point, names = finals[t], record.domains
    layers = model.config.num_hidden_layers
    drift, probes = (np.full((len(names), layers), np.nan) for _ in range(2))
    states, tested, active, own, within, agreed = {}, {}, [], {}, {}, []
    for d, name in enumerate(names):
        events.advance(_TASK, t * len(names) + d, len(finals) * len(names), "domains", f"after {point.name}, {name}")
        gold = examples.labels[name, "test"]
        seen = look(model, examples.rows[name, "test"], units=True)
        states[name] = np.stack([centred(layer) for layer in seen.states])
        active.append([most_active(one) for one in seen.activity])
        if name in before:
            drift[d] = [1 - aligned(a, b) for a, b in zip(before[name], states[name], strict=True)]
        told = point.predictions[name].array()[examples.places[name]]
        own[name] = told == gold
        agreed.append(_named(seen, record.open_classes(point.met, name)) == told)
        within[name] = _named(seen, _classes(record, d)) == gold
        if name in point.met:
            tested[name] = seen.states
    right = _probed(record, examples, model, tested)
    for name, found in right.items():
        probes[names.index(name)] = found.mean(axis=1)
    last = {name: right[name][-1] if name in right else np.zeros_like(own[name]) for name in names}
    events.advance(_TASK, (t + 1) * len(names), len(finals) * len(names), "domains", f"after {point.name}")
    return _View(
        states, drift, probes, _overlaps(active, layers), own, within, last, float(np.concatenate(agreed).mean())
    )


def _arising(record: Record, examples: Examples, before: Classifier, after: Classifier, t: int) -> np.ndarray:
    """(D, L): what each layer itself adds to the drift of the domains met before experience ``t``."""
    from clbench.explain.states import side_by_side

    met = [point for point in record.points if point.final][t - 1].met
    found = np.full((len(record.domains), before.config.num_hidden_layers), np.nan)
    for d, name in enumerate(record.domains):
        if name in met:
            # It takes two models' time: half of the examples are enough for a mean over domains.
            ours, theirs = side_by_side(before, after, examples.rows[name, "test"][::2])
            found[d] = [1 - linear_cka(a, b) for a, b in zip(ours, theirs, strict=True)]
    return found


def _named(seen: Seen, classes: tuple[int, ...]) -> np.ndarray:
    """int (N,): the class that the model names where only some are told apart."""
    named: np.ndarray = np.array(classes)[seen.logits[:, list(classes)].argmax(axis=1)]
    return named


def _classes(record: Record, d: int) -> tuple[int, ...]:
    return record.data[d].classes or tuple(range(len(record.label_space)))


def _probed(
    record: Record, examples: Examples, model: Classifier, tested: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """By domain bool (L, N): on which test examples each layer's probe is right.

    Args:
        tested: the test examples' states, (L, N, H), of every domain that was met.
    """
    from clbench.explain.states import look

    # Where classes come with their domains the model tells those of all apart, and a probe of one domain's own would
    # not see that two domains lie in the same place.
    groups = [list(tested)] if record.scenario == CLASS else [[name] for name in tested]
    found: dict[str, np.ndarray] = {}
    for group in groups:
        trained = {name: look(model, examples.rows[name, "train"], units=False).states for name in group}
        found |= probed(trained, tested, examples.labels)
    return found


def _overlaps(active: list[list[np.ndarray]], layers: int) -> np.ndarray:
    """(D, D, L)."""
    count = len(active)
    found = np.full((count, count, layers), np.nan)
    if active[0]:
        for one in range(count):
            for other in range(count):
                found[one, other] = [overlap(a, b) for a, b in zip(active[one], active[other], strict=True)]
    return found


def shared_units(run: Path, record: Record, limits: Limits, device: Device) -> np.ndarray:
    """(D, D, L): how far two domains share their most active units at the end of a life, see :attr:`Inside.overlap`.

    Args:
        run: the run's folder, which holds its last model (``--keep-models``, ``--keep-checkpoints``).
        record, limits, device: as :func:`look_inside` takes them.

    Raises:
        UserError: the examples or the model cannot be had.
    """
    from clbench.encoder.quantize import evaluated
    from clbench.explain.states import look

    examples = open_examples(run, record, None, limits, device)
    model = evaluated(model_in(snapshot_folders(run)[-1], record, examples.store))
    active = []
    for number, name in enumerate(record.domains):
        events.advance("look for active units", number, len(record.domains), "domains", name)
        seen = look(model, examples.rows[name, "test"], units=True)
        active.append([most_active(one) for one in seen.activity])
    events.end("look for active units")
    return _overlaps(active, model.config.num_hidden_layers)
