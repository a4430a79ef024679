"""Bands and axes of scores, and what is chosen of many lines: degenerate lives have to be drawn sensibly too."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_worlds import life_of
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from record_worlds import record

from clbench.metrics import mean_interval
from clbench.metrics.format import fixed
from clbench.plots import (
    Curves,
    Overlay,
    depth_curve,
    forgetting_curve,
    gradient_table,
    overlay,
    overlay_page,
    overlay_picture,
    overlay_terminal,
    pretraining_curve,
    terminal_curve,
)  # fmt: skip
from clbench.plots.page import specification
from clbench.plots.scores import MAJORITY, MOST, named_twins, over_seeds, score_limits, standing_out

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(SCORES)
def test_bands_stay_within_scores_and_their_halves_do_not(seeds: list[float]) -> None:
    band = over_seeds(np.array([seeds]).T)
    assert 0 <= band.low[0] <= band.mean[0] + 1e-12
    assert band.mean[0] - 1e-12 <= band.high[0] <= 1
    # What is written beside a mean is the interval's own half width, not what is left of it.
    assert band.half[0] == (mean_interval(seeds).half_width or 0.0)


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=8))
def test_axes_hold_what_is_drawn_and_little_else(values: list[float]) -> None:
    low, high = score_limits(np.array(values))
    assert -0.02 <= low < high <= 1.02
    assert high - low > 0.06
    known = [value for value in values if np.isfinite(value)]
    assert all(low <= value <= high for value in known)
    if known:
        assert high - low <= max(0.1, 1.1 * (max(known) - min(known))) + 1e-9


def test_of_many_the_best_stand_out() -> None:
    assert standing_out([0.1] * MOST) == tuple(range(MOST))
    assert standing_out([0.5, float("nan"), 0.9, 0.5, 0.1], most=2) == (0, 2)
    assert len(standing_out(list(np.linspace(0, 1, 30)))) == MOST


def test_lines_that_coincide_are_named() -> None:
    one, other = np.array([0.5, np.nan]), np.array([0.5, 0.6])
    assert named_twins(["a", "b", "c"], [one, other, one.copy()]) == ["a", "b", "c (same as a)"]


def made_up(models: int, domains: int, experiences: int = 3, seeds: int = 3, score: float | None = None) -> Overlay:
    """Models whose scores spread widely over their seeds, so that whole intervals go beyond 0 and 1."""
    rng = np.random.default_rng(0)
    shape = (seeds, experiences, domains)
    scores = [rng.random(shape) if score is None else np.full(shape, score) for _ in range(models)]
    met = np.array([[d <= t for d in range(domains)] for t in range(experiences)])
    return Overlay(
        title="made up",
        names=tuple(f"model-{number}" for number in range(models)),
        domains=tuple(f"domain-{d}" for d in range(domains)),
        evaluation_only=tuple(d >= experiences for d in range(domains)),
        experiences=tuple(f"domain-{t}" for t in range(experiences)),
        met=met,
        accuracy=tuple(scores),
        balanced=tuple(scores),
        majority=np.full(domains, 0.6),
        majority_balanced=np.full(domains, 0.5),
    )


def life(domains: int, experiences: int = 3, seeds: int = 3, score: float | None = None) -> Curves:
    drawn = made_up(1, domains, experiences, seeds, score)
    return Curves(
        title="made up", domains=drawn.domains, evaluation_only=drawn.evaluation_only, experiences=drawn.experiences,
        x=np.arange(experiences, dtype=float), accuracy=drawn.accuracy[0], balanced=drawn.balanced[0], met=drawn.met,
        final=np.full(experiences, True), majority=drawn.majority, majority_balanced=drawn.majority_balanced,
    )  # fmt: skip


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were drawn, not saved: what they hold can be asked, and no pixel is needed."""
    figures: list[Figure] = []
    for module in ("picture", "overlay", "depths", "pretraining"):
        # By sys.modules: clbench.plots.overlay is the function.
        place = sys.modules[f"clbench.plots.{module}"]
        monkeypatch.setattr(place, "save", lambda figure, files: figures.append(figure))
    return figures


