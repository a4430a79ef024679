"""What a strategy costs in an experience, by hand; and recall class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from record_worlds import pieces, record
from sklearn.metrics import precision_recall_fscore_support

from clbench.record import Record, RunParts, make_record
from clbench.record.effort import efforts
from clbench.record.report import as_json
from clbench.schema.strategy import STRATEGIES, Work, override, read_strategy


def under(name: str, settings: dict[str, Any] | None = None, memory: int | None = None) -> Record:
    """Three experiences of 2 training examples each; 10 steps of 16 examples in each of the latter two."""
    parts = pieces(inside=0)
    if memory is not None:
        parts["configuration"]["budget"] = {"memory": memory}
    form = override(read_strategy(name), settings or {})
    parts["configuration"]["strategy"] = form.model_dump(mode="json")
    for point, held_bytes in zip(parts["points"], (0, 7, 9), strict=True):
        object.__setattr__(point, "held_bytes", held_bytes)
    return make_record(RunParts(**parts))


F = 123_456_789  # flops of an example in record_worlds


@pytest.mark.parametrize(
    ("name", "settings", "passes"),
    [
        ("naive", {}, [0, 3 * 160, 3 * 160]),
        ("replay", {}, [0, 3 * 160, 3 * 160]),
        ("si", {}, [0, 3 * 160, 3 * 160]),
        # The Fisher information of the 2 examples of each experience.
        ("ewc", {}, [3 * 2, 3 * 160 + 3 * 2, 3 * 160 + 3 * 2]),
        # No gradient of the matrices themselves.
        ("lora", {}, [0, 2 * 160, 2 * 160]),
        ("olora", {}, [0, 2 * 160, 2 * 160]),
        # The old model reads every example.
        ("lwf", {}, [0, 4 * 160, 4 * 160]),
        # 10 steps with the gradients of the 2 remembered examples of each domain, whatever the settings would allow.
        ("agem", {"sample_size": 9}, [0, 3 * 160 + 3 * 10 * 2, 3 * 160 + 3 * 10 * 4]),
        ("gem", {}, [0, 3 * 160 + 3 * 10 * 2, 3 * 160 + 3 * 10 * 4]),
    ],
)
def test_training_flops_by_hand(name: str, settings: dict[str, Any], passes: list[int]) -> None:
    made = under(name, settings)
    found = efforts(made)
    assert [one.training_flops for one in found] == [F * count for count in passes]
    assert [one.examples for one in found] == [0, 160, 160]
    assert [(one.experience, one.name) for one in found] == [(0, "alpha"), (1, "beta"), (2, "gamma")]
    assert [one.held_bytes for one in found] == [0, 7, 9]
    frame = made.strategy_cost()
    assert frame.training_flops.tolist() == [one.training_flops for one in found]
    (run,) = as_json([made])["runs"]
    assert [one["held_bytes"] for one in run["strategy_cost"]] == [0, 7, 9]


def test_a_memory_that_a_budget_cuts_gives_fewer_gradients() -> None:
    """Room for 6 examples of 64 tokens (256 bytes) and 16 bytes: 2 of each of three domains, whatever the settings."""
    for name, settings in (("agem", {}), ("gem", {}), ("gem", {"sample_size": None})):
        made = under(name, settings, memory=6 * (4 * 64 + 16) + 15)
        assert [one.gradients for one in efforts(made)] == [0, 160 + 10 * 2, 160 + 10 * 4]
        assert [one.training_flops for one in efforts(made)] == [0, 3 * F * 180, 3 * F * 200]


def test_every_strategy_says_what_it_adds() -> None:
    for name in STRATEGIES.all():
        form = read_strategy(name)
        added = [form.passes(Work(t, 100, 300, 20, (100,) * t)) for t in range(4)]
        assert all(np.isfinite(added)), name
        assert min(added) >= 0, name


def test_a_sample_smaller_than_its_domains_takes_no_gradients() -> None:
    """No run has such a sample, but a record that somebody else made may say so."""
    form = read_strategy("agem").model_copy(update={"sample_size": 2})
    assert form.gradients(Work(3, 100, 100, 10, (48, 48, 48))) == 0
    assert form.gradients(Work(2, 100, 100, 10, (48, 0))) == 10 * 1


def test_a_strategy_that_is_not_installed_is_not_counted() -> None:
    parts = pieces(inside=0)
    parts["configuration"]["strategy"] = {"name": "mine", "method": "mine", "training": {}}
    found = efforts(make_record(RunParts(**parts)))
    assert [one.training_flops for one in found] == [None, None, None]
    assert [one.held_bytes for one in found] == [None, None, None]
    assert [one.examples for one in found] == [0, 160, 160]


@pytest.mark.parametrize("classes", [2, 5])
def test_recall_class_by_class_is_sklearns(classes: int) -> None:
    parts = pieces(classes=classes)
    made = make_record(RunParts(**parts))
    frame = made.per_class()
    assert list(frame.columns) == ["experience", "name", "domain", "class", "recall", "support"]
    for point in (one for one in parts["points"] if one.final):
        for info in parts["domains"]:
            gold = info.data.splits["test"].labels
            _, recall, _, support = precision_recall_fscore_support(
                gold, point.predictions[info.data.name], labels=range(classes), zero_division=0
            )
            rows = frame[(frame.experience == point.experience) & (frame.domain == info.data.name)]
            assert rows["class"].tolist() == [f"class-{c}" for c in range(classes)]
            assert rows.recall.tolist() == pytest.approx(recall.tolist())
            assert rows.support.tolist() == support.tolist()
    # Its mean is the balanced accuracy.
    means = frame.groupby(["experience", "domain"]).recall.mean()
    assert means[2, "beta"] == pytest.approx(made.accuracy_matrix(balanced=True).loc["gamma", "beta"])
    told = as_json([made])["runs"][0]["per_class"]["gamma"]["beta"]["class-1"]
    row = frame[(frame.experience == 2) & (frame.domain == "beta") & (frame["class"] == "class-1")].iloc[0]
    assert told == {"recall": row.recall, "support": row.support}


def test_a_class_that_a_domain_lacks_has_no_row() -> None:
    parts = pieces(classes=3, inside=0)
    gold = parts["domains"][1].data.splits["test"].labels
    gold[gold == 2] = 1
    frame = make_record(RunParts(**parts)).per_class()
    assert set(frame[frame.domain == "beta"]["class"]) == {"class-0", "class-1"}
    assert set(record(classes=3).per_class()["class"]) == {"class-0", "class-1", "class-2"}
