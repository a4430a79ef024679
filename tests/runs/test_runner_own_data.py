"""A run on examples of one's own: what is odd about them is in the record and on the screen; predictions name lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import clbench
from clbench.board.again import held_against
from clbench.cli.main import cli
from clbench.record import RunWarning
from clbench.schema.warning import MEASURED

# No title, no licence, no citation: they are optional for one's own files.
DOMAIN = """
name: {name}
folder:
  columns: {{first: a, second: b, label: y}}
  labels: {{0: other, 1: same, -1: null}}
"""
STREAM = """
name: mine
label_space: [other, same]
domains: [one, two]
editions:
  real: {source: real, max_length: 24, backbone: clbench-tiny-12l}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Two domains as CSV: 7 of one's 20 test examples stand in two's training examples, a quarter of one's examples is
    long, and two's validation part has one class."""
    (tmp_path / "mine.yaml").write_text(STREAM)
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(DOMAIN.format(name=name))

    def write(name: str, part: str, rows: list[tuple[str, str, str]]) -> None:
        path = tmp_path / "data" / name / f"{part}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in rows))

    def rows(word: str, count: int, long: int = 0) -> list[tuple[str, str, str]]:
        return [
            (f"the {word} {i}" + " man" * 40 * (i < long), f"a {word} {i}", ("1.0", "0.0", "-1")[i % 3])
            for i in range(count)
        ]

    test = rows("dog", 30)  # a third of it has no label
    write("one", "train", rows("cat", 30, long=15))
    write("one", "validation", rows("bird", 30))
    write("one", "test", test)
    write("two", "train", rows("horse", 24) + test[:10])
    write("two", "validation", [(a, b, "1") for a, b, _ in rows("cow", 9)])
    write("two", "test", rows("sheep", 9))
    return tmp_path


def test_a_run_on_files_of_ones_own(mine: Path, small_backbone: Path) -> None:
    words = ["--stream", str(mine / "mine.yaml"), "--edition", "real", "--data-dir", str(mine / "data")]
    told = CliRunner().invoke(cli, ["streams", words[1], *words[4:]], catch_exceptions=False).output
    sized = CliRunner().invoke(
        cli, ["streams", words[1], *words[4:], "--backbone", str(small_backbone), "--json"], catch_exceptions=False
    )
    run = ["run", "--model", "bow", *words, "--backbone", str(small_backbone), "--out", str(mine / "run"), "--quiet"]
    ran = CliRunner().invoke(cli, run, catch_exceptions=False)
    assert ran.exit_code == 0
    assert ran.stderr == ""
    record = clbench.read_record(mine / "run")
    met = RunWarning(kind="met_in_training", domain="one", count=7, total=20, names=("two",))
    few = RunWarning(kind="few_test_examples", domain="two", count=6)
    one_class = RunWarning(kind="one_class", domain="two", names=("validation", "same"))
    cut = RunWarning(kind="cut_pairs", domain="one", count=10, total=60, limit=24)
    assert [w for w in record.warnings if w.kind not in ("predicts_one_class", *MEASURED)] == [met, few, one_class, cut]
    assert [told["sentence"] for told in json.loads(sized.stdout)["warnings"]] == [
        warning.sentence for warning in (met, few, one_class, cut)
    ]
    shown = CliRunner().invoke(cli, ["show", "--no-plot", str(mine / "run")], catch_exceptions=False).output
    for text, known in ((told, (met, few, one_class)), (ran.output, record.warnings), (shown, record.warnings)):
        for warning in known:
            assert warning.sentence in " ".join(text.split())
    # What is known of the examples is told before anything is trained, too.
    early = CliRunner().invoke(cli, run[:-1], catch_exceptions=False).stderr
    for warning in (met, few, one_class):
        assert warning.sentence in " ".join(early.split())
    as_json = CliRunner().invoke(cli, ["show", "--json", str(mine / "run")], catch_exceptions=False).output
    (found,) = json.loads(as_json)["runs"]
    assert found["warnings"] == [warning.sentence for warning in record.warnings]
    # Lines of the user's file: the header is line 1, and every third row has no label.
    frame = record.predictions()
    lines = frame[(frame.domain == "one") & (frame.experience == 0)].place.tolist()
    assert lines == [i + 2 for i in range(30) if i % 3 != 2]
    # A record of a clbench that told none of it is the same run.
    content = record.model_dump(mode="json")
    del content["warnings"]
    for domain in content["data"]:
        del domain["places"]
    old = clbench.Record.model_validate(content)
    assert held_against(old, record, None)[0] == []
    assert held_against(record, old, None)[0] == []
