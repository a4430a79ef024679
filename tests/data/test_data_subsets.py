"""Caps and carving: disjoint, deterministic, in order."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from clbench.data.pairs import Pairs
from clbench.data.subsets import cap, carve, ranking


def numbered(count: int) -> Pairs:
    return Pairs.of((f"a{i}" for i in range(count)), (f"b{i}" for i in range(count)), (i % 3 for i in range(count)))


def numbers(pairs: Pairs) -> list[int]:
    found = [int(text[1:]) for text in pairs.first]
    assert pairs.second == tuple(f"b{i}" for i in found)
    assert pairs.labels.tolist() == [i % 3 for i in found]
    return found


def test_the_ranking_is_by_hash_and_never_changes() -> None:
    # Written down: other numbers would be other examples in every capped edition.
    assert ranking("mnli/train/cap", 8) == [3, 2, 0, 4, 5, 1, 7, 6]
    digests = [hashlib.sha256(b"mnli/train/cap" + row.to_bytes(8, "little")).hexdigest() for row in range(8)]
    assert ranking("mnli/train/cap", 8) == [digests.index(digest) for digest in sorted(digests)]
    assert ranking("mnli/train/cap", 8) != ranking("snli/train/cap", 8)


@given(st.integers(0, 200), st.one_of(st.none(), st.integers(0, 250)), st.text(max_size=8))
def test_a_cap_keeps_the_order_and_so_many(count: int, most: int | None, name: str) -> None:
    found = numbers(cap(numbered(count), most, name))
    assert found == sorted(set(found))
    assert len(found) == (count if most is None else min(count, most))
    assert found == numbers(cap(numbered(count), most, name))


@given(st.integers(1, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_smaller_cap_is_part_of_a_larger_one(count: int, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert set(numbers(cap(numbered(count), small, "n"))) <= set(numbers(cap(numbered(count), large, "n")))


@given(
    st.integers(0, 150),
    st.permutations([None, 0.1, 0.25]) | st.sampled_from([[None, 0.02], [0.1, None], [0.5, 0.5], [None], [0.3]]),
    st.text(max_size=8),
)
def test_carved_parts_are_disjoint_in_order_and_leave_nothing_behind(
    count: int, shares: list[float | None], name: str
) -> None:
    parts = [numbers(part) for part in carve(numbered(count), shares, name)]
    assert len(parts) == len(shares)
    together = [row for part in parts for row in part]
    assert len(set(together)) == len(together)
    assert all(part == sorted(part) for part in parts)
    if None in shares:
        assert sorted(together) == list(range(count))
    for part, share in zip(parts, shares, strict=True):
        if share is not None and sum(s or 0 for s in shares) < 1:
            assert len(part) == round(share * count)
    assert parts == [numbers(part) for part in carve(numbered(count), shares, name)]


def test_another_name_carves_other_rows() -> None:
    assert numbers(carve(numbered(100), [None, 0.1], "one")[1]) != numbers(carve(numbered(100), [None, 0.1], "two")[1])
