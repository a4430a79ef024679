"""Layer maps: a small real study from end to end, and questions whose answers are worked by hand."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr, ttest_rel

from clbench import run
from clbench.cli.main import main
from clbench.cli.reproduce import command
from clbench.metrics import holm
from clbench.metrics.power import seeds_to_decide
from clbench.record import read_record
from clbench.studies.layer_map_questions import any_better, contrasts, questions, rank_correlation, same_best
from clbench.studies.layer_maps import FIGURES, MAPS, Outcome

ARGUMENTS = ["layer-maps", "--maps", "skip,first,none,similar", "--depths", "6", "--strategies", "naive", "--seeds",
             "3", "--workers", "1", "--quick", "--json"]  # fmt: skip


@pytest.fixture(scope="module")
def tiny_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "tiny.yaml"
    path.write_text(
        """
name: tiny
label_space: [not_entailment, entailment]
domains: [mnli, snli]
editions:
  embedded: {source: generated, train: 48, validation: 20, test: 40, max_length: 48, backbone: clbench-tiny-12l}
"""
    )
    return path


def test_the_study_from_end_to_end_and_again(
    tiny_stream: Path, deep_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = [*ARGUMENTS, "--streams", str(tiny_stream), "--backbone", str(deep_backbone), "--out", str(out)]
    told = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).output)
    assert [(life["map"], life["seed"]) for life in told["lives"]] == [
        (name, 3) for name in ("first", "skip", "none", "similar")
    ]
    places = out / "lives" / "tiny-naive"
    for life in told["lives"]:
        record = read_record(places / f"pkd-{life['lived_as']}-6l" / f"seed-{life['seed']}")
        assert life["lifetime_accuracy"] == record.figures["lifetime_accuracy"]
        gold, said = record.data[0].gold.array(), record.points[0].predictions["mnli"].array()
        assert life["inception_accuracy"] == pytest.approx(float((gold == said).mean()))
        # Of the two experiences the first is inception.
        assert (life["inception_accuracy"] + life["later_accuracy"]) / 2 == pytest.approx(life["lifetime_accuracy"])
        chosen = record.inception[-1].details.get("choices")
        assert chosen is record.measured.choosing_seconds is None, "none of these chooses"
    similar = [life for life in told["lives"] if life["map"] == "similar"]
    assert all(life["choosing_examples"] == 48 and life["choosing_seconds"] > 0 for life in similar)
    # One pass over 48 examples, against one epoch of them with three each: a third, but for the states' products.
    assert all(1 / 3 < life["choosing_share"] < 0.36 for life in similar)
    assert len(told["questions"]) == 4
    assert len(told["tests"]) == 3 * 3  # figures by maps, in one cell
    for name in ("lives.csv", "tests.csv", "study.md", "study.json", "pareto.png", "pareto.svg"):
        assert (out / name).stat().st_size > 0
    with (out / "lives.csv").open() as file:
        assert [row["map"] for row in csv.DictReader(file)] == [life["map"] for life in told["lives"]]
    # Where `similar` chose the map of `first`, the students are the same, and one life is both's.
    assert {life["map"]: life["lived_as"] for life in told["lives"]} == {
        "first": "first", "skip": "skip", "none": "none", "similar": "first"
    }  # fmt: skip
    assert not (places / "pkd-similar-6l").exists()
    lived = read_record(places / "pkd-first-6l" / "seed-3")
    own = run("pkd-similar-6l", tiny_stream, seed=3, out=tmp_path / "own", strategy="naive", quick=True,
              backbone=str(deep_backbone), settings={"training.epochs": 1})  # fmt: skip
    assert own.inception[-1].details["choices"][0]["layers"] == [1, 2, 3, 4, 5]
    assert own.measured.choosing_seconds == round(similar[0]["choosing_seconds"], 3)
    assert own.figures == lived.figures
    assert [point.predictions for point in own.points] == [point.predictions for point in lived.points]
    # Once more, records are read, what is missing is lived again, and the answer is the same.
    before = (places / "pkd-none-6l" / "seed-3" / "record.json").read_bytes()
    (places / "pkd-first-6l" / "seed-3" / "record.json").unlink()
    again = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).output)
    assert again == told
    assert (places / "pkd-none-6l" / "seed-3" / "record.json").read_bytes() == before
    # Without the cache no student is made again for the sake of a table; one of another recipe's is.
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "emptied"))
    again = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).output)
    assert again == told
    assert not (tmp_path / "emptied" / "models").exists()
    # What is kept of another student, or of an older study, is told anew.
    kept = [out / "students" / "tiny" / f"pkd-{name}-6l" / "seed-3.json" for name in ("similar", "none")]
    similar, none = (json.loads(path.read_text()) for path in kept)
    kept[0].write_text(json.dumps(similar | {"key": "another"}))
    kept[1].write_text(json.dumps({"key": none["key"], "choosing": none["choosing"]}))
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    for path, known in zip(kept, (similar, none), strict=True):
        made = json.loads(path.read_text())
        assert (made["key"], made["weights"]) == (known["key"], known["weights"])
    assert (tmp_path / "emptied" / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--maps", "first,last"], "--maps should list skip, with which the others are compared, but is 'first,last'."),
        (["--maps", "skip,skp"], "--maps should list names of first, skip, last, none, reverse, all-to-one, random,"),
        (["--maps", "skip,skip"], "once each and with commas between, but is 'skip,skip'."),
        (["--depths", "4"], "--depths should list names of 6, 3, once each and with commas between, but is '4'."),
        (["--streams", " "], "--streams should list names, once each and with commas between, but is ' '."),
        (["--streams", "nli-shft"], "no stream is called 'nli-shft'; did you mean nli-shift"),
    ],
)
def test_mistakes_end_in_a_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["reproduce", "layer-maps", *arguments, "--out", str(tmp_path / "out")])
    assert left.value.code == 2
    assert sentence in capsys.readouterr().err


# Worked by hand -------------------------------------------------------------------------------------------------------

SKIP = [0.80, 0.81, 0.79, 0.80, 0.80]
COSTS = {name: {"choosing_flops": cost, "choosing_seconds": 1.5, "choosing_share": cost / 4e9, "choosing_examples": 0}
         for name, cost in {"skip": 0.0, "last": 0.0, "similar": 1e9, "search": 3e9}.items()}  # fmt: skip


def moved(by: float, noise: float = 0.001) -> list[float]:
    """``SKIP`` with so much more, up and down a little: a mean difference of ``by``."""
    return [value + by + noise * step for value, step in zip(SKIP, (-2, -1, 0, 1, 2), strict=True)]


def test_every_map_is_tested_against_skip_over_all_cells() -> None:
    cells = [{"skip": SKIP, "last": moved(0.001), "search": moved(0.02)}, {"skip": SKIP, "last": moved(-0.01, 0.004)}]
    found = contrasts(cells)
    assert [(number, one.map) for number, one in found] == [(0, "last"), (0, "search"), (1, "last")]
    p = [float(ttest_rel(cell[name], SKIP).pvalue) for cell in cells for name in cell if name != "skip"]
    assert [one.p for _, one in found] == pytest.approx(p)
    assert [one.adjusted for _, one in found] == pytest.approx(holm(p))
    assert {one.comparisons for _, one in found} == {3}
    differences = [a - b for a, b in zip(cells[0]["last"], SKIP, strict=True)]
    assert found[0][1].needed == seeds_to_decide(differences, level=0.05 / 3)


def test_yes_no_and_not_decided() -> None:
    better = any_better("Does it?", {"skip": SKIP, "last": moved(0.001), "search": moved(0.02)})
    assert better.verdict == "yes"
    assert better.sentence().startswith("Does it? yes: search minus skip +2.00 points, 95% interval +1.80 to +2.20, p")
    worse = any_better("Does it?", {"skip": SKIP, "last": moved(-0.03), "search": moved(-0.02)})
    assert worse.verdict == "no"
    assert "the best of the others is search minus skip -2.00 points" in worse.because
    open_ = any_better("Does it?", {"skip": SKIP, "last": moved(0.0005), "search": moved(-0.02)})
    assert open_.verdict == "not decided"
    # d = 0.0005 / 0.00158; two comparisons, so at a level of 2.5%.
    needed = seeds_to_decide([0.0005 + 0.001 * step for step in (-2, -1, 0, 1, 2)], level=0.025)
    assert open_.needed == needed
    told = "power 80% at 5% / 2, from the difference and the variance seen; of the best of so many, too few"
    assert open_.sentence().endswith(f"; {needed} seeds would decide it ({told}).")


def test_what_is_decided_leaves_no_question_open() -> None:
    """``last`` is told from ``skip`` and below it: what the others need is what is still asked, of the most of them."""
    cells = {"skip": SKIP, "last": moved(-0.003, 0.0001), "search": moved(-0.004, 0.006), "none": moved(-0.005, 0.004)}
    found = {one.map: one for _, one in contrasts([cells])}
    assert [name for name, one in found.items() if one.is_decided] == ["last"]
    asked = any_better("?", cells)
    assert "the best of the others is last minus skip -0.30" in asked.because
    assert asked.needed == found["search"].needed
    assert found["search"].needed > found["none"].needed > 5
    # Where one of them is at zero, no number is known to decide it.
    assert any_better("?", cells | {"none": SKIP}).needed is None


def test_what_the_interval_decides_alone_but_not_among_many_is_not_decided() -> None:
    """0.002 with a deviation of 0.00158 over 5 seeds: t = 2.83, p = 0.047; twice that is above 5%."""
    one = any_better("?", {"skip": SKIP, "last": moved(0.002)})
    many = any_better("?", {"skip": SKIP, "last": moved(0.002), "search": moved(-0.0001)})
    assert (one.verdict, many.verdict) == ("yes", "not decided")
    assert "p 0.047, 0.095 by Holm over 2" in many.because


def test_fewer_than_three_seeds_and_seeds_that_differ_by_the_same_decide_nothing() -> None:
    few = "fewer than three seeds decide nothing"
    for skip, last, why in (
        ([0.8], [0.9], f"1 seed: {few}"),
        ([0.8, 0.7], [0.9, 0.8], f"2 seeds: {few}"),
        ([0.8, 0.7, 0.6], [0.9, 0.8, 0.7], "3 seeds that all say the same: too few to tell"),
    ):
        found = any_better("?", {"skip": skip, "last": last})
        assert found.verdict == "not decided"
        assert found.sentence() == (
            f"? not decided: the best of the others is last minus skip +10.00 points, {why}; no number of seeds is "
            "known to decide it."
        )
    # Two whose interval is far from zero, as in the other studies: neither a map nor a rank is told from another.
    life = {name: [0.6 + place / 10, 0.6 + place / 10 + place / 1e4] for place, name in enumerate(COSTS)}
    found = any_better("?", life)
    assert found.verdict == "not decided"
    assert f"95% interval +29.82 to +30.21, 2 seeds: {few}; 3 seeds would decide it" in found.sentence()
    # Of different seeds Spearman's over ten maps is 1 - 6 x 2 / 990, where two neighbours change places in the second.
    ranked = {f"map {place}": [place / 10, place / 10] for place in range(10)}
    later = ranked | {"map 0": [0.0, 0.1], "map 1": [0.1, 0.0]}
    ranks = same_best(later, later)
    assert ranks.verdict == "not decided"
    assert f"is +0.99, 2 seeds: {few}; no number of seeds is known to decide it" in ranks.sentence()
    assert (
        f"{few}; no number"
        in same_best({n: v[:1] for n, v in ranked.items()}, {n: v[:1] for n, v in later.items()}).sentence()
    )


def test_whether_the_best_at_inception_lives_best() -> None:
    names = ["skip", "last", "similar", "search"]
    inception = {name: [0.8 + place / 100 + seed / 1000 for seed in range(3)] for place, name in enumerate(names)}
    # The order over a life: the same; two neighbours changed for seed 1; reversed.
    turns = {
        "same": [names] * 3,
        "mostly": [names, ["skip", "similar", "last", "search"], names],
        "other": [names[::-1]] * 3,
    }
    # Of the 24^3 ways to change the maps' places 24 leave all seeds alike: p is 2 x 24 / 24^3, of all ways.
    told = {
        "same": ("yes", "is +1.00, p 0.0035 by permutation, 3 seeds"),
        # Spearman's 1, and 1 - 6 x 2 / (4 x 15) = 0.8 for the two of six pairs whose life is seed 1's.
        "mostly": ("yes", "is +0.93, p "),
        "other": ("no", "is -1.00, p 0.0035 by permutation, 3 seeds"),
    }
    for case, orders in turns.items():
        life = {name: [0.7 + order.index(name) / 100 for order in orders] for name in names}
        whole = {name: [0.7, 0.6, 0.5] for name in names}  # which has inception for a part, and is not asked
        scores = {"inception_accuracy": inception, "lifetime_accuracy": whole, "later_accuracy": life}
        found = questions(scores, COSTS)[2]
        verdict, because = told[case]
        assert (found.verdict, because in found.because) == (verdict, True), found.because
    assert "best at inception is search, best after it is skip" in found.because
    # Two maps that chose the same layers are one.
    for one in (inception, life):
        one["first"] = one["similar"]
    scores = {"inception_accuracy": inception, "lifetime_accuracy": life, "later_accuracy": life}
    twice = questions(scores, COSTS | {"first": COSTS["last"]})[2]
    assert "over 4 maps" in twice.because


def test_a_student_that_is_lucky_twice_says_nothing_of_its_map() -> None:
    """Maps that do not differ: what a student has at inception it has ever after, and every seed draws it anew."""
    drawn = np.random.default_rng(1).normal(size=(40, 4, 7))
    decided = 0
    for scores in drawn:
        luck = {f"map {place}": values.tolist() for place, values in enumerate(scores.T)}
        decided += same_best(luck, luck).verdict != "not decided"
    assert decided <= 6  # 5% of 40 are 2; of a seed's own the correlation is 1 in all


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_between_seeds_by_all_permutations(ties: bool) -> None:
    """Against scipy's Spearman pair by pair, and all 6^3 ways to change three maps' places within three seeds."""
    drawn = np.random.default_rng(3)
    x, y = drawn.normal(size=(2, 3, 3)) if not ties else drawn.integers(0, 3, size=(2, 3, 3)).astype(float)
    if ties:
        x[0], x[1] = (1.0, 1.0, 1.0), (1.0, 1.0, 2.0)  # a row that is all ties correlates with nothing

    def between(orders: Sequence[Sequence[int]]) -> float:
        a, b = (np.array([row[list(order)] for row, order in zip(side, orders, strict=True)]) for side in (x, y))
        pairs = [(a[s], b[t]) for s, t in itertools.permutations(range(3), 2)]
        return float(
            np.mean([0.0 if np.ptp(u) == 0 or np.ptp(v) == 0 else spearmanr(u, v).statistic for u, v in pairs])
        )

    r, p, spread = rank_correlation(x, y)
    ways = [between(orders) for orders in itertools.product(itertools.permutations(range(3)), repeat=3)]
    above, below = (np.mean([sign * way >= sign * ways[0] - 1e-9 for way in ways]) for sign in (1, -1))
    assert (r, p, spread) == pytest.approx((ways[0], min(1.0, 2 * min(above, below)), np.std(ways)))


def test_whether_choosing_is_worth_it() -> None:
    life = {"skip": SKIP, "last": moved(0.05), "similar": moved(0.0002), "search": moved(0.02)}
    scores = {"inception_accuracy": life, "lifetime_accuracy": life, "later_accuracy": life}
    found = questions(scores, COSTS)[3]
    assert found.verdict == "yes"
    assert "the best of similar, search is search minus skip +2.00 points" in found.because
    assert found.because.endswith("for 3.00G FLOPs and 1.5 s a student, 75% of its training's FLOPs")
    free = {name: cost | {"choosing_flops": 0.0} for name, cost in COSTS.items()}
    assert questions(scores, free)[3].because == "no map that costs anything was tried"
    assert questions({name: {"skip": SKIP} for name in scores}, COSTS)[0].verdict == "not decided"


def test_tables_are_means_over_cells() -> None:
    costs = ("choosing_examples", "choosing_flops", "choosing_share", "choosing_seconds")

    def life(name: str, stream: str, seed: int, score: float) -> dict[str, Any]:
        about = {"map": name, "depth": 6, "stream": stream, "strategy": "naive", "seed": seed, "forgetting": 0.0}
        return about | dict.fromkeys(FIGURES, score) | dict.fromkeys(costs, 2 * score)

    lives = [life(name, stream, seed, 0.5 + 0.1 * (stream == "b") + 0.01 * seed)
             for name in MAPS for stream in ("a", "b") for seed in (1, 0)]  # fmt: skip
    found = Outcome(lives)
    assert found.scores("skip", "lifetime_accuracy") == pytest.approx([0.55, 0.56])
    assert found.scores("skip", "lifetime_accuracy", stream="b") == pytest.approx([0.6, 0.61])
    assert found.cost("skip", stream="a")["choosing_flops"] == pytest.approx(np.mean([1.0, 1.02]))
    assert [cell["stream"] for cell in found.cells] == ["a", "b"]
    assert found.maps == list(MAPS)
