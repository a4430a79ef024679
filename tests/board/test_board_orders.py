"""Submissions in several orders: what they hold, what is checked of each order, and the column over orders."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console
from submission_worlds import facts, handed_in, honest, refitted, rerunning

from clbench.board import read_submission, submit
from clbench.board.content import content
from clbench.board.csv_file import board_csv
from clbench.board.files import written
from clbench.board.forms import Submission, record_name
from clbench.board.render import read_all, readme
from clbench.board.standings import Track, standings
from clbench.board.terminal import as_json, track_table
from clbench.board.verify import Verdict, verify
from clbench.comparison import read_models
from clbench.errors import UserError
from clbench.metrics import mean_interval
from clbench.record import Record, write_record
from clbench.schema.stream import read_stream

OWN, BACK, TURNED = "mnli,snli,hans", "hans,snli,mnli", "snli,hans,mnli"
FURTHER = (("hans", "snli", "mnli"), ("snli", "hans", "mnli"))


def lives(stream: Path, orders: tuple[str, ...] = (OWN, BACK, TURNED), seeds: tuple[int, ...] = (0, 1)) -> list[Record]:
    return [honest(stream, seed, order=order) for order in orders for seed in seeds]


@pytest.fixture
def ordered(small_stream: Path, tmp_path: Path) -> Path:
    """A submission of two seeds in three orders."""
    return handed_in(tmp_path / "submissions", lives(small_stream)[::-1])


def checked(path: Path, stream: Path, **options: Any) -> Verdict:
    return verify(path, lambda *_: facts(stream), **options)


def test_what_it_holds(ordered: Path, small_stream: Path) -> None:
    assert sorted(file.name for file in ordered.iterdir()) == [
        "record-0-order-1.json", "record-0-order-2.json", "record-0.json",
        "record-1-order-1.json", "record-1-order-2.json", "record-1.json", "submission.json",
    ]  # fmt: skip
    entry = read_submission(ordered)
    assert entry.submission.seeds == (0, 1)
    assert entry.submission.orders == FURTHER
    assert entry.records == tuple(lives(small_stream, (OWN,)))
    assert entry.others == (tuple(lives(small_stream, (BACK,))), tuple(lives(small_stream, (TURNED,))))
    # The figures that it claims are those of the order of the stream's file, as without further orders.
    plain = handed_in(ordered.parent.parent / "plain", lives(small_stream, (OWN,)))
    assert entry.submission.figures == read_submission(plain).submission.figures
    assert "orders" not in json.loads((plain / "submission.json").read_text())


def test_the_same_records_in_any_sequence_give_the_same_bytes(
    ordered: Path, small_stream: Path, tmp_path: Path
) -> None:
    again = handed_in(tmp_path / "again", lives(small_stream, (BACK, OWN, TURNED), (1, 0)))
    for file in ordered.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()


def test_orders_of_the_streams_file_come_first(small_stream: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """As the file numbers them; what it does not list follows."""
    stream = yaml.safe_load(small_stream.read_text()) | {"orders": [TURNED.split(",")]}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(stream, sort_keys=False))
    module = import_module("clbench.board.submit")
    monkeypatch.setattr(module, "names", lambda kind: ["small"])
    monkeypatch.setattr(module, "read_stream", lambda name: read_stream(tmp_path / "small.yaml"))
    folder = handed_in(tmp_path / "submissions", lives(small_stream))
    assert read_submission(folder).submission.orders == FURTHER[::-1]


@pytest.mark.parametrize(
    ("orders", "seeds", "told"),
    [
        ((BACK,), (0, 1), "is of a run in another order than the stream's file has; the board ranks by that order"),
        ((OWN, BACK), (0,), None),
    ],
)
def test_the_own_order_has_to_be_there(
    orders: tuple[str, ...], seeds: tuple[int, ...], told: str | None, small_stream: Path, tmp_path: Path
) -> None:
    if told is None:
        assert handed_in(tmp_path / "submissions", lives(small_stream, orders, seeds)).is_dir()
        return
    with pytest.raises(UserError, match=told):
        handed_in(tmp_path / "submissions", lives(small_stream, orders, seeds))


def test_each_order_has_the_same_seeds(small_stream: Path, tmp_path: Path) -> None:
    records = [*lives(small_stream, (OWN,), (0, 1)), *lives(small_stream, (BACK,), (0, 2))]
    told = "the order hans, snli, mnli has the seeds 0, 2, that of the stream's file 0, 1; give the same seeds in each"
    with pytest.raises(UserError, match=told):
        handed_in(tmp_path / "submissions", records)
    file = write_record(tmp_path / "a", honest(small_stream, order=BACK))
    other = write_record(tmp_path / "b", honest(small_stream, order=BACK))
    own = write_record(tmp_path / "c", honest(small_stream))
    with pytest.raises(UserError, match=r"has seed 0, order hans, snli, mnli, as .* has; give each seed once"):
        submit([own, file, other], tmp_path / "submissions", name="mine", author="me")


def test_an_honest_one_passes(ordered: Path, small_stream: Path) -> None:
    verdict = checked(ordered, small_stream)
    assert verdict.problems == ()
    # Six records, and the means of the own order's.
    assert verdict.figures == 7 * len(read_submission(ordered).records[0].figures)


def changed(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """A submission with a changed record, whose digests and figures are made to fit the change."""
    content = json.loads((folder / name).read_text())
    change(content)
    record = refitted(Record.model_validate_json(json.dumps(content)))
    (folder / name).unlink()
    file = write_record(folder.parent / "rewritten", record)
    (folder / name).write_bytes(file.read_bytes())
    file.unlink()
    file.parent.rmdir()
    told = json.loads((folder / "submission.json").read_text())
    told["records"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "submission.json").write_text(written(Submission.model_validate_json(json.dumps(told))))
    return folder


def _no_file_order(content: dict[str, Any]) -> None:
    del content["configuration"]["file_order"]


def _other_file_order(content: dict[str, Any]) -> None:
    content["configuration"]["file_order"] = ["snli", "mnli", "hans"]


def _domains(content: dict[str, Any]) -> None:
    content["configuration"]["stream"]["domains"] = ["mnli", "snli", "hans"]


def _title(content: dict[str, Any]) -> None:
    content["configuration"]["stream"]["title"] = "Another"


def _evaluated(content: dict[str, Any]) -> None:
    content["configuration"]["stream"]["evaluation_only"] = []


def _swap(content: dict[str, Any]) -> None:
    """The domains in yet another order, in everything that says it."""
    order = ["hans", "mnli", "snli"]
    content["configuration"]["stream"]["domains"] = order
    by_name = {domain["name"]: domain for domain in content["data"]}
    content["data"] = [by_name[name] for name in (*order, "rte")]
    for number, point in enumerate(content["points"]):
        point["name"], point["met"] = order[number], order[: number + 1]
        for said in ("predictions", "probabilities"):
            point[said] = {name: point[said][name] for name in (*order, "rte")}
        point["validation"] = {order[number]: 0.5}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_no_file_order, "field 'configuration.file_order' should be ['mnli', 'snli', 'hans'], but is []."),
        (_other_file_order, "field 'configuration.file_order' should be ['mnli', 'snli', 'hans'], but is"),
        (_domains, "field 'configuration.stream.domains' should be as small is shipped; its domains.0 should be hans"),
        (_title, "field 'configuration.stream.title' should be as small is shipped"),
        (_evaluated, "field 'configuration.stream.evaluation_only' should be as small is shipped"),
        (_swap, "it should have met its domains in the order of field 'orders.0' of submission.json, hans, snli, mnli"),
    ],
)
def test_forged_orders(change: Callable[[dict[str, Any]], None], told: str, ordered: Path, small_stream: Path) -> None:
    verdict = checked(changed(ordered, "record-1-order-1.json", change), small_stream)
    assert any(told in problem for problem in verdict.problems), verdict.problems
    assert all("record-1-order-1.json" in problem for problem in verdict.problems)


def test_the_life_has_to_follow_the_order(ordered: Path, small_stream: Path) -> None:
    def other_life(content: dict[str, Any]) -> None:
        first, second = content["points"][1:]
        first["name"], second["name"] = second["name"], first["name"]
        first["met"], second["met"] = ["hans", "mnli"], ["hans", "mnli", "snli"]
        first["validation"], second["validation"] = second["validation"], first["validation"]

    verdict = checked(changed(ordered, "record-0-order-1.json", other_life), small_stream)
    assert any("should end the experiences hans, snli, mnli, in this order" in told for told in verdict.problems)


def test_one_order_copied_into_another(ordered: Path, small_stream: Path) -> None:
    own = {record.configuration.seed: record for record in read_submission(ordered).records}

    def copied(content: dict[str, Any]) -> None:
        for point, other in zip(content["points"], own[0].points, strict=True):
            told = other.model_dump(mode="json")
            for said in ("predictions", "probabilities"):
                point[said] = {name: told[said][name] for name in point[said]}

    verdict = checked(changed(ordered, "record-0-order-1.json", copied), small_stream)
    assert [told for told in verdict.problems if "hold the same predictions" in told] == [
        f"{ordered}: the records of seeds 0 and 0, order hans, snli, mnli hold the same predictions; each needs its "
        "own run."
    ]


def test_another_setting_in_another_order(ordered: Path, small_stream: Path) -> None:
    def slower(content: dict[str, Any]) -> None:
        content["configuration"]["strategy"]["training"]["learning_rate"] = 0.1

    verdict = checked(changed(ordered, "record-1-order-2.json", slower), small_stream)
    assert any("field 'configuration' should be that of the other records" in told for told in verdict.problems)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"orders": [["hans", "snli", "mnli"]]}, "records should name record-0.json, record-1.json, record-0-order-1"),
        ({"orders": [list(FURTHER[0]), list(FURTHER[0])]}, "orders should come once each"),
        ({"orders": [list(FURTHER[0]), ["snli", "hans"]]}, "orders should name the same domains, each once"),
        ({"orders": [["hans", "hans", "snli"], list(FURTHER[0])]}, "orders should name the same domains, each once"),
        ({"seeds": list(range(40))}, "seeds x orders should be at most 100 records"),
    ],
)
def test_forms_that_do_not_fit(change: dict[str, Any], told: str, ordered: Path) -> None:
    file = ordered / "submission.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=told):
        read_submission(ordered)


def test_facts_of_an_order(small_stream: Path) -> None:
    """The same examples; where baselines are fitted on the first domain's, those of the order's first."""
    own = facts(small_stream)
    other = own.in_order(("hans", "snli", "mnli"))
    assert other.in_order is not None
    assert [domain.name for domain in other.stream.domains] == ["hans", "snli", "mnli", "rte"]
    assert other.splits == own.splits
    assert own.in_order(("hans", "snli", "mnli")) is other
    assert own.in_order(("mnli", "snli", "hans")) is own
    # What is no order of them is left to those who say so.
    assert own.in_order(("hans", "hans", "mnli")) is own
    assert own.in_order(("a,b", "snli", "mnli")) is own


def track_of(folder: Path) -> Track:
    (track,) = standings(read_all(folder))
    return track


@pytest.fixture
def board(ordered: Path, small_stream: Path) -> Track:
    """The submission in three orders, and one in one order."""
    handed_in(ordered.parent, [honest(small_stream, seed, model="finetune-12l") for seed in (0, 1)], "plain")
    return track_of(ordered.parent)


def test_the_column_over_orders(board: Track, small_stream: Path) -> None:
    rows = {row.entry.submission.name: row for row in board.rows}
    assert rows["plain"].over_orders == {}
    found = rows["mine"].lifetime_over_orders
    assert found is not None
    values = [
        [record.figures["lifetime_accuracy"] for record in lives(small_stream, (order,))]
        for order in (OWN, BACK, TURNED)
    ]
    means = np.array(values, dtype=float).mean(axis=1)
    assert found.mean == mean_interval(means.tolist())
    assert found.deviation == pytest.approx(means.std(ddof=1))
    # The row itself is of the own order.
    assert rows["mine"].figures["lifetime_accuracy"] == mean_interval(values[0])  # type: ignore[arg-type]
    shown = f"{100 * means.mean():.1f} ± {100 * means.std(ddof=1):.1f} (3)"
    page = readme([board])
    assert "fresh | over orders |" in page
    assert f"| {shown} |" in page
    assert "*Over orders*: lifetime accuracy in the mean over so many orders" in " ".join(page.split())
    console = Console(width=400)
    with console.capture() as captured:
        console.print(track_table(board))
    assert shown in captured.get()
    mine, plain = (
        next(row for row in as_json([board], ["small"])["tracks"][0]["rows"] if row["submission"] == name)
        for name in ("mine", "plain")
    )
    assert mine["orders"] == [OWN.split(","), *map(list, FURTHER)]
    assert mine["over_orders"]["lifetime_accuracy"]["sd_orders"] == pytest.approx(found.deviation)
    assert plain["over_orders"] == {}
    cells = {row["submission"]: row for row in csv.DictReader(io.StringIO(board_csv([board])))}
    assert cells["mine"]["orders"] == "3"
    assert float(cells["mine"]["over_orders_lifetime_accuracy_sd"]) == pytest.approx(found.deviation, abs=1e-6)
    assert [cells["plain"][name] for name in cells["plain"] if "orders" in name] == [""] * 5


def test_the_page_has_them(board: Track) -> None:
    told = {row["name"]: row for row in content([board])["tracks"][0]["rows"]}
    assert "orders" not in told["plain"]
    orders = told["mine"]["orders"]
    assert [order for order, _ in orders["lives"]] == [o.replace(",", ", ") for o in (OWN, BACK, TURNED)]
    assert orders["commands"][0].endswith("--order hans,snli,mnli")
    assert "--order" not in told["mine"]["command"]


def test_a_board_without_orders_does_not_speak_of_them(small_stream: Path, tmp_path: Path) -> None:
    handed_in(tmp_path / "submissions", lives(small_stream, (OWN,)))
    track = track_of(tmp_path / "submissions")
    assert "rders" not in readme([track])
    assert "orders" not in board_csv([track])
    assert "orders" not in json.dumps(content([track]))


def test_a_rerun_draws_a_seed_and_a_record_of_another_order(ordered: Path, small_stream: Path) -> None:
    lived: list[tuple[int, tuple[str, ...]]] = []

    def seen(record: Record) -> Record:
        lived.append((record.configuration.seed, record.order))
        return record

    plain = handed_in(ordered.parent.parent / "plain", lives(small_stream, (OWN,)))
    checked(plain, small_stream, rerunning=rerunning(small_stream, seen))
    assert len(lived) == 1
    lived.clear()
    verdict = checked(ordered, small_stream, rerunning=rerunning(small_stream, seen))
    assert verdict.problems == ()
    assert next(order for _, order in lived) == tuple(OWN.split(","))
    assert lived[1][1] in FURTHER
    assert [rerun.order for rerun in verdict.reruns] == [(), lived[1][1]]
    assert f"order {', '.join(lived[1][1])}, run again, is the same" in verdict.reruns[1].sentence
    lived.clear()
    verdict = checked(ordered, small_stream, rerunning=rerunning(small_stream, seen, every_seed=True))
    assert len(set(lived)) == len(verdict.reruns) == 6


def test_a_rerun_of_another_order_that_differs(ordered: Path, small_stream: Path) -> None:
    def turned(record: Record) -> Record:
        return honest(small_stream, 9, order=",".join(record.order)) if record.configuration.file_order else record

    verdict = checked(ordered, small_stream, rerunning=rerunning(small_stream, turned))
    assert any(", order " in told and "run carried out here" in told for told in verdict.problems)
    assert verdict.refuted


def test_compare_reads_it(ordered: Path) -> None:
    (model,) = read_models([ordered])
    assert [life.order for life in model.orders] == [tuple(OWN.split(",")), *FURTHER]
    assert [file.name for file in model.orders[1].files] == [record_name(0, 1), record_name(1, 1)]


def test_entries_without_orders_are_as_they_were(small_stream: Path, tmp_path: Path) -> None:
    entry = read_submission(handed_in(tmp_path / "submissions", lives(small_stream, (OWN,))))
    assert entry.all_records == entry.records
    assert replace(entry, others=()) == entry
