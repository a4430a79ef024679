"""For each field of a record and a submission: there is a phrase for what holds it, and it does hold it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_worlds import measurement
from pydantic import ValidationError
from submission_worlds import facts, handed_in, honest, refitted

from clbench.board.forms import Submission
from clbench.board.holds import RECORD, SUBMISSION, fields, tables
from clbench.board.verify import verify
from clbench.errors import UserError
from clbench.record import Record
from clbench.record.forms import VERSION_1
from clbench.record.packing import Packed
from clbench.record.probabilities import PackedProbabilities

PAGE = Path(__file__).resolve().parents[2] / "docs" / "leaderboard.md"
Change = Callable[[dict[str, Any]], None]


def at(path: str, value: Any) -> Change:
    """Another value at a place; a function gives it from the one of before."""

    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        *way, last = path.split(".")
        for step in way:
            inner = inner[int(step) if isinstance(inner, list) else step]
        key: Any = int(last) if isinstance(inner, list) else last
        inner[key] = value(inner.get(key) if isinstance(inner, dict) else inner[key]) if callable(value) else value

    return change


def renamed(content: dict[str, Any]) -> None:
    """A domain of another name in all that the run left."""
    for part in ("data", "points"):
        content[part] = json.loads(json.dumps(content[part]).replace('"snli"', '"sick"'))


def swapped(packed: dict[str, Any]) -> dict[str, Any]:
    """Two labels changed for each other, so that all shares stay."""
    values = Packed(**packed).array()
    first, second = int(np.argmax(values == 0)), int(np.argmax(values == 1))
    values[[first, second]] = values[[second, first]]
    return Packed.of(values, 2).model_dump()


def answered(packed: dict[str, Any]) -> dict[str, Any]:
    values = Packed(**packed).array()
    values[:3] = 1 - values[:3]
    return Packed.of(values, 2).model_dump()


def answered_surely(content: dict[str, Any]) -> None:
    """Other predictions, and probabilities that fit them."""
    point = content["points"][1]
    point["predictions"]["snli"] = answered(point["predictions"]["snli"])
    values = PackedProbabilities(**point["probabilities"]["snli"]).array()
    values[:3] = 1 - values[:3]
    point["probabilities"]["snli"] = PackedProbabilities.of(values, 2).model_dump()


def surer(packed: dict[str, Any]) -> dict[str, Any]:
    """Of the class that is the likelier one all the same, nearer to 1."""
    values = PackedProbabilities(**packed).array()
    return PackedProbabilities.of(
        np.where(values > 0.5, (1 + values) / 2, values / 2).astype(np.float16), 2
    ).model_dump()


def placed(content: dict[str, Any], unit: str, first: int) -> None:
    domain = content["data"][0]
    domain["places"] = {"unit": unit, "ranges": f"{first}-{first + domain['gold']['count'] - 1}"}


def version_1(content: dict[str, Any]) -> None:
    del content["plugins"]
    content["figures"] = {name: content["figures"][name] for name in VERSION_1}
    content["schema_version"] = 1


more: Callable[[Any], Any] = lambda value: value + 1  # noqa: E731
less: Callable[[Any], Any] = lambda value: value - 0.01 if value > 0.5 else value + 0.01  # noqa: E731
RECORD_CHANGES: dict[str, Change] = {
    "schema_version": version_1,
    "clbench": at("clbench", "0.0.9"),
    "configuration.model": at("configuration.model.steps.1.alpha", 0.1),
    "configuration.stream": at("configuration.stream.title", "Another title"),
    "configuration.edition": at("configuration.edition", "lite"),
    "configuration.strategy": at("configuration.strategy.training.epochs", 4),
    "configuration.backbone.name": at("configuration.backbone.name", "clbench-tiny-12l-layerdrop"),
    "configuration.backbone.digest": at("configuration.backbone.digest", "ab" * 32),
    "configuration.backbone.source": at("configuration.backbone.source.licence", "MIT"),
    "configuration.backbone.learning_rate": at("configuration.backbone.learning_rate", 0.01),
    "configuration.seed": at("configuration.seed", 5),
    "configuration.eval_every": at("configuration.eval_every", 2),
    "configuration.shift": at("configuration.shift", 0.5),
    "configuration.max_length": at("configuration.max_length", 32),
    "configuration.random_baseline": at("configuration.random_baseline", False),
    "configuration.data_source": at("configuration.data_source", "folder"),
    "configuration.file_order": at("configuration.file_order", ["snli", "mnli", "hans"]),
    "configuration.budget.memory": at("configuration.budget.memory", 3),
    "configuration.budget.compute": at("configuration.budget.compute", 0.1),
    "configuration.fingerprint": at("configuration.fingerprint", "ab" * 32),
    "label_space": at("label_space", ["same", "not_same"]),
    "data.*.name": renamed,
    "data.*.evaluation_only": at("data.3.evaluation_only", lambda value: not value),
    "data.*.source": at("data.0.source.seed", 1),
    "data.*.splits.*.digest": at("data.0.splits.train.digest", "ab" * 32),
    "data.*.splits.*.size": at("data.0.splits.train.size", more),
    "data.*.gold.classes": at("data.0.gold.classes", 3),
    "data.*.gold.count": at("data.0.gold.count", more),
    "data.*.gold.base64": at("data.0.gold", swapped),
    "data.*.label_shares": at("data.0.label_shares", [0.25, 0.75]),
    "data.*.majority.accuracy": at("data.0.majority.accuracy", less),
    "data.*.majority.balanced_accuracy": at("data.0.majority.balanced_accuracy", less),
    "data.*.word_overlap.accuracy": at("data.0.word_overlap.accuracy", lambda told: told - 2 / 60),
    "data.*.word_overlap.balanced_accuracy": at("data.0.word_overlap.balanced_accuracy", lambda told: told - 2 / 40),
    "data.*.baselines.*.accuracy": at("data.0.baselines", {"mine": {"accuracy": 1.0, "balanced_accuracy": 0.5}}),
    "data.*.baselines.*.balanced_accuracy": at(
        "data.0.baselines", {"mine": {"accuracy": 0.5, "balanced_accuracy": 1.0}}
    ),
    "data.*.task_type": at("data.0.task_type", "single"),
    "data.*.classes": at("data.0.classes", [0, 1]),
    "data.*.random.accuracy": at("data.0.random.accuracy", 0.51),
    "data.*.random.balanced_accuracy": at("data.0.random.balanced_accuracy", 0.51),
    "data.*.places.unit": lambda content: placed(content, "row", 1),
    "data.*.places.ranges": lambda content: placed(content, "line", 2),
    "inception.*.name": at("inception.1.name", "finetune"),
    "inception.*.epochs": at("inception.1.epochs", more),
    "inception.*.validation": at("inception.1.validation", [0.6, 0.7, 0.8, 0.9]),
    "inception.*.layers": at("inception.0.layers", [1, 3, 5, 7, 9, 11]),
    "inception.*.details": at("inception.1.details.temperature", 7.0),
    "points.*.experience": at("points.1.experience", more),
    "points.*.name": at("points.1.name", "joint"),
    "points.*.step": at("points.1.step", more),
    "points.*.examples": at("points.1.examples", more),
    "points.*.final": at("points.1.final", False),
    "points.*.met": at("points.1.met", ["mnli", "snli", "hans"]),
    "points.*.validation": at("points.1.validation", {"snli": 0.75}),
    "points.*.predictions.*.classes": at("points.1.predictions.snli.classes", 3),
    "points.*.predictions.*.count": at("points.1.predictions.snli.count", more),
    "points.*.predictions.*.base64": answered_surely,
    "points.*.probabilities.*.classes": at("points.1.probabilities.snli.classes", 3),
    "points.*.probabilities.*.count": at("points.1.probabilities.snli.count", more),
    "points.*.probabilities.*.base64": at("points.1.probabilities.snli", surer),
    "points.*.held_bytes": at("points.1.held_bytes", 8),
    "points.*.remembered_pairs": at("points.1.remembered_pairs", 1),
    "figures": at("figures.lifetime_accuracy", less),
    **{f"cost.{name}": at(f"cost.{name}", more) for name in Record.model_fields["cost"].annotation.model_fields},  # type: ignore[union-attr]
    "measured.started": at("measured.started", "2026-02-02T00:00:00+00:00"),
    "measured.seconds": at("measured.seconds", {"life": 2.5}),
    **{
        f"measured.{name}": at(f"measured.{name}", 7)
        for name in ("latency_ms", "throughput", "peak_memory_bytes", "held_bytes", "choosing_seconds")
    },
    **{
        f"measured.hardware.{name}": at(f"measured.hardware.{name}", 7)
        for name in ("cores", "memory_bytes", "threads")
    },
    **{
        f"measured.hardware.{name}": at(f"measured.hardware.{name}", "another")
        for name in ("cpu", "device", "precision", "card", "deterministic", "micro_batch")
    },
    "measured.versions": at("measured.versions.numpy", "1.0"),
    "plugins.*.kind": at("plugins.0.kind", "step"),
    "plugins.*.piece": at("plugins.0.piece", "theirs"),
    "plugins.*.package": at("plugins.0.package", "another"),
    "plugins.*.version": at("plugins.0.version", "2"),
    "warnings.*.kind": at("warnings.0.kind", "one_class"),
    "warnings.*.domain": at("warnings.0.domain", "snli"),
    **{f"warnings.*.{name}": at(f"warnings.0.{name}", 7) for name in ("count", "total", "limit", "experience")},
    "warnings.*.names": at("warnings.0.names", ["hans", "entailment"]),
}  # fmt: skip


def measured(path: str, value: Any) -> Change:
    """A measurement of the submission's model, with another value at a place."""

    def change(content: dict[str, Any]) -> None:
        whole = measurement(stream=content["track"]["stream"], edition=content["track"]["edition"])
        for name in ("folder", "busy", "no_energy"):
            del whole[name]
        for one in whole["times"]:
            for name in ("load_s", "import_s", "share"):
                del one[name]
        at(path, value)(whole)
        content["measurements"] = [whole]

    return change


