"""In what two runs are said to differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clbench.record.parts import Configuration
from clbench.runs.differences import in_what
from clbench.runs.job import Job, configuration, make_job
from clbench.schema.spec import spec_of


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "finetune-12l"}, "with model finetune-12l instead of finetune-6l"),
        ({"strategy": "ewc", "eval_every": 7}, "with strategy ewc instead of naive, eval_every 7 instead of null"),
        ({"settings": {"training.epochs": "9"}}, "with strategy.training.epochs 9 instead of 3"),
        ({"settings": {"finetune.epochs": "9"}}, "with model.steps.1.training.epochs 9 instead of 3"),
        (
            {"order": "hans,snli,mnli"},
            'with stream.domains ["hans", "snli", "mnli"] instead of ["mnli", "snli", "hans"]',
        ),
        (
            {"quick": True},
            "with model.steps.1.training.epochs 1 instead of 3, another stream.editions.embedded-quick, edition "
            "embedded-quick instead of embedded and 1 more",
        ),
        ({"shift": 0.5}, "with shift 0.5 instead of 1.0"),
        ({}, "of the same settings, but with other examples, plug-ins, precision or versions"),
    ],
)
def test_the_settings_that_differ_are_named(
    small_stream: Path, small_backbone: Path, changes: dict[str, Any], told: str
) -> None:
    def asked(**changed: Any) -> Job:
        fields = {"model": "finetune-6l", "stream": str(small_stream), "backbone": str(small_backbone), **changed}
        return make_job(spec_of(fields.pop("model"), fields.pop("stream"), fields))

    there = Configuration.model_validate(configuration(asked(**changes), 0, "a"))
    assert in_what(there, asked(), 0) == told
