"""A run as one value: the command line that it prints makes it again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clbench
from clbench.cli.run import command
from clbench.errors import UserError
from clbench.schema.budget import Budget, read_budget
from clbench.schema.changes import assigned
from clbench.schema.seeds import parse_seeds
from clbench.schema.spec import RunSpec, spec_of

names = st.from_regex(r"[a-z][a-z0-9-]{0,11}", fullmatch=True)
values = st.integers(0, 99) | st.floats(0, 1, allow_nan=False) | st.none() | st.booleans() | names


@st.composite
def specs(draw: st.DrawFn) -> RunSpec:
    settings = draw(st.dictionaries(names.map("training.{}".format), values, max_size=3))
    return RunSpec(
        model=draw(names), stream=draw(names), edition=draw(st.none() | names), strategy=draw(names), settings=settings,
        quick=draw(st.booleans()),
        # One that is none would be refused.
        backbone=draw(st.none() | st.sampled_from(["roberta-base", "owner/name", "owner/name@main"])),
        labels=draw(st.none() | st.lists(names, min_size=2, max_size=3).map(tuple)),
        data_dir=draw(st.none() | names.map(Path)), eval_every=draw(st.none() | st.integers(1, 99)),
        shift=draw(st.sampled_from([0.0, 0.25, 1.0])), device=draw(st.sampled_from(["auto", "cpu"])),
        precision=draw(st.sampled_from(["auto", "float32", "bfloat16"])), deterministic=draw(st.booleans()),
        micro_batch=draw(st.none() | st.sampled_from(["auto", "8"])),
        budget=Budget(memory=draw(st.none() | st.integers(0, 99)), compute=draw(st.none() | st.floats(0.001, 1000))),
    )  # fmt: skip


@given(specs(), st.sampled_from(["0", "0-2", "0,4,7-9"]))
def test_its_command_line_makes_it_again(spec: RunSpec, seeds: str) -> None:
    words = spec.words(seeds)
    assert words[:2] == ["clbench", "run"]
    with patch.dict(os.environ):  # what is asked of the device holds for the whole process
        told: dict[str, Any] = command.make_context("run", words[2:]).params
    labels = told["labels"]
    again = {name: told[name] for name in RunSpec.model_fields if name in told} | {
        "labels": None if labels is None else tuple(labels.split(",")), "settings": assigned(told["assignments"]),
        "budget": read_budget(told["budgets"]),
    }  # fmt: skip
    assert parse_seeds(told["seeds"]) == parse_seeds(seeds)
    assert RunSpec(**again).words(seeds) == words
    for name in set(RunSpec.model_fields) - {"settings"}:
        assert again[name] == getattr(spec, name), name


def test_keyword_arguments_that_are_wrong_are_told() -> None:
    with pytest.raises(UserError, match=r"^run: field 'epochs' is not known"):
        clbench.run("pkd-skip-6l", epochs=1)  # type: ignore[call-arg]
    with pytest.raises(UserError, match=r"^run: field 'seeds' is not known; did you mean seed"):
        clbench.run("pkd-skip-6l", seeds="0-1")  # type: ignore[call-arg]
    with pytest.raises(UserError, match=r"^run: field 'eval_every' should be a valid integer"):
        spec_of("m", "s", {"eval_every": "often"})
    assert spec_of(Path("m"), Path("s"), {"edition": None, "labels": ["a", "b"]}) == RunSpec(
        model="m", stream="s", labels=("a", "b")
    )