SUBMISSION_CHANGES: dict[str, Change] = {
    "schema_version": lambda content: content.update(schema_version=2),
    "clbench": at("clbench", "0.0.9"),
    "name": at("name", "another"),
    "author": at("author", "Another"),
    "link": at("link", "https://example.org/another"),
    "licence": at("licence", "MIT"),
    "track.stream": at("track.stream", "nli-shift"),
    "track.edition": at("track.edition", "lite"),
    "track.strategy": at("track.strategy", "ewc"),
    "track.budget": at("track.budget", "compute=2"),
    "model": at("model", "pkd-skip-6l"),
    "seeds": at("seeds", [1]),
    "figures.*.mean": at("figures.lifetime_accuracy.mean", less),
    "figures.*.low": at("figures.lifetime_accuracy.low", 0.1),
    "figures.*.high": at("figures.lifetime_accuracy.high", 0.99),
    "orders": at("orders", [["snli", "mnli", "hans"]]),
    "records": at("records", {"record-0.json": "ab" * 32}),
    "measurements.*.runtime": measured("runtime", "torch"),
    "measurements.*.stream": measured("stream", "nli-shift"),
    "measurements.*.edition": measured("edition", "full"),
    "measurements.*.lengths": measured("lengths.most", 65),
    "measurements.*.disk_bytes": measured("disk_bytes", 7),
    **{
        f"measurements.*.times.*.{name}": measured(f"times.0.{name}", value)
        for name, value in (
            ("threads", 2), ("p50_ms", 1.0), ("p95_ms", 7.0), ("p99_ms", 9.0), ("answers", 7), ("first_ms", 7.0),
            ("model_bytes", 7), ("peak_bytes", 7), ("joules", 7.0),
        )
    },
    **{
        f"measurements.*.machine.{name}": measured(f"machine.{name}", 7)
        for name in ("cores", "memory_bytes", "threads")
    },
    **{
        f"measurements.*.machine.{name}": measured(f"machine.{name}", "another")
        for name in ("cpu", "device", "precision", "card", "deterministic", "micro_batch")
    },
    "measurements.*.versions": measured("versions.clbench", "0.0.9"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "held", "changes"), [(Record, RECORD, RECORD_CHANGES), (Submission, SUBMISSION, SUBMISSION_CHANGES)]
)
def test_every_field_has_a_phrase_and_a_change(model: Any, held: dict[str, str], changes: dict[str, Change]) -> None:
    assert list(held) == list(fields(model))
    assert set(changes) == set(held)
    assert all(phrase and phrase == phrase.strip() and not phrase.endswith(".") for phrase in held.values())


