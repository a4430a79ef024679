"""The tests of every two models: figures that are the records', corrections, seeds, and what may be said."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compare_worlds import life_of, written

from clbench.comparison import Comparison, Model, compare, read_models, report
from clbench.metrics import holm, lifetime_bootstrap, mcnemar
from clbench.record import Record, pair_shares
from clbench.record.packing import Packed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compared")
    written(place / "kd", "kd-6l", (0, 1, 2), size=200)
    written(place / "worse", "worse-6l", (0, 2, 3), size=200, worse=0.15)
    written(place / "lone", "lone-6l", (7,), size=200)
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> Comparison:
    return compare(read_models([folder / name for name in ("kd", "worse", "lone")]), resamples=2000)


def test_differences_are_those_of_the_figures(found: Comparison, folder: Path) -> None:
    for balanced, name in ((False, "lifetime_accuracy"), (True, "lifetime_balanced_accuracy")):
        again = compare(found.models, balanced=balanced, resamples=50)
        for pair in again.pairs:
            means = [again.figures[place][name].mean for place in (pair.first, pair.second)]  # type: ignore[union-attr]
            assert pair.difference.value == pytest.approx(means[0] - means[1], abs=1e-12)
            assert pair.by_t.value == pytest.approx(means[0] - means[1], abs=1e-12)
    for model, figures in zip(found.models, found.figures, strict=True):
        told = [record.figures["forgetting"] for record in model.records]
        assert figures["forgetting"].mean == pytest.approx(np.mean(told))  # type: ignore[union-attr, arg-type]


def test_what_is_worse_is_found_worse(found: Comparison) -> None:
    words = {(pair.first, pair.second): pair.word for pair in found.pairs}
    assert words == {(0, 1): "better", (0, 2): "not decided", (1, 2): "worse"}


@pytest.mark.parametrize(
    ("adjusted", "error", "by_t", "word"),
    [
        (0.0400, 0.0010, 0.90, "better"),  # no other resamples would have put it above
        (0.0499, 0.0010, 0.06, "not decided"),
        (0.0499, 0.0010, 0.04, "better"),
        (0.0500, 0.0010, 0.04, "not decided"),
        (0.0600, 0.0100, 0.01, "not decided"),
    ],
)
def test_near_the_level_students_t_has_to_agree(
    found: Comparison, adjusted: float, error: float, by_t: float, word: str
) -> None:
    assert replace(found.pairs[0], adjusted=adjusted, error=error, by_t_adjusted=by_t).word == word


def test_the_error_is_that_of_other_resamples(found: Comparison) -> None:
    """By doing it: the spread of p over seeds of the draws."""
    shares = [pair_shares(model.records) for model in found.models]
    ps = [lifetime_bootstrap(shares, resamples=2000, seed=seed)[0, 2].p for seed in range(40)]
    pair = next(pair for pair in found.pairs if (pair.first, pair.second) == (0, 2))
    once = pair.error * pair.difference.p / pair.adjusted
    assert once == pytest.approx(np.std(ps, ddof=1), rel=0.6)


def test_each_test_is_corrected_over_all_pairs(found: Comparison) -> None:
    assert [pair.adjusted for pair in found.pairs] == holm([pair.difference.p for pair in found.pairs])
    assert [pair.by_t_adjusted for pair in found.pairs] == holm([pair.by_t.p for pair in found.pairs])
    assert [pair.mcnemar_adjusted for pair in found.pairs] == holm([pair.mcnemar[0].p_mid for pair in found.pairs])


def test_mcnemar_is_seed_by_seed_on_the_last_predictions(found: Comparison) -> None:
    assert [pair.seeds for pair in found.pairs] == [((0, 0), (2, 2)), ((0, 7),), ((0, 7),)]
    one, other = found.models[0].records[2], found.models[1].records[1]  # seed 2 of both
    rows = []
    for domain in ("alpha", "beta", "gamma"):  # delta is never met
        frames = [record.predictions() for record in (one, other)]
        last = [f[(f["domain"] == domain) & (f["step"] == f["step"].max())] for f in frames]
        rows.append(np.stack([last[0]["gold"], last[0]["predicted"], last[1]["predicted"]]))
    gold, mine, theirs = np.concatenate(rows, axis=1)
    assert found.pairs[0].mcnemar[1] == mcnemar(gold, mine, theirs)


def test_resamples_grow_with_the_comparisons(found: Comparison) -> None:
    """No p is below 2 / (B + 1), so that times the number of comparisons has to stay far below the level."""
    one = found.models[0]
    assert compare([one, found.models[2]]).resamples == 10_000
    many = compare([one] * 6)
    assert many.resamples == 15_000
    assert all(pair.word == "not decided" for pair in many.pairs)


def test_the_order_of_models_turns_the_words(found: Comparison) -> None:
    turned = compare(found.models[1::-1], resamples=500)
    (pair,) = turned.pairs
    assert pair.word == "worse"
    assert pair.difference.value == pytest.approx(-found.pairs[0].difference.value)


def turned_wrong(record: Record, name: str, points: list[int], examples: np.ndarray) -> Record:
    """Another model, with alpha's answers to these examples, all right, turned wrong at these points."""
    content = record.model_dump(mode="json")
    for point in points:
        said = record.points[point].predictions["alpha"].array().copy()
        said[examples] ^= 1
        content["points"][point]["predictions"]["alpha"] = Packed.of(said, 2).model_dump()
    content["configuration"]["model"]["name"] = name
    return Record.model_validate(content)


