"""Runs carried out again: what was seen of some of them stands, and what rounding may move is still held to bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submission_worlds import facts, honest, refitted, rerunning, turned

from clbench.board.again import Lived, Rerunning
from clbench.board.verify import Verdict, verify
from clbench.errors import UserError
from clbench.record import Record, write_record


def checked(path: Path, stream: Path, how: Rerunning) -> Verdict:
    return verify(path, lambda *_: facts(stream), rerunning=how)


def broken_off(stream: Path, change: Callable[[Record], Record], **options: Any) -> Rerunning:
    """Each run again, until one whose weights are gone: that of seed 1."""
    whole = rerunning(stream, change, every_seed=True, **options)

    def live(record: Record, seed: int, pairs: int | None) -> Lived:
        if seed == 1:
            raise UserError("the weights are gone.")
        return whole.live(record, seed, pairs)

    return Rerunning(live, every_seed=True, **options)


@pytest.mark.parametrize("must", [False, True])
def test_what_was_refuted_before_weights_were_gone_stands(must: bool, mine: Path, small_stream: Path) -> None:
    def longer(record: Record) -> Record:
        points = [p.model_copy(update={"step": p.step + n}) for n, p in enumerate(record.points)]
        return record.model_copy(update={"points": tuple(points)})

    found = checked(mine, small_stream, broken_off(small_stream, longer, must=must))
    (refuted,) = found.refuted
    assert refuted.startswith("seed 0: the same run carried out here leaves another record: ")
    assert found.reruns == ()
    gone = f"{mine}: not all of its runs were run again: the weights are gone."
    assert found.problems == (f"{mine}: {refuted}", *([gone] if must else []))
    assert found.unchecked == (() if must else ("further runs: the weights are gone.",))


@pytest.mark.parametrize("must", [False, True])
def test_what_held_before_weights_were_gone_stands(must: bool, mine: Path, small_stream: Path) -> None:
    found = checked(mine, small_stream, broken_off(small_stream, lambda record: record, must=must))
    assert [(one.seed, one.differ) for one in found.reruns] == [(0, 0)]
    assert found.refuted == ()
    assert bool(found.problems) == must


def test_of_two_runs_one_of_which_is_refuted_the_other_has_held(mine: Path, small_stream: Path) -> None:
    def other(record: Record) -> Record:
        return record if record.configuration.seed else honest(small_stream, 0, right=0.3)

    found = checked(mine, small_stream, rerunning(small_stream, other, every_seed=True))
    assert [one.seed for one in found.reruns] == [1]
    assert len(found.refuted) == 1


def asked_of_random_weights(record: Record, score: float) -> Record:
    """The same with random weights that reach so much on each domain."""
    made = json.loads(record.model_dump_json())
    made["configuration"]["random_baseline"] = True
    for domain in made["data"]:
        domain["random"] = {"accuracy": score, "balanced_accuracy": score}
    return refitted(Record.model_validate(made))


def elsewhere(record: Record) -> Record:
    """The same, on another CPU, one of whose answers is another."""
    made = json.loads(record.model_dump_json())
    turned(made["points"][-1], "rte", [0])
    made["measured"]["hardware"]["cpu"] = "another CPU"
    return refitted(Record.model_validate(made))


def test_what_random_weights_reach_is_made_again_on_another_cpu_too(small_stream: Path, tmp_path: Path) -> None:
    file = write_record(tmp_path / "run", asked_of_random_weights(honest(small_stream), 0.5))
    for told, holds in ((0.5, True), (0.5 + 1 / 60, True), (0.9, False)):
        how = rerunning(small_stream, lambda record, told=told: elsewhere(asked_of_random_weights(record, told)))
        found = checked(file, small_stream, how)
        assert [one.differ for one in found.reruns] == [1] * holds
        assert len(found.problems) == (0 if holds else 4), found.problems
    assert "field 'data.0.random' of mnli is 50.0 % and 50.0 % (balanced), but 90.0 % and 90.0 %" in found.problems[0]
    assert found.refuted
