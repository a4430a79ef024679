"""What a record says about a life: frames and figures equal to what is computed from the raw predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from record_worlds import NAMES, TRAINED, pieces, record
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from clbench.data.pairs import Places
from clbench.metrics import metrics
from clbench.record import Record, RunParts, make_record
from clbench.record.forms import VERSION_1
from clbench.record.groups import summary


def golds(parts: dict[str, Any]) -> dict[str, np.ndarray]:
    return {info.data.name: info.data.splits["test"].labels for info in parts["domains"]}


@pytest.mark.parametrize("classes", [2, 3, 1000])
def test_the_matrix_is_sklearns(classes: int) -> None:
    parts = pieces(classes=classes)
    made, gold = make_record(RunParts(**parts)), golds(parts)
    for balanced, score in ((False, accuracy_score), (True, balanced_accuracy_score)):
        frame = made.accuracy_matrix(balanced)
        assert tuple(frame.columns) == NAMES
        assert tuple(frame.index) == TRAINED
        for point in parts["points"]:
            if point.final:
                expected = [score(gold[name], point.predictions[name]) for name in NAMES]
                assert frame.loc[point.name].tolist() == pytest.approx(expected)


def test_the_curve_tells_every_point() -> None:
    parts = pieces(inside=2)
    curve = make_record(RunParts(**parts)).anytime_curve()
    assert len(curve) == len(parts["points"]) * len(NAMES) == 28
    row = curve[(curve.step == 40) & (curve.domain == "beta")].iloc[0]
    assert (row.experience, row["name"], bool(row.final), bool(row.met)) == (2, "gamma", False, True)
    point = next(p for p in parts["points"] if p.step == 40)
    assert row.accuracy == pytest.approx(accuracy_score(golds(parts)["beta"], point.predictions["beta"]))
    assert set(curve[~curve.met].domain) == {"beta", "gamma", "delta"}
    assert curve[curve.final].step.unique().tolist() == [0, 30, 60]


def test_predictions_are_those_of_the_points() -> None:
    parts = pieces(inside=1, classes=3)
    frame = make_record(RunParts(**parts)).predictions()
    for point in parts["points"]:
        for name, gold in golds(parts).items():
            rows = frame[(frame.step == point.step) & (frame.experience == point.experience) & (frame.domain == name)]
            np.testing.assert_array_equal(rows.predicted, point.predictions[name])
            np.testing.assert_array_equal(rows.gold, gold)
            np.testing.assert_array_equal(rows.pair, np.arange(len(gold)))


def test_predictions_name_the_rows_of_the_users_file() -> None:
    parts = pieces(inside=0)
    alpha = parts["domains"][0]
    test = alpha.data.splits["test"]
    lines = np.arange(2, 2 * len(test) + 2, 2)
    placed = replace(test, places=Places("line", lines))
    data = replace(alpha.data, splits=alpha.data.splits | {"test": placed})
    parts["domains"][0] = replace(alpha, data=data)
    made = make_record(RunParts(**parts))
    frame = Record.model_validate_json(made.model_dump_json(), strict=True).predictions()
    assert frame[(frame.domain == "alpha") & (frame.experience == 1)].place.tolist() == lines.tolist()
    assert frame[frame.domain != "alpha"].place.isna().all()
    # Nothing else depends on them, and a record without them is what it was.
    assert made.test_pairs == record(inside=0).test_pairs
    assert "places" in made.model_dump(mode="json")["data"][0]
    assert "places" not in made.model_dump(mode="json")["data"][1]
    content = made.model_dump(mode="json")
    content["data"][0]["places"]["ranges"] = "1-3"
    with pytest.raises(ValidationError, match="places of alpha should be one for each test example"):
        Record.model_validate(content)


def test_figures_from_the_frames_by_hand() -> None:
    made = record(inside=2)
    frame, curve = made.accuracy_matrix(), made.anytime_curve()
    lifetime = np.mean([frame.iloc[t, : t + 1].mean() for t in range(3)])
    assert made.figures["lifetime_accuracy"] == pytest.approx(lifetime)
    anytime = curve[curve.met].groupby(["experience", "step"]).balanced_accuracy.mean().mean()
    assert made.figures["anytime_lifetime_balanced_accuracy"] == pytest.approx(anytime)
    majority = np.array([domain.majority.accuracy for domain in made.data])
    transfer = ((frame.iloc[0, 1] - majority[1]) + (frame.iloc[1, 2] - majority[2])) / 2
    assert made.figures["forward_transfer"] == pytest.approx(transfer)
    assert made.figures_again() == made.figures
    assert list(made.figures) == list(metrics())


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([2, 3, 300]), st.integers(0, 1), st.booleans())
def test_any_record_goes_through_json(seed: int, classes: int, inside: int, joint: bool) -> None:
    made = record(seed=seed, classes=classes, inside=inside, joint=joint, size=9)
    again = Record.model_validate_json(made.model_dump_json(), strict=True)
    assert again == made
    assert again.figures_again() == made.figures
    for value in made.figures.values():
        assert value is None or -1 <= value <= 1


def test_joint_meets_all_in_its_second_row() -> None:
    made = record(joint=True, inside=0)
    assert tuple(made.accuracy_matrix().index) == ("alpha", "joint")
    expected = [[True, False, False, False], [True, True, True, False]]
    np.testing.assert_array_equal(made.history.met, expected)


def test_intransigence_against_joint() -> None:
    made, joint = record(inside=1), record(joint=True, inside=0)
    mine, best = made.accuracy_matrix(), joint.accuracy_matrix().loc["joint"]
    expected = ((best["beta"] - mine.loc["beta", "beta"]) + (best["gamma"] - mine.loc["gamma", "gamma"])) / 2
    assert made.intransigence(joint) == pytest.approx(expected)
    with pytest.raises(ValueError, match="not tested on the same examples"):
        made.intransigence(record(joint=True, size=50))


def test_without_times_drops_only_what_may_differ() -> None:
    parts = pieces()
    one = make_record(RunParts(**parts))
    measured = {**parts["measured"], "started": "later", "seconds": {"life": 1.0}, "latency_ms": None, "throughput": 3}
    other = make_record(RunParts(**{**parts, "measured": {**measured, "peak_memory_bytes": 1}}))
    assert one != other
    assert one.without_times() == other.without_times()
    elsewhere = make_record(RunParts(**{**parts, "measured": {**measured, "versions": {"python": "3.12"}}}))
    assert one.without_times() != elsewhere.without_times()
    changed = make_record(RunParts(**{**parts, "cost": {**parts["cost"], "depth": 4}}))
    assert one.without_times() != changed.without_times()


def test_names_are_fit_for_a_terminal() -> None:
    parts = pieces()
    parts["configuration"]["model"] = {"name": "evil\x1b[2J"}
    parts["configuration"]["stream"] = {"title": "no name"}
    assert make_record(RunParts(**parts)).names == ("evil?[2J", "?", "naive")
    parts["configuration"]["edition"] = "evil\x1b[2J"
    with pytest.raises(ValidationError, match="printable"):
        make_record(RunParts(**parts))


def change(points: list[Any], index: int, **fields: Any) -> list[Any]:
    changed = list(points)
    changed[index] = type(points[index])(**{**vars(points[index]), **fields})
    return changed


@pytest.mark.parametrize(
    ("index", "fields", "message"),
    [
        (0, {"experience": 1}, r"points\.0 should be the final point of experience 0"),
        (0, {"final": False}, r"points\.0 should be the final point of experience 0"),
        (1, {"experience": 2}, r"points\.1\.experience should be 1, but is 2"),
        (2, {"experience": 0}, r"points\.2\.experience should be 1, but is 0"),
        (2, {"step": 3}, r"points\.2\.step and examples should not fall"),
        (2, {"examples": 3}, r"points\.2\.step and examples should not fall"),
        (3, {"met": ("beta",)}, r"points\.3\.met should hold every domain that was met before"),
        (3, {"met": ("alpha", "beta", "delta")}, r"points\.3\.met should name domains that are trained on"),
        (3, {"met": ("alpha", "beta", "beta")}, r"points\.3\.met should name domains that are trained on, each once"),
        (3, {"met": ("alpha",)}, r"points\.3\.met should name beta, which the experience trains on"),
        (0, {"met": ()}, r"points\.0\.met should name domains"),
        (-1, {"final": False}, "points should end with the final point of an experience"),
    ],
)
def test_a_life_that_cannot_be_is_refused(index: int, fields: dict[str, Any], message: str) -> None:
    parts = pieces(inside=2)
    with pytest.raises(ValidationError, match=message):
        make_record(RunParts(**{**parts, "points": change(parts["points"], index, **fields)}))


def test_predictions_for_other_pairs_are_refused() -> None:
    parts = pieces()
    short = {name: found[:-1] for name, found in parts["points"][1].predictions.items()}
    with pytest.raises(ValidationError, match=r"points\.1\.predictions should answer every test example"):
        make_record(RunParts(**{**parts, "points": change(parts["points"], 1, predictions=short)}))


def test_a_domain_named_twice_is_refused() -> None:
    parts = pieces()
    with pytest.raises(ValidationError, match="names a domain twice"):
        make_record(RunParts(**{**parts, "domains": [*parts["domains"], parts["domains"][0]]}))


def test_a_domain_without_its_test_pairs_is_refused() -> None:
    content = record().model_dump(mode="json")
    del content["data"][1]["splits"]["test"]
    with pytest.raises(
        ValidationError, match="gold of beta should hold a class of the label space for each test example"
    ):
        Record.model_validate(content)


def test_figures_of_other_names_are_kept_from_version_2_on() -> None:
    content = record().model_dump(mode="json")
    content["figures"]["accuracy_of_dreams"] = 1.0
    found = Record.model_validate(content)
    assert found.unverified() == ["accuracy_of_dreams"]
    assert list(found.all_figures()) == [*metrics(), "accuracy_of_dreams"]
    assert list(metrics())[: len(VERSION_1)] == list(VERSION_1)
    assert found.model_dump(mode="json") == content
    with pytest.raises(ValidationError, match="figures should be lifetime_accuracy, "):
        Record.model_validate(content | {"schema_version": 1})
    content["figures"]["Accuracy of dreams"] = content["figures"].pop("accuracy_of_dreams")
    with pytest.raises(ValidationError, match="pattern"):
        Record.model_validate(content)


def test_a_figure_that_is_missing_is_computed() -> None:
    content = record().model_dump(mode="json")
    told = content["figures"].pop("forgetting")
    found = Record.model_validate(content)
    assert found.all_figures()["forgetting"] == told
    assert summary([found]) == summary([record()])
    with pytest.raises(ValidationError, match="figures should be lifetime_accuracy, "):
        Record.model_validate(content | {"schema_version": 1})
