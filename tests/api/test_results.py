"""The verbs from Python: what they return says the same as the records, and shows itself in a notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

import clbench
from clbench.api.verbs import _listed
from clbench.cli.main import cli
from clbench.errors import UserError
from clbench.plots import Dots, Layers, dots_figure, html_tables, layers_figure
from clbench.record import Record

ROOT = Path(__file__).resolve().parents[2]
PNG = b"\x89PNG\r\n"
FAST = {"training.epochs": 1}


@pytest.fixture(scope="module")
def lives(
    small_stream: Path, small_backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, Record]]:
    """Two seeds of one model and one of another, by ``model-seed``: their folders and records."""
    folder = tmp_path_factory.mktemp("lives")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLBENCH_CACHE", str(folder / "cache"))
        for model, seed in (("finetune-12l", 0), ("finetune-12l", 1), ("bow", 0)):
            out = folder / f"{model}-{seed}"
            record = clbench.run(model, small_stream, backbone=small_backbone, seed=seed, out=out, settings=FAST)
            found[f"{model}-{seed}"] = (out, record)
    return found


def is_picture(figure: Figure) -> bool:
    return isinstance(figure, Figure) and bytes(figure._repr_png_()).startswith(PNG)  # type: ignore[attr-defined]


def test_a_record_is_a_table_a_figure_and_a_page(lives: dict[str, tuple[Path, Record]], tmp_path: Path) -> None:
    _, record = lives["finetune-12l-0"]
    table = record.table()
    said = record.all_figures()
    assert list(table.index) == list(said)
    for name, value in said.items():
        assert table.value[name] == value or (value is None and np.isnan(table.value[name]))
    assert table.better["forgetting"] == "lower"
    assert is_picture(record.plot())
    html = record._repr_html_()
    assert "finetune-12l on small" in html
    assert f"{100 * record.figures['lifetime_accuracy']:.1f}" in html
    assert "<th>rte*</th>" in html
    saved = record.page().save(tmp_path / "page.html")
    assert "finetune-12l" in saved.read_text()
    assert saved.read_text() == record.page().html
    assert 'sandbox="allow-scripts"' in record.page()._repr_html_()


def test_frames_are_those_of_before(lives: dict[str, tuple[Path, Record]]) -> None:
    _, record = lives["finetune-12l-0"]
    frame = record.predictions().query("final")
    right = (frame.gold == frame.predicted).groupby([frame.name, frame.domain], sort=False).mean().unstack()
    matrix = record.accuracy_matrix()
    np.testing.assert_allclose(right.loc[matrix.index, matrix.columns], matrix)
    recall = record.per_class()
    balanced = recall.groupby(["name", "domain"], sort=False).recall.mean().unstack()
    np.testing.assert_allclose(balanced.loc[matrix.index, matrix.columns], record.accuracy_matrix(balanced=True))
    assert len(record.anytime_curve()) == len(record.points) * 4
    assert len(record.strategy_cost()) == 3


def test_records_compare_as_their_folders_do(lives: dict[str, tuple[Path, Record]]) -> None:
    by_record = clbench.compare(*(record for _, record in lives.values()))
    with pytest.raises(UserError, match=r"one by one; of a list, give compare\(\*runs\)\.$"):
        clbench.compare([record for _, record in lives.values()])  # type: ignore[arg-type]
    by_folder = clbench.compare(*(str(folder) for folder, _ in lives.values()))
    pd.testing.assert_frame_equal(by_record.table(), by_folder.table())
    pd.testing.assert_frame_equal(by_record.tests(), by_folder.tests())
    table = by_record.table()
    assert table.columns.get_level_values("model").unique().tolist() == ["finetune-12l", "bow"]
    both = [lives[f"finetune-12l-{seed}"][1].figures["final_accuracy"] for seed in (0, 1)]
    assert table["finetune-12l", "mean"]["final_accuracy"] == pytest.approx(np.mean(both))
    assert np.isnan(table["bow", "low"]["final_accuracy"])
    tests = by_record.tests()
    assert tests[["first", "second"]].to_numpy().tolist() == [["finetune-12l", "bow"]]
    assert tests["is"][0] in ("better", "worse", "not decided")
    assert is_picture(by_record.plot())
    html = by_record._repr_html_()
    assert "finetune-12l vs bow" in html
    assert re.search(r"<td><b>[^<]+</b></td>", html), "the best mean stands out"
    assert "bow" in by_record.page().html
    with pytest.raises(UserError, match="bow on small: this is one model; give two models or more"):
        clbench.compare(lives["bow-0"][1])


def test_compress(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    made = clbench.compress(
        "finetune-12l", "mnli", tmp_path / "out", stream=small_stream, backbone=small_backbone, quick=True
    )
    table = made.table().value
    assert table["accuracy"] == made.figures["accuracy"]
    assert table["parameters"] == made.cost["parameters"]
    assert is_picture(made.plot())
    assert made.sha256 in made._repr_html_()
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_sweep(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"name: two\nrecipes: [bow, majority]\nstreams: [{small_stream}]\nstrategies: [naive]\nseeds: 0-1\n"
        f"backbone: {small_backbone}\n"
    )
    found = clbench.sweep(file, out=tmp_path / "runs", workers=1)
    assert (found.total, found.finished) == (4, 4)
    table = found.table()
    assert table.index.tolist() == [("small", "naive", "bow", "0"), ("small", "naive", "majority", "0")]
    records = [clbench.read_record(path.parent) for path in sorted((tmp_path / "runs").rglob("record.json"))]
    scores = [r.figures["lifetime_accuracy"] for r in records if r.names[0] == "bow"]
    assert table.lifetime_accuracy.iloc[0] == pytest.approx(np.mean(scores))
    assert table.seeds.tolist() == [2, 2]
    assert is_picture(found.plot())
    assert "4 of 4 runs are there" in found._repr_html_()
    fewer = clbench.sweep(file, out=tmp_path / "runs", workers=1, seeds=1)
    assert (fewer.total, fewer.finished) == (2, 2)


@pytest.mark.parametrize("arguments", [["models"], ["models", "pkd-skip-6l"], ["streams", "paraphrase-shift"]])
def test_what_there_is_is_what_the_command_line_says(arguments: list[str]) -> None:
    told = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).output)
    if arguments[0] == "streams":
        streams = clbench.streams(arguments[1])
        assert json.loads(json.dumps(streams.overviews)) == [told]
        table = streams.table()
        assert table.index.get_level_values("domain").tolist() == [domain["name"] for domain in told["domains"]]
        assert table.majority.tolist() == [domain["majority"]["accuracy"] for domain in told["domains"]]
        assert is_picture(streams.plot())
        assert "bag_of_words" in streams._repr_html_()
        return
    models = clbench.models(*arguments[1:])
    assert models.described() == (told if isinstance(told, list) else [told])
    table = models.table()
    assert table.depth["pkd-skip-6l"] == 6
    assert table.teacher["pkd-skip-6l"] == "finetune-12l"
    assert is_picture(models.plot())
    assert "arXiv:1908.09355" in models._repr_html_()


def test_submit_verify_and_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (0, 1, 2):
        clbench.run("majority", "nli-shift", seed=seed, out=tmp_path / f"seed-{seed}")
    folder = tmp_path / "submissions"
    made = clbench.submit(tmp_path, name="most", author="A. Person", to=folder)
    assert (made.folder, len(made.records)) == (folder / "most", 3)
    assert made.table().index.tolist() == [0, 1, 2]
    assert is_picture(made.plot())
    assert "Submission most" in made._repr_html_()
    found = clbench.verify(made.folder)
    assert found.ok
    assert found.table().ok.tolist() == [True]
    assert "All holds" in found._repr_html_()
    with pytest.raises(UserError, match=r"^other_seeds goes with fresh; give that as well, or leave other_seeds out"):
        clbench.verify(made.folder, other_seeds=2)
    record = json.loads((made.folder / "record-0.json").read_text())
    record["figures"]["final_accuracy"] += 0.1
    (made.folder / "record-0.json").write_text(json.dumps(record))
    wrong = clbench.verify(made.folder)
    assert not wrong.ok
    assert "its sha256 is another" in wrong.table().problems.iloc[0]
    assert "Not all holds" in wrong._repr_html_()


def test_the_leaderboard() -> None:
    board = clbench.leaderboard(ROOT / "leaderboard" / "submissions")
    assert len(board.tracks) == 6
    name = "nli-shift.embedded.naive"
    table = board.table(name)
    assert len(table) == len(board.tracks[name].rows) == 14
    best = board.tracks[name].rows[0]
    assert table.lifetime_accuracy.iloc[0] == best.figures["lifetime_accuracy"].mean  # type: ignore[union-attr]
    assert len(board.table()) == 84
    assert is_picture(board.plot(name))
    assert "nli-shift.embedded.naive" in board._repr_html_()
    with pytest.raises(UserError, match=r"no track is called 'nli-shift\.embedded\.naiv'; did you mean"):
        board.table("nli-shift.embedded.naiv")


def test_what_strangers_write_stays_text() -> None:
    hostile = "<script>alert(1)</script>"
    html = html_tables(hostile, [(hostile, pd.DataFrame({hostile: [hostile]}, index=[hostile]))], [hostile])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 6


def test_figures_of_nothing_much() -> None:
    assert is_picture(dots_figure([Dots("none", ["a"], {"x": [None]})], "score", "title"))
    assert is_picture(layers_figure([Layers("reference", 0, ())], "title"))
    drawn = layers_figure([Layers("m", 2, (1, 3), (2,)), Layers("any", 1, None)], "title")
    squares, diamonds, grey = drawn.axes[0].lines
    assert [*squares.get_xdata()] == pytest.approx([0.88, 2.88])
    assert [*diamonds.get_xdata()] == pytest.approx([2.2])
    assert [*grey.get_xdata()] == pytest.approx([0.88, 1.88, 2.88])


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (None, None),
        ("0-2", "0-2"),
        (1, "1"),
        ([0, 3], "0,3"),
        (["0", "reversed"], "0,reversed"),
        (range(3), "0,1,2"),
        (np.int64(3), "3"),
    ],
)
def test_seeds_and_orders_of_a_sweep_may_be_lists(given: Any, asked: str | None) -> None:
    assert _listed(given) == asked
