"""Records put together: what they hold alike stands in memory once."""

from __future__ import annotations

from typing import Any

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
