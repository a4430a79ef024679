"""What a metric is, and the scores of a life that it is computed from."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from types import ModuleType
from typing import Literal, get_args

import numpy as np

from clbench.errors import first_line
from clbench.schema.registry import Registry
from clbench.schema.scenario import DOMAIN, Scenario

# Where a metric that names no place is shown: behind clbench's own.
_LAST = 1000
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Of a figure that is a share by its formula.
_ROUNDING = 1e-9

Direction = Literal["higher", "lower"]

_LOG = logging.getLogger("clbench")


@dataclass(frozen=True, eq=False)
class Life:
    """The scores of a whole life, which cannot be written.

    Attributes:
        accuracy, balanced, macro_f1: (P, D) float in [0, 1], a row for each evaluation point in order, a column a
            domain.
        met: (P, D) bool, the domains trained on by then, the current experience's included.
        experience: (P,) int, 0 at inception.
        final: (P,) bool, whether the point is the one that ends its experience.
        majority: (D,) accuracy of each domain's majority class.
        sizes: (D,) test examples of each domain; None where nobody counts them.
        scenario: which classes are told apart, and when, see :mod:`clbench.schema.scenario`.
        examples: (P,) examples trained on since inception, those from a memory included; None where nobody says.
        calibration: (P, D) expected calibration error, nan where no probabilities were kept; None where none were.
        random: (D,) accuracy of the model with random weights; None where it was not asked.
    """

    accuracy: np.ndarray
    balanced: np.ndarray
    macro_f1: np.ndarray
    met: np.ndarray
    experience: np.ndarray
    final: np.ndarray
    majority: np.ndarray
    sizes: np.ndarray | None = None
    scenario: Scenario = DOMAIN
    examples: np.ndarray | None = None
    calibration: np.ndarray | None = None
    random: np.ndarray | None = None

    def __post_init__(self) -> None:
        # A stranger's metric that wrote into it would change what others make of it.
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                view = value.view()
                view.flags.writeable = False
                object.__setattr__(self, one.name, view)

    @cached_property
    def ends(self) -> Life:
        """The same at the end of each experience alone: T rows, inception first."""
        kept = self.final
        return replace(
            self, accuracy=self.accuracy[kept], balanced=self.balanced[kept], macro_f1=self.macro_f1[kept],
            met=self.met[kept], experience=self.experience[kept], final=self.final[kept],
            examples=None if self.examples is None else self.examples[kept],
            calibration=None if self.calibration is None else self.calibration[kept],
        )  # fmt: skip


@dataclass(frozen=True)
class Metric:
    """One figure of a life.

    Attributes:
        name: lower-case words joined by ``_``, as records have it.
        title: its name in the literature.
        better: which direction is better.
        meaning: one line for people.
        formula: the equation, and where it comes from.
        compute: from the scores of a life to the figure, a share of 1; None where a life of this length does not define
            it, never nan.
        place: where it is shown among others, the smaller the further in front.
    """

    name: str
    title: str
    better: Direction
    meaning: str
    formula: str
    compute: Callable[[Life], float | None]
    place: int = _LAST

    def flaw(self) -> str | None:
        """What is wrong with it, told where a plug-in brings it."""
        if not _NAME.fullmatch(self.name):
            return f"the name of a metric should be small letters, digits and _, but is {self.name!r}"
        if self.better not in get_args(Direction):
            return f"better of the metric {self.name} should be higher or lower, but is {self.better!r}"
        return None


def _found(module: ModuleType) -> Iterator[tuple[str, Metric]]:
    for one in vars(module).values():
        if isinstance(one, Metric):
            yield one.name, one


METRICS: Registry[Metric] = Registry("metric", "clbench.metrics.library", "clbench.metrics", _found)


def metrics() -> dict[str, Metric]:
    """Every metric by its name, in the order in which figures are shown."""
    return dict(sorted(METRICS.all().items(), key=lambda item: (item[1].place, item[0])))


def figures(life: Life) -> dict[str, float | None]:
    """Every metric of a life, by name, in the order in which they are shown.

    A plug-in's that fails, or gives what is no share, is told of in a sentence and left out, as one that is not
    installed is: it must not cost a run of hours its record.
    """
    found: dict[str, float | None] = {}
    for name, metric in metrics().items():
        try:
            found[name] = _value(metric, life)
        except Exception as error:
            if METRICS.origin(name) is None:
                raise
            kind = "" if isinstance(error, _NoShareError) else f" failed: {type(error).__name__}"
            _LOG.warning("clbench: warning: the metric %s%s: %s.", name, kind, first_line(error).rstrip("."))
    return found


class _NoShareError(ValueError):
    pass


def _value(metric: Metric, life: Life) -> float | None:
    found = metric.compute(life)
    value = None if found is None else float(found)
    if value is not None and not abs(value) <= 1 + _ROUNDING:  # nan too
        raise _NoShareError(f"it gives {value:.6g} and should give a share of 1, from -1 to 1, or None")
    return value
