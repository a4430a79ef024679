"""Shipped files, changed at random: each gives a form or one sentence, soon."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clbench.errors import UserError
from clbench.schema.backbone import BackboneForm
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import FOLDERS, ROOT
from clbench.schema.strategy import override, read_strategy
from clbench.schema.stream import read_stream
from clbench.schema.sweep import read_sweep

READERS: dict[str, Callable[[Path], object]] = {
    "baselines/pkd-skip-6l": read_recipe,
    "benchmarks/streams/nli-shift": read_stream,
    "benchmarks/domains/snli": partial(read_yaml, form=Domain),
    "benchmarks/strategies/replay": read_strategy,
    "benchmarks/sweeps/board": read_sweep,
    "baselines/backbones/bert-base-uncased": partial(read_yaml, form=BackboneForm),
    "baselines/pretrain/clbench-tiny-12l": partial(read_yaml, form=Pretraining),
}
SECONDS = 10.0
# What a file may hold instead of what belongs there; some of it is no YAML, some is no value.
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just({}), st.just([]),
    st.sampled_from([10**23, -1, 0, "../x", "\x1b[31m", "\ud800", "a" * 400, {"a": 1}, [[[]]], {1: 2}, "yes", 2**62]),
    st.lists(st.sampled_from([1, "mnli", "kd-6l", {"step": "load"}]), max_size=3),
)  # fmt: skip
SNIPPETS = [
    "&a ", "*a", "!!int ", "!!binary ", "<<: ", "[", "]", "{", "}", "- ", "? ", ": ", "|", ">", "'", '"', "\\", "\n",
    "\t", "%", "---\n", "0x", "9" * 30, "2001-13-45", "\x00", "\u202e", "é", "#", "~", ".nan",
]  # fmt: skip


def read(reader: Callable[[Path], object], path: Path) -> None:
    began, said = time.process_time(), ""
    try:
        reader(path)
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 5000
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_other_text(name: str, tmp_path: Path, data: st.DataObject) -> None:
    text = (ROOT / f"{name}.yaml").read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(len(text), begin + data.draw(st.integers(0, 12)))
        text = (
            text[:begin] + data.draw(st.sampled_from(SNIPPETS)) * data.draw(st.sampled_from([1, 2, 3000])) + text[end:]
        )
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    read(READERS[name], path)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_other_values(name: str, tmp_path: Path, data: st.DataObject) -> None:
    content = yaml.safe_load((ROOT / f"{name}.yaml").read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 2))):
        place, key = data.draw(st.sampled_from(list(places(content))))
        place[key] = copy.deepcopy(data.draw(ODD))
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    read(READERS[name], path)


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every place of a value in nested lists and mappings: what holds it, and its key."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place for key, value in list(pairs) for place in [(content, key), *places(value)]]


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_other_bytes(name: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray((ROOT / f"{name}.yaml").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.yaml"
    path.write_bytes(bytes(content))
    read(READERS[name], path)


@settings(max_examples=100)
@given(st.sampled_from(["lambda", "mode", "decay", "training.epochs", "training.select"]), ODD | st.text(max_size=20))
def test_other_settings(name: str, value: Any) -> None:
    for given_value in (value, str(value), repr(value)):
        with suppress(UserError):
            assert override(read_strategy("ewc"), {name: given_value}).method == "ewc"


def test_every_kind_of_file_is_tried() -> None:
    assert {(ROOT / name).parent for name in READERS} == {*FOLDERS.values(), ROOT / "baselines" / "pretrain"}
