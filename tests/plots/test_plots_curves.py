"""Forgetting curves: the right places and values; files that are whole, equal and readable; text for the terminal."""

from __future__ import annotations

import errno
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_worlds import pieces, record

from clbench.errors import UserError
from clbench.plots import curves, forgetting_curve, terminal_curve
from clbench.plots.terminal import _legend, _short
from clbench.record import RunParts, make_record


def test_points_lie_by_their_steps() -> None:
    drawn = curves([record(inside=2)])
    assert drawn.x.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    assert drawn.experiences == ("alpha", "beta", "gamma")
    assert drawn.evaluation_only == (False, False, False, True)
    assert drawn.title == "kd-6l on greek (embedded), naive, seed 0"


def test_values_are_the_records() -> None:
    seeds = [record(seed=seed, inside=1) for seed in range(3)]
    drawn = curves(seeds)
    assert drawn.title.endswith("seeds 0, 1, 2")
    for layer, made in enumerate(seeds):
        np.testing.assert_array_equal(drawn.accuracy[layer][drawn.final], made.accuracy_matrix())
        np.testing.assert_array_equal(drawn.balanced[layer][drawn.final], made.accuracy_matrix(balanced=True))
        # The mean of the black line over the ends of experiences is the lifetime accuracy.
        line = drawn.mean_over_met(drawn.accuracy)[layer]
        assert line[drawn.final].mean() == pytest.approx(made.figures["lifetime_accuracy"])
        assert line.mean() == pytest.approx(made.figures["anytime_lifetime_accuracy"])


def test_seeds_looked_at_at_other_moments_share_only_the_ends() -> None:
    drawn = curves([record(seed=0, inside=2), record(seed=1, inside=1)])
    assert drawn.x.tolist() == [0, 1, 2]
    assert drawn.final.all()


def test_other_runs_are_no_seeds() -> None:
    with pytest.raises(ValueError, match="not seeds of one run"):
        curves([record(), record(joint=True)])
    with pytest.raises(ValueError, match="no record"):
        curves([])


def test_equal_records_are_equal_pictures(tmp_path: Path) -> None:
    records = [record(seed=seed, inside=1) for seed in range(2)]
    files = forgetting_curve(records, tmp_path / "deep" / "curve.v1")
    assert [file.name for file in files] == ["curve.v1.png", "curve.v1.svg"]
    again = forgetting_curve(records, tmp_path / "again")
    for one, two in zip(files, again, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["curve.v1.png", "curve.v1.svg"]
    assert files[0].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_picture_has_a_line_for_every_domain(tmp_path: Path) -> None:
    """Each domain's markers stand in the SVG at each end of an experience, in both panels and in the legend."""
    _, svg = forgetting_curve([record(inside=0)], tmp_path / "curve")
    text = svg.read_text()
    ET.fromstring(text)
    for colour in ("#0072b2", "#d55e00", "#009e73", "#cc79a7"):
        uses = re.findall(rf"<use [^>]*stroke: {colour}", text)
        assert len(uses) == 2 * 3 + 1


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    """A dollar sign or an angle bracket in a name is neither mathematics nor mark-up; a user's settings stay."""
    import matplotlib

    before = dict(matplotlib.rcParams)
    parts = pieces(inside=0)
    parts["configuration"]["model"] = {"name": "$\\frac{<b>&"}
    _, svg = forgetting_curve([make_record(RunParts(**parts))], tmp_path / "curve")
    ET.fromstring(svg.read_text())
    assert dict(matplotlib.rcParams) == before


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Any, path: Path, **options: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fails)
    with pytest.raises(UserError, match=r"curve\.png cannot be written: No space left on device"):
        forgetting_curve([record()], tmp_path / "curve")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"curve\.png cannot be written"):
        forgetting_curve([record()], tmp_path / "file" / "curve")


@pytest.mark.parametrize(("width", "height"), [(80, 18), (60, 12), (120, 30), (10, 2)])
def test_the_terminal_plot_keeps_to_its_size(width: int, height: int) -> None:
    lines = terminal_curve([record()], width=width, height=height, colour=False).split("\n")
    assert max(len(line) for line in lines) <= max(30, width)
    assert len(lines) == max(8, height)


def test_the_terminal_plot_is_plain_without_colour() -> None:
    plain = terminal_curve([record()], colour=False)
    coloured = terminal_curve([record()], colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    stripped = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", coloured).split("\n")]
    assert stripped == plain.split("\n")


def test_the_terminal_plot_puts_letters_where_the_scores_are() -> None:
    parts = pieces(inside=0)
    gold = {info.data.name: info.data.splits["test"].labels for info in parts["domains"]}
    for point in parts["points"]:
        # alpha is always right, beta never, and the others lie on beta.
        for name in gold:
            point.predictions[name] = gold[name] if name == "alpha" else 1 - gold[name]
    made = make_record(RunParts(**parts))
    lines = terminal_curve([made], width=70, height=16, colour=False, balanced=False).split("\n")
    assert lines[0].strip() == "accuracy after each experience"
    assert lines[2].startswith("1.00┤")
    assert lines[2].count("a") == 3
    bottom = next(line for line in lines if line.startswith("0.00┤"))
    assert bottom.count("d") == 3
    assert lines[-1].split() == ["a", "alpha", "b", "beta", "c", "gamma", "d", "delta*", "·", "majority", "class"]
    assert lines[-2].split() == ["alpha", "beta", "gamma"]


def test_a_plot_leaves_nothing_for_the_next() -> None:
    first = terminal_curve([record(joint=True)])
    terminal_curve([record(seed=3)], width=100)
    assert terminal_curve([record(joint=True)]) == first


def test_many_domains_share_the_legend() -> None:
    rows = _legend(["a" * 10] * 5, 40)
    assert [[number for number, _ in row] for row in rows] == [[0, 1], [2, 3], [4]]
    # A name too long for a row is broken, and not cut.
    assert _legend(["m" * 40], 30) == [[(0, "a " + "m" * 23)], [(0, "  " + "m" * 17)]]
    assert _short(["mnli", "twitter-url"], 24) == ["mnli", "twitte…"]
