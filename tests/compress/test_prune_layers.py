"""Which layers stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.compress.prune_layers import kept_layers
from clbench.errors import UserError
from clbench.schema.recipe import PruneLayers


def step(drop: Any, depth: Any = None) -> PruneLayers:
    return PruneLayers(step="prune_layers", drop=drop, depth=depth)


@pytest.mark.parametrize(
    ("drop", "depth", "layers", "expected"),
    [
        ("alternate", "N/2", 12, [2, 4, 6, 8, 10, 12]),
        ("alternate", "N/4", 12, [4, 8, 12]),
        ("alternate", 8, 12, [1, 3, 4, 6, 7, 9, 10, 12]),
        ("top", "N/2", 12, [1, 2, 3, 4, 5, 6]),
        ("bottom", "N/2", 12, [7, 8, 9, 10, 11, 12]),
        ("top", 6, 6, [1, 2, 3, 4, 5, 6]),
        ((1, 3, 5, 7, 9, 11), None, 12, [2, 4, 6, 8, 10, 12]),
    ],
)
def test_by_hand(drop: Any, depth: Any, layers: int, expected: list[int]) -> None:
    assert kept_layers(step(drop, depth), layers, "x.yaml") == expected


@given(rule=st.sampled_from(["alternate", "top", "bottom"]), depth=st.integers(1, 30), more=st.integers(0, 30))
def test_as_many_as_asked_for(rule: str, depth: int, more: int) -> None:
    kept = kept_layers(step(rule, depth), depth + more, "x.yaml")
    assert len(kept) == depth
    assert kept == sorted(set(kept))
    assert all(1 <= layer <= depth + more for layer in kept)


@pytest.mark.parametrize(("drop", "depth"), [("top", 13), ("top", "N/4"), ((13,), None), (tuple(range(1, 4)), None)])
def test_layers_that_are_not_there(drop: Any, depth: Any) -> None:
    layers = 12 if depth == 13 or drop == (13,) else 3
    with pytest.raises(UserError, match=r"^mine.yaml: field '(drop|depth)' should"):
        kept_layers(step(drop, depth), layers, "mine.yaml")


@pytest.mark.parametrize(
    ("drop", "depth"), [("top", None), ((1,), 6), ("odd", 6), ("top", "N/3"), ("top", 0), ("top", 2.0), ((0,), None)]
)
def test_forms_that_say_nothing_sensible(drop: Any, depth: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        step(drop, depth)
