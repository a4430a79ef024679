"""Records put together: what they hold alike stands in memory once."""

from __future__ import annotations

from typing import Any

import pytest
from record_worlds import pieces, record

from clbench.record import Record, RunParts, make_record
from clbench.record.groups import grouped, shared


def test_what_records_hold_alike_is_one_object() -> None:
    records = [make_record(RunParts(**pieces(seed=seed))) for seed in (0, 1, 2)]
    texts = [record.model_dump_json() for record in records]
    seen: dict[str, Any] = {}
    lean = [shared(record, seen) for record in records]
    assert [record.model_dump_json() for record in lean] == texts
    assert [record.figures_again() for record in lean] == [record.figures for record in records]
    first, second, _ = lean
    for name in ("model", "stream", "strategy", "backbone"):
        assert getattr(first.configuration, name) is getattr(second.configuration, name)
    assert all(one is other for one, other in zip(first.data, second.data, strict=True))
    assert first.configuration.seed != second.configuration.seed


def test_seeds_of_one_run_were_trained_on_the_same_examples() -> None:
    """Two seeds before the training examples were mended and three after: two runs, though tested on the same."""
    records = [record(seed=seed) for seed in (0, 1, 0, 1, 2)]

    def mended(one: Record) -> Record:
        first, *others = one.data
        splits = first.splits | {"train": first.splits["train"].model_copy(update={"digest": "e" * 64})}
        return one.model_copy(update={"data": (first.model_copy(update={"splits": splits}), *others)})

    assert grouped([*records[:2], *map(mended, records[2:])]) == [[0, 1], [2, 3, 4]]
    assert grouped(records) == [[0, 1, 4], [2, 3]]


def test_what_differs_stays_apart() -> None:
    one, other = (make_record(RunParts(**pieces(seed=0, size=size))) for size in (30, 31))
    seen: dict[str, Any] = {}
    lean = shared(one, seen), shared(other, seen)
    assert lean == (one, other)
    assert lean[0].data[0] is not lean[1].data[0]
    # True is not 1, nor 1 the text "1".
    told = one.configuration.model_copy(update={"model": one.configuration.model | {"a": True}})
    again = told.model_copy(update={"model": told.model | {"a": 1}})
    found = [shared(one.model_copy(update={"configuration": each}), seen) for each in (told, again)]
    assert [type(record.configuration.model["a"]) for record in found] == [bool, int]


def computed(one: Record, torch: str = "2.13.0", **hardware: str) -> Record:
    """The same run's record, made with another torch, or on such hardware; its fingerprint tells that and the seed."""
    machine = one.measured.hardware.model_copy(update=hardware)
    versions = one.measured.versions | {"torch": torch}
    fingerprint = f"{torch} {sorted(hardware.items())} {one.configuration.seed}"
    return one.model_copy(
        update={
            "measured": one.measured.model_copy(update={"hardware": machine, "versions": versions}),
            "configuration": one.configuration.model_copy(update={"fingerprint": fingerprint}),
        }
    )


def test_seeds_of_one_run_were_computed_alike() -> None:
    plain = [computed(record(seed=seed)) for seed in (0, 1, 2)]
    low = [computed(one, device="cpu", precision="bfloat16") for one in plain]
    assert grouped([*plain[:2], *low]) == [[0, 1], [2, 3, 4]]
    # Not even where no seed is there twice.
    assert grouped([*plain[:2], low[2]]) == [[0, 1], [2]]


@pytest.mark.parametrize("other", [{"torch": "2.14.0"}, {"device": "cuda", "card": "a card"}])
def test_runs_that_share_a_seed_keep_their_own_seeds(other: dict[str, str]) -> None:
    """Of two machines, say, or from before and after an update: no seed of one fills up the other's."""
    plain = [computed(record(seed=seed)) for seed in (0, 1, 2, 3)]
    others = [computed(one, **other) for one in plain]
    assert grouped([*plain[:2], *others[:3]]) == [[0, 1], [2, 3, 4]]
    assert grouped([plain[0], others[0], plain[1], others[1], others[2]]) == [[0, 2], [1, 3, 4]]
    assert grouped([*plain[:2], *others[1:3]]) == [[0, 1], [2, 3]]
    # Seeds that another machine added are of the same run.
    assert grouped([*plain[:2], *others[2:]]) == [[0, 1, 2, 3]]
