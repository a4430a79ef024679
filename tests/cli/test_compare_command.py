"""``clbench compare`` as it is called: tables at any width, JSON, CSV, files, and one sentence for what is wrong."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from compare_worlds import written

from clbench.cli.compare import command
from clbench.comparison import compare, read_models
from clbench.comparison.latex import latex
from clbench.comparison.models import Model
from clbench.errors import UserError
from clbench.record import Record


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    written(tmp_path / "runs" / "kd", "kd-6l", (0, 1, 2), size=150)
    written(tmp_path / "runs" / "pkd", "pkd-from-pruned-6l", (0, 1), size=150, worse=0.3)
    written(tmp_path / "runs" / "lone", "lone-6l", (0,), size=150)
    return tmp_path / "runs"


def called(*arguments: object, width: int = 120) -> str:
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_tables_curve_and_files(runs: Path, tmp_path: Path) -> None:
    text = called(runs, "--out", tmp_path / "out")
    assert "3 models on greek (embedded), naive" in text
    assert "accuracy, mean over the seen domains" in text
    assert re.search(r"^forgetting +\d+\.\d ± \d+\.\d +-?\d+\.\d +-?\d+\.\d ± \d+\.\d *$", text, re.MULTILINE)
    assert re.search(r"^kd-6l vs pkd-from-pruned-6l +\+\d+\.\d\d \(\+.* to \+.*\) .* better *$", text, re.MULTILINE)
    assert "test examples and seeds" in text
    assert "with one seed is that one trained model" in " ".join(text.split())
    for name in ("comparison.png", "comparison.svg", "comparison.html"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
        assert str(tmp_path / "out" / name) in text
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Every two models on the same predictions" in page
    assert "pkd-from-pruned-6l (2 seeds)" in page


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_name_is_cut(width: int, runs: Path) -> None:
    written(runs / "strange", "[red]" + "recipe-with-a-very-long-name-" * 3, (0,), size=150)
    text = called(runs, "--no-plot", width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    together = "".join(text.split())
    for name in ("kd-6l", "pkd-from-pruned-6l", "lone-6l", "[red]" + "recipe-with-a-very-long-name-" * 3):
        assert name in together
    assert "vs[red]recipe" in together


def test_nothing_is_written_without_plots(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    text = called(runs, "--no-plot")
    assert sorted(tmp_path.rglob("*")) == before
    assert "mean over the seen domains\n" not in text


def test_json(runs: Path) -> None:
    found: dict[str, Any] = json.loads(called(runs, "--json", "--no-plot", "--balanced"))
    assert found["measure"] == "lifetime balanced accuracy"
    assert [(model["name"], model["seeds"]) for model in found["models"]] == [
        ("kd-6l", [0, 1, 2]), ("lone-6l", [0]), ("pkd-from-pruned-6l", [0, 1]),
    ]  # fmt: skip
    assert found["models"][1]["figures"]["lifetime_accuracy"]["low"] is None
    assert found["written"] == []
    pair = next(p for p in found["pairs"] if p["second"] == "pkd-from-pruned-6l" and p["first"] == "kd-6l")
    assert pair["first_is"] == "better"
    assert pair["bootstrap"]["low"] < pair["bootstrap"]["value"] < pair["bootstrap"]["high"]
    assert [test["seeds"] for test in pair["mcnemar"]] == [[0, 0], [1, 1]]
    figures = [model["figures"]["lifetime_balanced_accuracy"]["mean"] for model in found["models"]]
    assert pair["bootstrap"]["value"] == pytest.approx(figures[0] - figures[2])


def test_csv(runs: Path, tmp_path: Path) -> None:
    written(runs / "formula", "=1+1", (0,), size=150)
    called(runs, "--no-plot", "--csv", tmp_path / "deep" / "table.csv")
    with (tmp_path / "deep" / "table.csv").open(newline="") as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"kd-6l", "lone-6l", "pkd-from-pruned-6l", "'=1+1"}
    assert rows["lone-6l"]["forgetting_low"] == ""
    assert float(rows["kd-6l"]["forgetting_low"]) < float(rows["kd-6l"]["forgetting"])
    assert rows["kd-6l"]["parameters"] == "3000000"
    with (tmp_path / "deep" / "table-pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    assert len(pairs) == 6
    assert {pair["first_is"] for pair in pairs} <= {"better", "worse", "not decided"}
    assert all(float(pair["p"]) <= float(pair["p_holm"]) for pair in pairs)


def test_what_cannot_be_compared(runs: Path) -> None:
    with pytest.raises(UserError, match="3 seeds of one model"):
        called(runs / "kd")
    written(runs / "other", "kd-6l", (0,), size=60)
    with pytest.raises(UserError, match="tested on different examples of alpha"):
        called(runs / "kd", runs / "other")


def test_latex_is_bold_where_the_tests_bear_it(runs: Path, tmp_path: Path) -> None:
    """Of kd, lone (one seed, not told from kd) and pkd-from-pruned (worse): the first two are bold."""
    written(runs / "strange", "50%_{of}$", (0,), size=150, worse=0.3)
    called(runs, "--no-plot", "--latex", tmp_path / "t.tex", "--figures", "lifetime_accuracy, forgetting")
    text = (tmp_path / "t.tex").read_text()
    json_text = json.loads(called(runs, "--json", "--no-plot"))
    means = {m["name"]: m["figures"]["lifetime_accuracy"] for m in json_text["models"]}
    rows = {line.split(" & ")[0].strip(): line.split(" & ")[1:] for line in text.splitlines() if line.endswith(r"\\")}
    kd = means["kd-6l"]
    assert rows["kd-6l"][0] == (
        rf"\textbf{{{100 * kd['mean']:.1f}}} {{\scriptsize $\pm$ {50 * (kd['high'] - kd['low']):.1f}}}"
    )
    verdicts = {(p["first"], p["second"]): p["first_is"] for p in json_text["pairs"]}
    top = max(means, key=lambda name: means[name]["mean"])
    for name in means:
        beaten = verdicts.get((top, name)) == "better" or verdicts.get((name, top)) == "worse"
        shown = name.replace("%", r"\%").replace("_", r"\_").replace("{", r"\{").replace("}", r"\}").replace("$", r"\$")
        assert ("textbf" in rows[shown][0]) == (not beaten), name
        assert "textbf" not in rows[shown][1], "no test is of forgetting"
    assert any("textbf" not in cells[0] for name, cells in rows.items() if name != "Model")
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    called(runs, "--no-plot", "--latex", tmp_path / "t.tex", "--figures", "forgetting")
    assert "Bold" not in (tmp_path / "t.tex").read_text(), "nothing of it is in the table"
    with pytest.raises(UserError, match=r"^--figures lifetime: no model has such a figure; did you mean"):
        called(runs, "--no-plot", "--latex", tmp_path / "t.tex", "--figures", "lifetime")


def test_latex_of_names_with_underscores_and_of_models_that_nothing_tells_apart(tmp_path: Path) -> None:
    for name in ("kd-6l", "lone-6l"):
        written(tmp_path / name, name, (0, 1), size=60)
    made = latex(compare(read_models([tmp_path / "kd-6l", tmp_path / "lone-6l"]), resamples=50), [])
    assert "Bold" not in made
    assert "textbf" not in made
    assert r"\label{tab:greek-embedded-naive}" in made
    balanced = latex(compare(read_models([tmp_path / "kd-6l", tmp_path / "lone-6l"]), resamples=50, balanced=True), [])
    assert r"\label{tab:greek-embedded-naive-balanced}" in balanced
    models = read_models([tmp_path / "kd-6l", tmp_path / "lone-6l"])
    assert r"\caption{gre\_ek under na\_ive (em\_bedded edition" in latex(
        compare([_renamed(model) for model in models], resamples=50), []
    )


def _renamed(model: Model) -> Model:
    """With underscores in the names of stream, strategy and edition."""

    def renamed(record: Record) -> Record:
        content = record.model_dump(mode="json")
        told = content["configuration"]
        told["stream"]["name"], told["strategy"]["name"], told["edition"] = "gre_ek", "na_ive", "em_bedded"
        return Record.model_validate_json(json.dumps(content))

    return replace(model, records=tuple(map(renamed, model.records)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--figures", "lifetime_accuracy"], "--figures goes with --latex"),
        (["--no-plot", "--pdf"], "--pdf goes with --plot"),
    ],
)
def test_options_without_what_they_are_for_are_refused(runs: Path, options: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        called(runs, *options)


def test_a_pdf_has_its_fonts_in_it(runs: Path, tmp_path: Path) -> None:
    called(runs, "--out", tmp_path / "one", "--pdf")
    called(runs, "--out", tmp_path / "two", "--pdf")
    content = (tmp_path / "one" / "comparison.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/FontFile2" in content, "TrueType, embedded"
    assert b"/Type3" not in content
    assert content == (tmp_path / "two" / "comparison.pdf").read_bytes()
