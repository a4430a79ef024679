"""Batches that trade examples until each holds some of like length."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clbench.encoder.batches import like_length


def test_by_hand() -> None:
    # Lengths 9 1 8 2 in two batches of two: the short ones meet, and so do the long ones.
    found = list(like_length([[0, 1], [2, 3]], np.array([9, 1, 8, 2])))
    assert sorted(sorted(batch.tolist()) for batch in found) == [[0, 2], [1, 3]]


def test_each_batch_keeps_its_share_of_every_part_by_hand() -> None:
    # Places 0 to 3 are new and 4 to 7 remembered; each batch has two new ones and one remembered.
    lengths = np.array([9, 1, 8, 2, 1, 9, 5, 5])
    found = list(like_length([[0, 1, 5], [2, 3, 4]], lengths, parts=[4]))
    assert sorted(sorted(batch.tolist()) for batch in found) == [[0, 2, 5], [1, 3, 4]]


def test_copies_of_a_remembered_example_go_to_different_batches_by_hand() -> None:
    # A memory of two (places 2 and 3), of which each batch draws both: the long ones would meet, and the short ones.
    found = list(like_length([[0, 2, 3], [1, 3, 2]], np.array([5, 5, 9, 1]), parts=[2]))
    assert [sorted(batch[1:].tolist()) for batch in found] == [[2, 3], [2, 3]]


def through_memory(held: int, size: int, steps: int, seed: int) -> list[np.ndarray]:
    """Batches as Avalanche's sampler draws them: each pass in an order of its own, its rest a smaller batch."""
    rng, found = np.random.default_rng(seed), list[np.ndarray]()
    while len(found) < steps:
        order = rng.permutation(held)
        found += [order[begin : begin + size] for begin in range(0, held, size)]
    return found[:steps]


@given(held=st.integers(1, 100), size=st.integers(1, 40), steps=st.integers(1, 80), seed=st.integers(0, 9))
def test_passes_through_a_memory_give_no_batch_a_copy(held: int, size: int, steps: int, seed: int) -> None:
    batches = through_memory(held, size, steps, seed)
    for batch in like_length(batches, np.random.default_rng(seed).integers(1, 50, held), window=steps):
        assert len(set(batch.tolist())) == len(batch)


@pytest.mark.parametrize("held", [20, 100, 500])
def test_windows_that_begin_within_a_pass_give_no_batch_a_copy_either(held: int) -> None:
    for batch in like_length(through_memory(held, 32, 250, 0), np.random.default_rng(1).integers(1, 50, held)):
        assert len(set(batch.tolist())) == len(batch)


once = st.permutations(range(40)).map(lambda order: [order[begin : begin + 6] for begin in range(0, 40, 6)])
drawn = st.lists(st.lists(st.integers(0, 39), min_size=1, max_size=6), max_size=12) | once


@given(batches=drawn, seed=st.integers(0, 9), cut=st.integers(1, 39), window=st.integers(1, 5))
def test_nothing_is_lost_and_every_batch_keeps_its_shape(
    batches: list[list[int]], seed: int, cut: int, window: int
) -> None:
    lengths = np.random.default_rng(seed).integers(1, 50, 40)
    torch.manual_seed(seed)
    found = [batch.tolist() for batch in like_length(batches, lengths, [cut], window)]
    assert len(found) == len(batches)
    for begin in range(0, len(batches), window):
        before, after = batches[begin : begin + window], found[begin : begin + window]
        assert Counter(chain(*before)) == Counter(chain(*after))
        # Old and new examples of each batch: which batch comes first is left to chance, so the order does not count.
        shapes = [
            Counter((sum(p < cut for p in batch), sum(p >= cut for p in batch)) for batch in side)
            for side in (before, after)
        ]
        assert shapes[0] == shapes[1]
        if max(Counter(chain(*before)).values()) > 1:
            continue  # copies go to different batches, so that these do not follow one another in length alone
        for part in (lambda p: p < cut, lambda p: p >= cut):
            spans = sorted(
                (min(own), max(own)) for batch in after if (own := [int(lengths[p]) for p in batch if part(p)])
            )
            assert all(one[1] <= other[0] for one, other in pairwise(spans)), "batches' lengths overlap"


def test_the_order_of_batches_is_torchs_own_draw() -> None:
    batches, lengths = np.arange(60).reshape(20, 3), np.arange(60)
    orders = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        orders.append([int(batch[0]) for batch in like_length(batches.tolist(), lengths)])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])