def test_the_page_has_the_tables() -> None:
    assert tables() in PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def content(small_stream: Path) -> str:
    """A record that has something in every field: a plug-in's metric, and a warning that follows from predictions."""
    made = json.loads(honest(small_stream).model_dump_json())
    said = made["points"][-1]["predictions"]
    count = said["hans"]["count"]
    said["hans"] = Packed.of(np.zeros(count, np.uint8), 2).model_dump()
    likely = PackedProbabilities.of(np.full((count, 1), 0.25, np.float16), 2)
    made["points"][-1]["probabilities"]["hans"] = likely.model_dump()
    made["configuration"]["random_baseline"] = True
    for domain in made["data"]:
        domain["random"] = {"accuracy": 0.5, "balanced_accuracy": 0.5}
    made["measured"]["held_bytes"] = 5
    made["measured"]["choosing_seconds"] = 2.5
    for point in made["points"]:
        point["held_bytes"] = 5 if point["experience"] else 0
        point["remembered_pairs"] = 0
    made["configuration"]["budget"] = {"memory": 1000, "compute": 1.0}
    made["plugins"] = [{"kind": "metric", "piece": "mine", "package": "my-package", "version": "1"}]
    made["figures"]["mine"] = 0.5
    record = Record.model_validate_json(json.dumps(made))
    record = record.model_copy(update={"warnings": record.warnings_again()})
    assert [warning.kind for warning in record.warnings] == ["predicts_one_class"]
    return record.model_dump_json()


