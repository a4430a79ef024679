"""Which layers stay."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from compress_worlds import SmallBackbone
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from clbench.compression.steps.prune_layers import PruneLayers, contributions, kept_layers
from clbench.compression.task import Task
from clbench.errors import UserError
from clbench.schema.step import layerdrop_rate


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
        # Sajjad et al. 2020, figure 1: of twelve layers, six, and four dropped
        ("odd", "N/2", 12, [2, 4, 6, 8, 10, 12]),
        ("odd", 8, 12, [1, 2, 3, 4, 6, 8, 10, 12]),
        ("even", "N/2", 12, [1, 3, 5, 7, 9, 11]),
        ("even", 8, 12, [1, 2, 3, 4, 5, 7, 9, 11]),
        ("symmetric", "N/2", 12, [1, 2, 3, 10, 11, 12]),
        ("symmetric", 8, 12, [1, 2, 3, 4, 9, 10, 11, 12]),
        ("symmetric", "N/4", 12, [1, 2, 12]),
        ("symmetric", 1, 12, [1]),
        ((1, 3, 5, 7, 9, 11), None, 12, [2, 4, 6, 8, 10, 12]),
    ],
)
def test_by_hand(drop: Any, depth: Any, layers: int, expected: list[int]) -> None:
    assert kept_layers(step(drop, depth), layers, "x.yaml") == expected


@given(
    rule=st.sampled_from(["alternate", "top", "bottom", "symmetric"]), depth=st.integers(1, 30), more=st.integers(0, 30)
)
def test_as_many_as_asked_for(rule: str, depth: int, more: int) -> None:
    kept = kept_layers(step(rule, depth), depth + more, "x.yaml")
    assert len(kept) == depth
    assert kept == sorted(set(kept))
    assert all(1 <= layer <= depth + more for layer in kept)


@pytest.mark.parametrize(
    ("drop", "depth"), [("top", 13), ("top", "N/4"), ((13,), None), (tuple(range(1, 4)), None), ("even", 1)]
)
def test_layers_that_are_not_there(drop: Any, depth: Any) -> None:
    layers = 12 if depth == 13 or drop == (13,) else 3
    with pytest.raises(UserError, match=r"^mine.yaml: field '(drop|depth)' should"):
        kept_layers(step(drop, depth), layers, "mine.yaml")


@pytest.mark.parametrize(
    ("drop", "depth"), [("top", None), ((1,), 6), ("middle", 6), ("top", "N/3"), ("top", 0), ("top", 2.0), ((0,), None)]
)
def test_forms_that_say_nothing_sensible(drop: Any, depth: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        step(drop, depth)


@given(kept=st.integers(1, 48), more=st.integers(0, 48))
def test_layerdrops_rate_leaves_as_many_layers_in_the_mean(kept: int, more: int) -> None:
    rate = layerdrop_rate(kept, kept + more)
    # Second form: the mean of a binomial count, summed up term by term.
    chances = binom.pmf(np.arange(kept + more + 1), kept + more, 1 - rate)
    assert (np.arange(kept + more + 1) * chances).sum() == pytest.approx(kept)


@given(depth=st.integers(1, 24), more=st.integers(0, 24))
def test_every_other_is_evenly_spread(depth: int, more: int) -> None:
    """The paper's rule, written another way: gaps between kept layers differ by one at most, and the last stays."""
    layers = depth + more
    kept = kept_layers(step("alternate", depth), layers, "x.yaml")
    gaps = np.diff([0, *kept])
    assert kept[-1] == layers
    assert gaps.max() - gaps.min() <= 1


def test_the_layers_that_contribute_most_stay_in_their_order() -> None:
    found = kept_layers(step("contribution", 3), 6, "x.yaml", [0.9, 0.1, 0.5, 0.5, 0.05, 0.5])
    assert found == [1, 4, 6]  # of three equal ones the later two
    with pytest.raises(ValueError, match="needs the layers' contributions"):
        kept_layers(step("contribution", 3), 6, "x.yaml")


def test_contributions_are_those_of_transformers_own_hidden_states(backbone: SmallBackbone, task: Task) -> None:
    model = backbone.classifier(2, 0).with_tokens(task.store)
    few = replace(task, train_rows=task.train_rows[:70])
    found = contributions(model, few)
    assert model.training  # the mode is put back
    hf = model.hf.bert.eval()
    cosines = []
    for row in few.train_rows.tolist():
        begin, end = int(task.store.offsets[row]), int(task.store.offsets[row + 1])
        types = (torch.arange(end - begin) >= int(task.store.seconds[row])).long()[None]
        with torch.no_grad():
            states = hf(task.store.ids[begin:end][None], token_type_ids=types, output_hidden_states=True).hidden_states
        cls = [state[0, 0].double().numpy() for state in states]
        cosines.append([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in pairwise(cls)])
    np.testing.assert_allclose(found, 1 - np.mean(cosines, axis=0), atol=1e-5)
