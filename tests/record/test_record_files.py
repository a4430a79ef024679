"""Records on disk: whole or not at all, the same bytes, and nothing believed that is damaged or forged."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from record_worlds import pieces, record

import clbench
from clbench.errors import UserError
from clbench.record import (
    RunParts,
    hardware,
    json_schema,
    make_record,
    read_record,
    versions,
    write_record,
)


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def rewritten(path: Path, changed: dict[str, Any]) -> Path:
    path.write_text(json.dumps(changed), encoding="utf-8")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = record(classes=3)
    path = write_record(tmp_path / "new" / "run", made)
    assert path == tmp_path / "new" / "run" / "record.json"
    assert read_record(path) == read_record(path.parent) == read_record(str(path)) == made
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]
    assert clbench.read_record(path) == made


def test_equal_runs_are_equal_bytes(tmp_path: Path) -> None:
    one, two = write_record(tmp_path / "1", record()), write_record(tmp_path / "2", record())
    assert one.read_bytes() == two.read_bytes()
    again = write_record(tmp_path / "3", read_record(one))
    assert one.read_bytes() == again.read_bytes()


def test_a_record_is_small(tmp_path: Path) -> None:
    """A thousand examples a prediction take 168 characters: 1000 bits in base64."""
    made = record(size=1000, inside=0)
    assert len(made.points[0].predictions["alpha"].base64) == 168
    assert write_record(tmp_path, made).stat().st_size < 10_000


MAY_BE_LEFT_OUT = {
    "warnings", "places", "plugins", "learning_rate", "word_overlap", "baselines", "task_type", "classes", "device",
    "precision", "card", "deterministic", "micro_batch", "file_order", "probabilities", "held_bytes", "random",
    "random_baseline", "choosing_seconds", "budget", "remembered_pairs", "memory", "compute",
}  # fmt: skip


def test_the_schema_describes_what_is_written(tmp_path: Path) -> None:
    """Every object of the file, followed down the schema: its keys are the properties, and no others are allowed."""
    schema = json.loads(json.dumps(json_schema(), allow_nan=False))

    def follow(value: Any, form: dict[str, Any]) -> int:
        if "$ref" in form:
            form = schema["$defs"][form["$ref"].removeprefix("#/$defs/")]
        if isinstance(value, list):
            return sum(follow(item, form["items"]) for item in value) if "items" in form else 0
        # Any JSON is allowed there; or one of several, of which a null is one.
        if not isinstance(value, dict) or form == {}:
            return 0
        if "anyOf" in form:
            return follow(value, next(one for one in form["anyOf"] if one != {"type": "null"}))
        if "properties" not in form:
            (inner,) = form.get("patternProperties", {"": form.get("additionalProperties")}).values()
            return sum(follow(item, inner) for item in value.values())
        # What a record has none of, it leaves out, as records did that were written before there was such a field.
        assert set(form["properties"]) - set(value) <= MAY_BE_LEFT_OUT
        assert list(value) == [name for name in form["properties"] if name in value]
        assert form["additionalProperties"] is False
        return 1 + sum(follow(item, form["properties"][name]) for name, item in value.items())

    # record, configuration, backbone, 4 domains of 4 parts (gold, two baselines, themselves) and 11 splits, 2 steps,
    # 7 points of 4 predictions, cost, measured, hardware
    assert follow(content(write_record(tmp_path, record())), schema) == 3 + 4 * 4 + 11 + 2 + 7 * 5 + 3


def test_a_full_disk_leaves_the_record_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_record(tmp_path, record(seed=1))

    def fails(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(UserError, match=r"record\.json cannot be written: No space left on device; free the disk"):
        write_record(tmp_path, record(seed=2))
    assert read_record(path).configuration.seed == 1
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written: "):
        write_record(tmp_path / "file", record())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_record(tmp_path_factory.mktemp("record"), record()).read_bytes()


@settings(max_examples=40)
@given(place=st.floats(0, 1, exclude_max=True))
@example(place=0.75)  # within a number
@example(place=0.0)
def test_a_record_that_is_cut_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, written: bytes, place: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "record.json"
    # The last byte is a newline, without which the record is whole.
    path.write_bytes(written[: int(place * (len(written) - 1))])
    with pytest.raises(UserError, match=r"record\.json is cut short: it ends in line \d+"):
        read_record(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "is not JSON: .* in line 1"),
        ("{'a': 1}", "is not JSON: .* in line 1"),
        ("[1, 2]", "should hold a JSON object, but holds a list"),
        ('{"schema_version": 3}', "field 'schema_version' should be 1 or 2, but is 3; use the version of clbench"),
        ('{"schema_version": 1}', "field 'clbench' is missing"),
        ("{}", "field 'schema_version' is missing"),
        ('{"schema_version": NaN}', "holds NaN, not a valid number in a record"),
        ('{"figures": {"forgetting": -Infinity}}', "holds -Infinity"),
        ('{"figures": {"forgetting": 1e999}}', "holds 1e999"),
        ("[" * 200_000, "is not a record: |is cut short"),
        ('{"a": ' + "9" * 5000 + "}", "is not a record: Exceeds the limit"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"record\.json:? " + f"({message})"):
        read_record(path)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"nothing/record\.json|nothing does not exist"):
        read_record(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"record\.json does not exist; give the folder of a finished run"):
        read_record(tmp_path)
    (tmp_path / "record.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        read_record(tmp_path)
    with pytest.raises(UserError, match="cannot be read: Not a directory"):
        read_record(tmp_path / "record.json" / "record.json")
    monkeypatch.setattr("clbench.record.files._LARGEST", 2)
    with pytest.raises(UserError, match="is larger than"):
        read_record(tmp_path)


def at(tree: Any, keys: list[Any]) -> Any:
    for key in keys:
        tree = tree[key]
    return tree


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["configuration", "seed"], "1", r"field 'configuration\.seed' should be a valid integer, but is '1'"),
        (["configuration", "sead"], 1, r"field 'configuration\.sead' is not known; did you mean seed"),
        (["cost", "depth"], -1, r"field 'cost\.depth' should be greater than or equal to 0"),
        (["data", 0, "gold", "count"], 3, r"field 'data\.0\.gold': base64 should hold 1 bytes"),
        (["points", 1, "experience"], 7, r"points\.1\.experience should be 1, but is 7"),
        (["points", 1, "predictions", "beta", "classes"], 3, r"field 'points\.1\.predictions\.beta': base64"),
        (["measured", "hardware", "cpu"], None, r"field 'measured\.hardware\.cpu' should be a valid string"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, keys: list[Any], value: Any, message: str) -> None:
    changed = content(write_record(tmp_path, record()))
    at(changed, keys[:-1])[keys[-1]] = value
    with pytest.raises(UserError, match=r"record\.json: " + message):
        read_record(rewritten(tmp_path / "record.json", changed))


@settings(max_examples=25)
@given(data=st.data())
def test_any_forged_figure_is_found(
    tmp_path_factory: pytest.TempPathFactory, written: bytes, data: st.DataObject
) -> None:
    changed = json.loads(written)
    name = data.draw(st.sampled_from(sorted(changed["figures"])))
    now = changed["figures"][name]  # None of a record without probabilities
    told = data.draw(
        st.floats(-1, 1) if now is None else st.none() | st.floats(-1, 1).filter(lambda x: abs(x - now) > 1e-8)
    )
    changed["figures"][name] = told
    path = rewritten(tmp_path_factory.mktemp("forged") / "record.json", changed)
    with pytest.raises(UserError, match=rf"field 'figures\.{name}' is .*, but the predictions and labels in it give"):
        read_record(path)
    assert read_record(path, check=False).figures[name] == told


def test_a_figure_that_is_not_defined_cannot_be_claimed(tmp_path: Path) -> None:
    parts = pieces()
    path = write_record(tmp_path, make_record(RunParts(**{**parts, "points": parts["points"][:1]})))
    changed = content(path)
    assert changed["figures"]["forgetting"] is None
    changed["figures"]["forgetting"] = 0.0
    with pytest.raises(UserError, match=r"field 'figures\.forgetting' is 0\.0, but .* give None"):
        read_record(rewritten(path, changed))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["data", 1, "label_shares"], [0.5, 0.5], r"field 'data\.1\.label_shares' is \(0\.5, 0\.5\), but"),
        (["data", 1, "label_shares"], [1.0], r"field 'data\.1\.label_shares' is \(1\.0,\), but"),
        (["data", 2, "majority", "accuracy"], 0.1, r"field 'data\.2\.majority\.accuracy' is 0\.1, but .* one of"),
    ],
)
def test_forged_baselines_are_found(tmp_path: Path, keys: list[Any], value: Any, message: str) -> None:
    changed = content(write_record(tmp_path, record()))
    at(changed, keys[:-1])[keys[-1]] = value
    with pytest.raises(UserError, match=message):
        read_record(rewritten(tmp_path / "record.json", changed))


def test_turned_predictions_are_found(tmp_path: Path) -> None:
    """Better predictions without the figures that belong to them."""
    changed = content(write_record(tmp_path, record()))
    changed["points"][-1]["predictions"]["alpha"] = changed["data"][0]["gold"]
    with pytest.raises(UserError, match=r"field 'figures\.lifetime_accuracy'"):
        read_record(rewritten(tmp_path / "record.json", changed))


def test_where_a_run_took_place(monkeypatch: pytest.MonkeyPatch) -> None:
    found = hardware()
    assert found.cpu
    assert found.cores == os.cpu_count()
    assert found.memory_bytes is not None
    assert found.memory_bytes > 2**20
    told = versions()
    assert told["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert told["clbench"] == clbench.__version__
    assert {"torch", "transformers", "avalanche-lib", "datasets", "tokenizers", "numpy"} <= set(told)

    def fails() -> None:
        raise RuntimeError("no such tool")

    monkeypatch.setattr("cpuinfo.get_cpu_info", fails)
    assert hardware().cpu