def always_right(record: Record) -> np.ndarray:
    """Places of alpha's examples that are right at the end of each experience."""
    return np.flatnonzero(record.right()[0].all(axis=0))


def few_apart(tmp_path: Path, turned: int) -> Comparison:
    """A model against itself with so many of alpha's last answers, all right, turned wrong."""
    record = life_of("kd-6l", 0, size=200)
    other = turned_wrong(record, "other-6l", [-1], always_right(record)[:turned])
    models = [Model(name, (one,), (tmp_path,)) for name, one in (("kd-6l", record), ("other-6l", other))]
    return compare(models, resamples=2000)


@pytest.mark.parametrize("turned", [0, 1, 5, 6])
def test_too_few_pairs_decide_nothing(tmp_path: Path, turned: int) -> None:
    found = few_apart(tmp_path, turned)
    (pair,) = found.pairs
    assert pair.difference.pairs == turned
    # All differing examples are of one sign: 2^(1 - m), and 1 where there are none.
    assert pair.adjusted == pytest.approx(2.0 ** -max(0, turned - 1))
    assert pair.word == ("better" if turned == 6 else "not decided")
    assert pair.too_few == (turned < 6)
    (row,) = report.page_tables(found)[1].rows
    told = f"not decided: too few examples, they differ on {turned}" if turned < 6 else "better"
    assert row[-1] == told
    json_pair = report.as_json(found)["pairs"][0]
    assert (json_pair["first_is"], json_pair["too_few_pairs"]) == (pair.word, turned < 6)
    table = report.page_tables(found)[1]
    assert ("fewer than 6" in table.note) == (turned < 6)
    # The long sentence may break into lines, as numbers may not.
    assert (5 in table.text) == (turned < 6)


def test_few_examples_that_weigh_much_are_told_by_their_weight(tmp_path: Path) -> None:
    """One model is wrong on 3 examples at every end, the other on 20 at the last: 23 differ, which come to 4.4."""
    record = life_of("kd-6l", 0, size=200)
    right = always_right(record)
    ends = [place for place, point in enumerate(record.points) if point.final]
    models = [
        Model("one", (turned_wrong(record, "one", ends, right[:3]),), (tmp_path,)),
        Model("other", (turned_wrong(record, "other", ends[-1:], right[3:23]),), (tmp_path,)),
    ]
    found = compare(models, resamples=2000)
    (pair,) = found.pairs
    heavy, light = (1 + 1 / 2 + 1 / 3) / 3, 1 / 9
    assert pair.difference.effective_pairs == pytest.approx(
        (3 * heavy**2 + 20 * light**2) ** 2 / (3 * heavy**4 + 20 * light**4)
    )
    assert (pair.word, pair.difference.pairs, pair.too_few) == ("not decided", 23, True)
    table = report.page_tables(found)[1]
    assert table.rows[0][-1] == "not decided: too few examples, they differ on 23 (4.4 of equal weight)"
    assert "come to fewer than 6 of equal weight, and 5 of these decide nothing at 5%." in table.note
    _, pairs_file = report.write_csv(found, tmp_path / "table.csv")
    (row,) = csv.DictReader(pairs_file.open())
    assert (row["differing_pairs"], float(row["effective_pairs"])) == ("23", pair.difference.effective_pairs)


def test_fewer_than_six_are_never_printed_as_six(tmp_path: Path) -> None:
    found = few_apart(tmp_path, 5)
    (pair,) = found.pairs
    nearly = replace(pair, difference=replace(pair.difference, pairs=30, effective_pairs=5.97))
    (row,) = report.page_tables(replace(found, pairs=(nearly,)))[1].rows
    assert row[-1] == "not decided: too few examples, they differ on 30 (5.9 of equal weight)"
