"""clbench's own pieces pass the batteries; they are found by name, with the settings of a shipped YAML file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from clbench.data.labels import Rows
from clbench.data.pairs import SPLITS
from clbench.data.sources import hub
from clbench.data.sources.generator import Generator
from clbench.metrics import METRICS
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.layer_map import LAYER_MAPS
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.shipped import FOLDERS, names
from clbench.schema.source import SOURCES, Request
from clbench.schema.step import STEPS
from clbench.schema.strategy import STRATEGIES, override, read_strategy
from clbench.schema.task_type import TASK_TYPES
from clbench.testing import (
    Check,
    layer_map_checks,
    layer_maps,
    metric_checks,
    metrics,
    source_checks,
    sources,
    step_checks,
    steps,
    strategies,
    strategy_checks,
    task_type_checks,
    task_types,
)
from clbench.testing.sources import SIZES
from clbench.testing.worlds import checkpoint_folder


@cache
def step_battery(name: str) -> list[Check]:
    """In the shipped recipe that says most about the step; one that takes a checkpoint, in a checkpoint's."""
    return step_checks(name, _checkpoint() if STEPS.get(name).takes_checkpoint else _recipe_with(name))


def _checkpoint() -> OpenRecipe:
    return read_recipe(checkpoint_folder(12, 16))


def _recipe_with(name: str) -> OpenRecipe:
    def said(recipe: OpenRecipe) -> int:
        return max((len(step.model_fields_set) for step in recipe.form.steps if step.step == name), default=0)

    found = max(map(read_recipe, names("model")), key=lambda recipe: (said(recipe), -len(recipe.form.steps)))
    assert said(found), f"no shipped recipe has the step {name}"
    return found


@cache
def strategy_battery(name: str) -> list[Check]:
    """With the settings of a shipped strategy of that method."""
    return strategy_checks(next(form for form in map(read_strategy, names("strategy")) if form.method == name))


@cache
def source_battery(name: str) -> list[Check]:
    """With the settings of a shipped domain, over generated examples where it does not make them itself."""
    source, domain = _source(name)
    classes = [one for named in source.named_classes().values() for one in named]
    request = Request(domain, (), True, SIZES, folder=_files(source) if source.reads_data_dir else None)
    return source_checks(source, tuple(dict.fromkeys(classes)), request)


def _source(name: str) -> tuple[Any, str]:
    for domain in names("domain"):
        for source in read_yaml(FOLDERS["domain"] / f"{domain}.yaml", Domain).sources().values():
            if source.kind == name:
                return source, domain
    raise AssertionError(f"no shipped domain has a source {name}")


def _published(source: Any, split: str) -> dict[str, list[Any]]:
    """Columns as the domain publishes them: texts, and each label in turn."""
    labels = [label for label, name in source.labels.items() if name is not None]
    *texts, label = source.wanted
    columns = {text: [f"{split} {place} {number}" for number in range(60)] for place, text in enumerate(texts)}
    return columns | {label: [labels[number % len(labels)] for number in range(60)]}


def _files(source: Any) -> Path:
    folder = Path(tempfile.mkdtemp())
    for split in SPLITS:
        columns = _published(source, split)
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def _fetched(domain: str, source: Any, splits: list[str]) -> tuple[dict[str, Rows], dict[str, str]]:
    """What the hub would send."""
    columns = {split: list(_published(source, split).values()) for split in splits}
    found = {
        split: Rows(split, "row", range(1, len(labels) + 1), tuple(texts), labels)
        for split, (*texts, labels) in columns.items()
    }
    return found, {"id": source.id}


def pairs_of(pieces: Iterable[str], checks: Sequence[Callable[[Any], None]]) -> Any:
    return pytest.mark.parametrize(
        ("piece", "check"), [(piece, check.__name__) for piece in pieces for check in checks]
    )


def named(battery: list[Check], name: str) -> Check:
    return next(check for check in battery if check.name == name)


@pairs_of(STEPS.all(), steps.CHECKS)
def test_steps(piece: str, check: str) -> None:
    named(step_battery(piece), check)()


@cache
def layer_map_battery(name: str) -> list[Check]:
    return layer_map_checks(name)


@pairs_of(LAYER_MAPS.all(), layer_maps.CHECKS)
def test_layer_maps(piece: str, check: str) -> None:
    named(layer_map_battery(piece), check)()


@pairs_of(STRATEGIES.all(), strategies.CHECKS)
def test_strategies(piece: str, check: str) -> None:
    named(strategy_battery(piece), check)()


@pytest.mark.parametrize("domain", ["scitail", "snli-3way", "mnli", "yelp"])
@pytest.mark.parametrize("check", ["another_shift_gives_others", "draws_test_examples_anew"])
def test_generators_of_a_stream_s_first_domain_and_of_others(domain: str, check: str) -> None:
    form = read_yaml(FOLDERS["domain"] / f"{domain}.yaml", Domain).generator
    assert isinstance(form, Generator)
    assert form.shifts == (domain not in ("mnli", "yelp"))
    named(source_checks(form, tuple(dict.fromkeys(form.classes))), check)()


@pytest.mark.parametrize(
    ("method", "settings"), [("ewc", {"mode": "online", "decay": 0.9}), ("replay", {"balance": "class"})]
)
def test_a_setting_that_changes_what_is_held_resumes_too(method: str, settings: dict[str, Any]) -> None:
    form = override(read_strategy(method), settings)
    named(strategy_checks(form), "resumes_to_the_same_bits")()


@pairs_of(METRICS.all(), metrics.CHECKS)
def test_metrics(piece: str, check: str) -> None:
    named(metric_checks(piece), check)()


@pairs_of(TASK_TYPES.all(), task_types.CHECKS)
def test_task_types(piece: str, check: str) -> None:
    named(task_type_checks(piece), check)()


@pairs_of(SOURCES.all(), sources.CHECKS)
def test_sources(piece: str, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "fetch", _fetched)
    named(source_battery(piece), check)()
