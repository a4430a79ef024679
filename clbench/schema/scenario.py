"""Scenarios, in Avalanche's terms: which classes a model tells apart, and when.

========================= ========================================================================================
``domain-incremental``    one label space, known from the beginning; of a domain that lacks some of its classes, those
                          that the domain has are told apart
``class-incremental``     classes come with their domains; all that have come so far are told apart, whatever is asked
``task-incremental``      each domain has classes and a head of its own, and is known when an answer is asked for
========================= ========================================================================================

(van de Ven, Tuytelaars and Tolias 2022, Three types of incremental learning, Nature Machine Intelligence 4.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

Scenario = Literal["domain-incremental", "class-incremental", "task-incremental"]
DOMAIN: Scenario = "domain-incremental"
CLASS: Scenario = "class-incremental"
TASK: Scenario = "task-incremental"


def open_classes(
    scenario: Scenario, classes: Mapping[str, tuple[int, ...]], met: Collection[str], domain: str
) -> tuple[int, ...]:
    """The classes that a model tells apart on a domain once it has met some, ascending.

    They are open in training and in evaluation alike: what is closed has no part in the loss and is no answer.

    >>> of = {"topics": (0, 1), "grades": (2, 3)}
    >>> open_classes("class-incremental", of, ["topics"], "grades")
    (0, 1)
    >>> open_classes("task-incremental", of, ["topics"], "grades")
    (2, 3)

    Args:
        scenario: the stream's.
        classes: of every domain, as places in the label space.
        met: the domains that the model has been trained on, the one it trains on included.
        domain: the one that is asked about.
    """
    if scenario != CLASS:
        return classes[domain]
    return tuple(sorted({place for name in met for place in classes[name]}))