def problems(record: Record, folder: Path, stream: Path, change: Change | None = None) -> list[str]:
    """What is wrong with a submission of it, whoever says so: whoever hands it in, or whoever verifies it."""
    try:
        place = handed_in(folder / "board", [record])
    except UserError as error:
        return [str(error)]
    if change is not None:
        made = json.loads((place / "submission.json").read_text(encoding="utf-8"))
        change(made)
        (place / "submission.json").write_text(json.dumps(made), encoding="utf-8")
    return list(verify(place, lambda *_: facts(stream)).problems)


def test_the_record_itself_is_accepted(content: str, small_stream: Path, tmp_path: Path) -> None:
    assert problems(refitted(Record.model_validate_json(content)), tmp_path, small_stream) == []


@pytest.mark.parametrize("field", RECORD)
def test_a_changed_field_of_a_record(field: str, content: str, small_stream: Path, tmp_path: Path) -> None:
    """All figures, hashes and warnings are made to fit it; then it is refused, or it is the submitter's word."""
    made = json.loads(content)
    RECORD_CHANGES[field](made)
    if field.startswith("measured.") and isinstance(made["measured"].get(field.split(".")[1]), int):
        made["measured"][field.split(".")[1]] = 7 if field.endswith("bytes") else 7.0
    try:
        record = Record.model_validate_json(json.dumps(made))
    except ValidationError:
        found = ["its form"]
    else:
        assert record != Record.model_validate_json(content)
        if field not in ("configuration.fingerprint", "figures"):
            record = refitted(record)
        found = problems(record, tmp_path, small_stream)
    assert (not found) == RECORD[field].startswith("told"), found


@pytest.mark.parametrize("field", SUBMISSION)
def test_a_changed_field_of_a_submission(field: str, content: str, small_stream: Path, tmp_path: Path) -> None:
    record = refitted(Record.model_validate_json(content))
    found = problems(record, tmp_path, small_stream, SUBMISSION_CHANGES[field])
    assert (not found) == SUBMISSION[field].startswith("told"), found