def check(figure: Figure, majority: bool = True) -> None:
    """Axes and bands of every panel within scores; ticks from 0 to 1; the baseline dashed, labelled once."""
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert -0.02 <= low < high <= 1.02
        assert all(-1e-9 <= tick <= 1 + 1e-9 for tick in axes.get_yticks())
        assert len(axes.get_yticks()) >= 2
        for shade in axes.collections:
            for path in shade.get_paths():
                assert path.vertices[:, 1].min() >= 0
                assert path.vertices[:, 1].max() <= 1
                assert low <= path.vertices[:, 1].min()
                assert path.vertices[:, 1].max() <= high
        if majority:
            assert any(line.is_dashed() and len(set(line.get_xdata())) >= 2 for line in axes.get_lines())
    if majority:
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()].count(MAJORITY) == 1


@pytest.mark.parametrize(
    ("models", "domains", "experiences", "seeds", "score"),
    [(2, 3, 3, 3, None), (1, 1, 1, 1, 1.0), (2, 2, 1, 3, None), (1, 2, 2, 2, 0.0), (7, 1, 2, 1, 0.5),
     (9, 3, 2, 2, None)],
)  # fmt: skip
def test_overlays_of_any_shape(
    kept: list[Figure], models: int, domains: int, experiences: int, seeds: int, score: float | None
) -> None:
    drawn = made_up(models, domains, experiences, seeds, score)
    overlay_picture(drawn, Path("x"))
    check(kept[0])
    # Of more than six, six are in colour and all have a panel of their own.
    assert len(kept[0].axes) == 2 + domains + (models if models > MOST else 0)
    (legend,) = kept[0].legends
    assert len(legend.get_texts()) == min(models, MOST) + 1 + (models > MOST)
    coloured = {line.get_color() for line in kept[0].axes[0].get_lines() if line.get_marker() not in ("None", ".")}
    assert len(coloured) == min(models, MOST)
    lines = [line for line in kept[0].axes[0].get_lines() if line.get_label() != MAJORITY]
    assert len(lines) == models


@pytest.mark.parametrize(
    ("domains", "experiences", "seeds", "score"),
    [(3, 3, 3, None), (1, 1, 1, 1.0), (4, 1, 3, 0.0), (2, 3, 2, 0.5), (9, 3, 3, None), (12, 1, 1, 1.0)],
)
def test_forgetting_curves_of_any_shape(
    kept: list[Figure], monkeypatch: pytest.MonkeyPatch, domains: int, experiences: int, seeds: int, score: float | None
) -> None:
    monkeypatch.setattr("clbench.plots.picture.curves", lambda records: life(domains, experiences, seeds, score))
    forgetting_curve([], Path("x"))
    check(kept[0])
    assert len(kept[0].axes) == 2 + (domains if domains > MOST else 0)


def test_the_majority_is_the_records(kept: list[Figure]) -> None:
    made = record(inside=0)
    forgetting_curve([made], Path("x"))
    (line,) = (line for line in kept[0].axes[0].get_lines() if line.get_label() == MAJORITY)
    shares = [domain.majority.accuracy for domain in made.data]
    expected = [shares[0], np.mean(shares[:2]), np.mean(shares[:3])]
    assert list(line.get_ydata())[1:-1] == pytest.approx(expected)


@pytest.mark.filterwarnings("error")
def test_studies_and_pre_training_of_any_shape(kept: list[Figure], tmp_path: Path) -> None:
    spread = {"neither": np.array([[0.99, 0.0], [0.5, 0.1]]), "both": np.ones((1, 2))}
    depth_curve(
        (2, 1), spread, {name: np.ones_like(scores) for name, scores in spread.items()}, (0.6, 0.5), "t", Path("x")
    )
    check(kept[0], majority=False)
    pretraining_curve([{"step": 1, "hidden": 0.0, "held_out_accuracy_2": 1.0}], "t", Path("x"))
    assert kept[1].axes[1].get_ylim() == (0.95, 1.02)
    assert kept[1].axes[1].get_lines()[0].get_marker() == "."
    gradient_table((["a"], [["x"], ["y"]], [[float("nan")], [1.0]]), "t", tmp_path / "t.png")


def drawn_axis(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"^ *(-?[\d.]+)┤", text, re.MULTILINE)]


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_the_terminals_axis_holds_scores_alone(monkeypatch: pytest.MonkeyPatch, score: float) -> None:
    monkeypatch.setattr("clbench.plots.terminal.curves", lambda records: life(2, 3, 2, score))
    for text in (terminal_curve([], colour=False), overlay_terminal(made_up(2, 2, 3, 2, score), colour=False)):
        ticks = drawn_axis(text)
        assert len(ticks) >= 2
        assert 0 <= min(ticks) < max(ticks) <= 1
        assert f"· {MAJORITY}" in text


