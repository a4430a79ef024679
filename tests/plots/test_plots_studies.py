"""Pictures of studies and of pre-training: equal numbers are equal bytes, and the numbers decide what is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from clbench.errors import UserError
from clbench.plots import depth_curve, gradient_table, pareto_picture, pretraining_curve
from clbench.plots.pareto import Panel, on_front

DEPTHS = (12, 6, 3)
SCORES = {"neither": np.array([[0.8, 0.5, 0.4], [0.82, 0.52, 0.45]]), "both": np.array([[0.8, 0.7, 0.6]])}
CURVE = [
    {"step": step, "hidden": 1 / step, "held_out_explained_4": 1 - 1 / step, "held_out_explained_2": 0.5 - 1 / step}
    for step in (2, 4, 8)
]
HEAD, CELLS = ["", "model", "mrpc"], [["1", "a", "70.0"], ["2", "b", "80.0"], ["3", "c", "75.0"]]


def test_equal_numbers_are_equal_pictures_and_others_are_not(tmp_path: Path) -> None:
    made = [depth_curve(DEPTHS, SCORES, SCORES, (0.6, 0.5), "title", tmp_path / name) for name in ("a", "b")]
    for one, other in zip(*made, strict=True):
        assert one.read_bytes() == other.read_bytes()
    changed = depth_curve(DEPTHS, SCORES, SCORES | {"both": SCORES["both"] + 0.1}, (0.6, 0.5), "title", tmp_path / "c")
    assert changed[1].read_bytes() != made[0][1].read_bytes()
    text = made[0][1].read_text()
    assert all(piece in text for piece in ("neither", "both", "layers left", "majority", "title"))


def test_the_pareto_front_and_its_picture(tmp_path: Path) -> None:
    """By hand: b costs nothing and is best of those; c is worse for more; d is better for more."""
    scores = {"a": np.array([0.7, 0.72]), "b": np.array([0.8, 0.82]), "c": np.array([0.75, 0.77]),
              "d": np.array([0.85, 0.87])}  # fmt: skip
    costs = {"a": 0.0, "b": 0.0, "c": 0.1, "d": 0.75}
    means = {arm: float(values.mean()) for arm, values in scores.items()}
    assert on_front(means, costs) == ["b", "d"]
    assert on_front(means, costs | {"d": 0.0}) == ["d"]
    assert on_front({"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.0}) == ["b"]
    made = [pareto_picture([[Panel("p", scores, costs)]], "axis", "t", tmp_path / name) for name in ("a", "b")]
    for one, other in zip(*made, strict=True):
        assert one.read_bytes() == other.read_bytes()
    text = made[0][1].read_text()
    assert all(piece in text for piece in ("75%", "10%", "axis"))
    changed = pareto_picture([[Panel("p", scores, costs | {"d": 0.05})]], "axis", "t", tmp_path / "c")
    assert changed[1].read_bytes() != made[0][1].read_bytes()


def test_a_pre_trainings_curve_names_its_parts_and_depths(tmp_path: Path) -> None:
    made = [pretraining_curve(CURVE, "t", tmp_path / name) for name in ("a", "b")]
    assert made[0][1].read_bytes() == made[1][1].read_bytes()
    text = made[0][1].read_text()
    assert all(piece in text for piece in ("hidden", "explained", "4 layers", "2 layers"))
    assert "mathdefault" not in text


def test_the_highest_number_is_the_greenest(tmp_path: Path) -> None:
    shades = [[None, None, value] for value in (0.70, 0.80, 0.75)]
    path = gradient_table((HEAD, CELLS, shades), "t", tmp_path / "t.png")
    pixels = imread(path)[..., :3]
    column = pixels[:, int(pixels.shape[1] * 0.6) :].reshape(-1, 3)
    greens = {tuple(p) for p in np.round(column, 2) if p[1] > p[0] + 0.04 and p[1] > p[2] + 0.04}
    assert len(greens) >= 3
    turned = gradient_table((HEAD, CELLS, shades[::-1]), "t", tmp_path / "u.png")
    assert path.read_bytes() != turned.read_bytes()
    assert path.read_bytes() == gradient_table((HEAD, CELLS, shades), "t", tmp_path / "v.png").read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        gradient_table((HEAD, CELLS, [[None] * 3] * 3), "t", tmp_path / "file" / "t.png")
