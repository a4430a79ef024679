"""Tickets against the whole model: aims, rungs and answers worked by hand, and a small real study."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from clbench.errors import UserError
from clbench.metrics import holm
from clbench.record import read_record
from clbench.schema.spec import RunSpec
from clbench.studies import tickets
from clbench.studies.tickets import (
    ARMS,
    SPARSER,
    WHOLE,
    Outcome,
    Rung,
    Settings,
    aim_of,
    ladder,
    nearest_rung,
    study,
    write,
)


def test_the_ladder_goes_from_a_fraction_of_an_epoch_to_twice_the_recipes() -> None:
    assert ladder(3) == [
        Rung(1, 0.0625), Rung(1, 0.125), Rung(1, 0.25), Rung(1, 0.5), Rung(1), Rung(2), Rung(3), Rung(6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("aim", "expected"),
    [(0.0, 0), (0.5, 0), (0.62, 2), (0.66, 3), (0.7, 3), (0.9, 7), (0.745, 4), (0.755, 5)],
)
def test_the_nearest_rung_is_found_by_halving(aim: float, expected: int) -> None:
    reached = [0.5, 0.55, 0.6, 0.7, 0.74, 0.76, 0.78, 0.8]
    rungs = ladder(3)
    asked: list[int] = []

    def validated(rung: Rung) -> float:
        asked.append(rungs.index(rung))
        return reached[asked[-1]]

    # An independent form: the nearest of all.
    assert min(range(8), key=lambda place: (abs(reached[place] - aim), place)) == expected
    assert nearest_rung(rungs, aim, validated, close=1.0) == (rungs[expected], reached[expected])
    assert len(asked) == len(set(asked)) <= 5


@pytest.mark.parametrize("aim", [0.62, 0.7, 0.77, 0.84, 0.895])
def test_between_two_rungs_the_training_is_found_that_comes_close(aim: float) -> None:
    """Of a model that learns suddenly two rungs may lie far from the aim on either side."""
    asked: dict[Rung, float] = {}

    def validated(rung: Rung) -> float:
        assert rung not in asked, "no model is trained twice"
        asked[rung] = 0.5 + 0.4 / (1 + (rung.length / 0.6) ** -4)  # from 0.5 to 0.9, half of it at 0.6 epochs
        return asked[rung]

    found = nearest_rung(ladder(3), aim, validated, close=0.01)
    assert found == min(asked.items(), key=lambda one: abs(one[1] - aim))
    assert abs(found[1] - aim) < 0.02
    assert len(asked) <= 9


def test_no_training_is_tried_beyond_the_ladder_or_where_a_rung_is_close() -> None:
    asked: list[Rung] = []

    def validated(rung: Rung) -> float:
        asked.append(rung)
        return 0.5 + 0.05 * rung.length

    for aim in (0.1, 0.55, 0.99):
        assert nearest_rung(ladder(3), aim, validated, close=0.001)[0] in ladder(3)
    assert set(asked) <= set(ladder(3))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=len(ARMS)))
def test_the_aim_is_the_weakest_models_better_training(scores: list[tuple[float, float]]) -> None:
    """Against the plain form, which trains every model twice; and no training that cannot change the aim."""
    own = dict(zip(ARMS, (first for first, _ in scores), strict=False))
    longer = dict(zip(ARMS, (second for _, second in scores), strict=False))
    trained: list[str] = []

    def validated(model: str, seed: int) -> float:
        trained.append(model)
        return longer[model]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tickets, "_base", lambda plan, model: model)
        patched.setattr(tickets, "_epochs", lambda base: 2)
        patched.setattr(tickets, "_trained", lambda base, rung: base if rung == Rung(4) else None)
        patched.setattr(tickets, "_validated", validated)
        seed, aim = aim_of(Settings(RunSpec(), (3,), 1), 3, own)
    assert (seed, aim) == (3, min(max(pair) for pair in scores))
    assert len(trained) == len(set(trained))
    weakest = min(own, key=lambda model: own[model])
    assert all(own[model] < max(own[weakest], longer[weakest]) for model in trained if model != weakest)


def lives(seeds: int, forgetting: dict[str, float], unlike: tuple[str, int] = ("", 0)) -> list[dict[str, Any]]:
    found = []
    for number, model in enumerate(ARMS):
        for seed in range(seeds):
            noise = 0.004 * ((seed * (number + 2)) % 5 - 2)
            wrong = (model, seed) == unlike
            found.append(
                {"model": model, "seed": seed, "rung": "1-epochs", "aim": 0.8, "validation": 0.75 if wrong else 0.81,
                 "equal": not wrong, "weights_left": 0.5, "in_domain_accuracy": 0.8, "in_domain_balanced_accuracy": 0.8,
                 "out_domain_accuracy": 0.6 + noise, "out_domain_balanced_accuracy": 0.6 + noise,
                 "forgetting": forgetting.get(model, 0.1) + noise, "balanced_forgetting": 0.1 + noise}
            )  # fmt: skip
    return found


def test_answers_are_paired_and_corrected() -> None:
    found = Outcome(lives(5, {"lottery-50": 0.2}, unlike=("magnitude-50", 3)))
    assert len(found.answers) == 4 * len(SPARSER)
    forgets = {one.answer.contrast: one for one in found.answers if one.answer.contrast.startswith("forgetting, ")}
    lottery = forgets["forgetting, lottery-50 minus finetune-12l"]
    assert lottery.verdict == "yes"
    assert lottery.answer.difference == pytest.approx(0.1)
    # The same test by scipy's paired form, corrected over the four models.
    p_values = []
    for model in SPARSER:
        seeds = [seed for seed in range(5) if (model, seed) != ("magnitude-50", 3)]
        one, other = (
            [
                life["forgetting"]
                for seed in seeds
                for life in found.lives
                if (life["model"], life["seed"]) == (name, seed)
            ]
            for name in (model, WHOLE)
        )
        p_values.append(float(ttest_rel(one, other).pvalue))
    assert [one.answer.p for one in forgets.values()] == pytest.approx(p_values)
    assert [one.corrected for one in forgets.values()] == pytest.approx(holm(p_values))
    assert forgets["forgetting, magnitude-50 minus finetune-12l"].answer.over == "4 seeds"
    assert [one.verdict for one in found.answers].count("not decided") == 4 * len(SPARSER) - 1
    assert "after Holm" in lottery.sentence()
    assert lottery.as_json()["verdict"] == "yes"
    assert found.left_out() == [
        "magnitude-50, seed 3, is left out of the tests: it validates at 75.0%, where all were to begin at 80.0%."
    ]


def test_a_model_that_nowhere_begins_alike_is_still_one_of_those_asked_about() -> None:
    found = lives(5, {"lottery-50": 0.2})
    for life in found:
        life["equal"] = life["model"] != "magnitude-50"
    forgets = [one for one in Outcome(found).answers if one.answer.contrast.startswith("forgetting, ")]
    assert len(forgets) == len(SPARSER) - 1
    p_values = [one.answer.p for one in forgets if one.answer.p is not None]
    assert [one.corrected for one in forgets] == pytest.approx(holm([*p_values, 1.0])[:-1])


def test_an_interval_that_excludes_zero_may_not_survive_the_correction() -> None:
    found = Outcome(lives(5, {"lottery-50": 0.1135}))
    (lottery,) = (one for one in found.answers if one.answer.contrast == "forgetting, lottery-50 minus finetune-12l")
    assert lottery.answer.p is not None
    assert lottery.corrected is not None
    assert lottery.answer.p < 0.05 < lottery.corrected
    assert lottery.answer.verdict == "yes"
    assert lottery.verdict == "not decided"
    assert lottery.sentence().startswith("Does lottery-50 forget more than finetune-12l? not decided: ")


def test_of_plain_accuracy_it_is_told_how_far_apart_they_begin() -> None:
    """Brought to the same balanced accuracy they are not to the same accuracy."""
    found = lives(5, {"prune-alternate-6l": 0.05}, unlike=("prune-alternate-6l", 3))
    for life in found:
        if life["model"] == "prune-alternate-6l":
            life["in_domain_accuracy"] = 0.1 if life["seed"] == 3 else 0.76  # seed 3 is left out
            life["out_domain_accuracy"] -= 0.07
    said = [one for one in Outcome(found).answers if one.answer.question.startswith("Does prune-alternate-6l ")]
    out, balanced, forgetting, balanced_forgetting = (one.sentence() for one in said)
    begun = "in domain, where they begin, finetune-12l minus prune-alternate-6l is +4.0 points of accuracy."
    assert out.startswith("Does prune-alternate-6l generalise worse out of domain than finetune-12l? yes: +7.")
    assert out.endswith(f" after Holm; {begun}")
    assert "in domain, where they begin, prune-alternate-6l minus finetune-12l is -4.0 points of accur" in forgetting
    assert "where they begin" not in balanced + balanced_forgetting
    # Also where nothing is tested.
    single = Outcome([life for life in found if life["seed"] == 0]).answers[SPARSER.index("prune-alternate-6l")]
    assert single.sentence().endswith(f"1 seed: fewer than three seeds decide nothing; {begun}")


def test_a_small_study_from_end_to_end(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "ARMS", (WHOLE, "magnitude-50"))
    monkeypatch.setattr(tickets, "SPARSER", ("magnitude-50",))
    settings = {"training.epochs": 1}
    spec = RunSpec(model=WHOLE, stream=str(small_stream), backbone=str(small_backbone), settings=settings)
    plan = Settings(spec, (0,), 1, tolerance=0.5)
    found = study(plan, tmp_path)
    whole, pruned = found.lives
    assert whole["aim"] == pruned["aim"] <= max(whole["validation"], pruned["validation"]) + 0.5
    assert (whole["weights_left"], pruned["weights_left"]) == (1.0, pytest.approx(0.5, abs=0.001))
    record = read_record(tmp_path / "lives" / "magnitude-50" / pruned["rung"] / "seed-0")
    assert record.figures["out_domain_accuracy"] == pruned["out_domain_accuracy"]
    assert pruned["in_domain_balanced_accuracy"] == record.history.ends.balanced[0][0]
    step = record.configuration.model["steps"][0]  # type: ignore[index]
    assert pruned["rung"].startswith(f"{step['training']['epochs']}-epochs")  # type: ignore[index,call-overload]
    assert max(record.inception[-1].validation) == pruned["validation"]
    assert {one.verdict for one in found.answers} == {"not decided"}  # one seed
    files = write(found, plan, tmp_path)
    with files[0].open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert len(json.loads(files[2].read_text())["answers"]) == 4
    text = files[1].read_text()
    assert "| magnitude-50 | 1 |" in text
    assert f"{small_stream}, None edition, naive with 1 epoch a domain, seeds 0; " in text
    assert record.configuration.strategy["training"]["epochs"] == 1  # type: ignore[index,call-overload]
    stamp = (tmp_path / "lives" / "magnitude-50" / pruned["rung"] / "seed-0" / "record.json").stat().st_mtime_ns
    assert study(plan, tmp_path).lives == found.lives
    assert (tmp_path / "lives" / "magnitude-50" / pruned["rung"] / "seed-0" / "record.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(("model", "apart"), [("lottery-50", True), ("magnitude-50", False), (WHOLE, False)])
def test_a_tickets_rounds_are_trained_as_its_recipe_says(
    model: str, apart: bool, small_stream: Path, small_backbone: Path
) -> None:
    plan = Settings(RunSpec(model=WHOLE, stream=str(small_stream), backbone=str(small_backbone)), (0,), 1)
    base = tickets._base(plan, model)
    (own,) = base.recipe.form.steps
    (short,) = tickets._trained(base, Rung(1, 0.25)).recipe.form.steps
    (same,) = tickets._trained(base, Rung(3)).recipe.form.steps
    assert own.training.epochs == 3  # type: ignore[attr-defined]
    assert short.training.epochs == 1  # type: ignore[attr-defined]
    assert short.training.learning_rate == pytest.approx(base.backbone.learning_rate / 4)  # type: ignore[attr-defined]
    assert getattr(short, "round_training", None) == (own.training if apart else None)  # type: ignore[attr-defined]
    assert getattr(same, "round_training", None) is None


@pytest.mark.parametrize("stream", ["topics-shift", "glue-shift"])
def test_what_is_out_of_domain_asks_for_one_label_space(stream: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=rf"^stream '{stream}' is .*: how a model generalises out of domain can be told"
    ):
        study(Settings(RunSpec(model=WHOLE, stream=stream), (0,), 1), tmp_path)