def test_many_lines_in_the_terminal_have_a_row_each(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = made_up(30, 3)
    for width in (30, 80, 110):
        lines = overlay_terminal(drawn, width=width, colour=False).split("\n")
        assert max(map(len, lines)) <= width
        rows = [line.split()[0] for line in lines if line.startswith("model-")]
        worth = dict(zip(drawn.names, drawn.lifetimes(True), strict=True))
        assert rows == sorted(drawn.names, key=lambda name: -worth[name])
        assert lines[-1].startswith(MAJORITY)
    monkeypatch.setattr("clbench.plots.terminal.curves", lambda records: life(12, 3))
    plain = terminal_curve([], width=80, colour=False)
    coloured = terminal_curve([], width=80, colour=True)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain
    lines = [line for line in plain.split("\n") if line.startswith("domain-")]
    assert [line.split()[0].rstrip("*") for line in lines] == [f"domain-{d}" for d in range(12)]
    # A stroke before the first experience that a domain was met in: none where it was met from the start, or never.
    assert [line.count("▏") for line in lines] == [0, 1, 1] + [0] * 9
    percents = [int(word) for word in re.findall(r"\d+(?= |$|▏)", lines[4].split("domain-4")[1])]
    assert percents == [int(fixed(100 * score, 0)) for score in life(12, 3).balanced.mean(axis=0)[:, 4]]


def test_bars_round_halves_away_from_zero() -> None:
    rows = overlay_terminal(made_up(7, 1, 1, 1, 0.625), colour=False).split("\n")
    assert [row.split()[-1] for row in rows if row.startswith("model-")] == ["63"] * 7


@pytest.mark.parametrize(("models", "experiences", "score"), [(2, 3, None), (1, 1, 1.0), (9, 3, None), (2, 1, 0.0)])
def test_the_page_of_any_shape(tmp_path: Path, models: int, experiences: int, score: float | None) -> None:
    import vl_convert

    drawn = made_up(models, 2, experiences, 3, score)
    spec = specification(drawn)
    for point in spec["data"]["values"]:
        for measure in ("accuracy", "balanced"):
            assert 0 <= point[f"{measure}_low"] <= point[measure] <= point[f"{measure}_high"] <= 1
    params = {param["name"]: param["value"] for param in spec["params"]}
    assert -0.02 <= params["limits"][0] < params["limits"][1] <= 1.02
    assert len(params["faded"]) == max(0, models - MOST)
    svg = vl_convert.vegalite_to_svg(spec | {"width": 400}, vl_version="6.4")
    labels = [float(text) for text in re.findall(r">(-?\d+)%</text>", svg.replace("−", "-"))]
    assert len(labels) >= 2
    assert 0 <= min(labels) < max(labels) <= 100
    assert svg.count(f">{MAJORITY}</text>") == 1
    assert svg.count('stroke-dasharray="5,4"') == 1
    text = overlay_page(drawn, tmp_path / "x.html").read_text()
    assert len(re.findall(r'<input type="checkbox" value="\d+" checked>', text)) == min(models, MOST)


def test_scores_that_are_not_finite_are_left_out(tmp_path: Path, kept: list[Figure]) -> None:
    drawn = made_up(2, 2)
    drawn.accuracy[0][:, 1] = np.nan
    overlay_picture(drawn, Path("x"))
    check(kept[0])
    assert "NaN" not in json.dumps(specification(drawn))
    assert overlay_terminal(drawn, balanced=False, colour=False)
    overlay_page(drawn, tmp_path / "x.html")


def test_models_that_are_one_are_told_to_be(tmp_path: Path) -> None:
    records: list[Any] = [life_of("kd-6l", 0, inside=0)]
    drawn = overlay([("first", records), ("second", records)])
    assert drawn.labels() == ["first", "second (same as first)"]
    assert "second (same as first)" in overlay_picture(drawn, tmp_path / "x")[1].read_text()
    assert "second (same as first)" in overlay_page(drawn, tmp_path / "x.html").read_text()
    assert "second (same as first)" in overlay_terminal(drawn, colour=False)
