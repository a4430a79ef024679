"""A run in another order: the same examples, another first domain, another fingerprint, and a record that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import clbench
from clbench.board.rerun import changed_options, run_command
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.plots import curves
from clbench.record import Record, read_record
from clbench.runs.again import Means, job_again
from clbench.runs.job import make_job
from clbench.runs.runner import run_again
from clbench.schema.order import in_order
from clbench.schema.spec import RunSpec
from clbench.schema.stream import read_stream

QUICK = {"training.epochs": "1"}


@pytest.fixture(scope="module")
def ordered(small_stream: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = yaml.safe_load(small_stream.read_text()) | {"orders": [["hans", "mnli", "snli"]]}
    path = tmp_path_factory.mktemp("streams") / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def lived(stream: Path, small_backbone: Path, out: Path, **fields: Any) -> Record:
    given = {"model": "finetune-12l", "settings": QUICK | {"finetune.epochs": "1"}} | fields
    return clbench.run(stream=str(stream), backbone=str(small_backbone), out=out, **given)


def test_a_life_in_another_order(ordered: Path, small_backbone: Path, tmp_path: Path) -> None:
    own = lived(ordered, small_backbone, tmp_path / "own")
    other = lived(ordered, small_backbone, tmp_path / "other", order=1)
    assert other.domains == ("hans", "mnli", "snli", "rte")
    assert [point.name for point in other.points if point.final] == ["hans", "mnli", "snli"]
    assert [point.met for point in other.points] == [("hans",), ("hans", "mnli"), ("hans", "mnli", "snli")]
    assert other.configuration.file_order == ("mnli", "snli", "hans")
    assert not own.configuration.file_order
    assert other.configuration.stream == {**own.configuration.stream, "domains": ["hans", "mnli", "snli"]}
    # The same examples, whichever order: splits, labels, baselines.
    assert {d.name: d for d in own.data} == {d.name: d for d in other.data}
    # It is compressed on hans: the inception of a stream that has hans alone answers alike.
    content = yaml.safe_load(ordered.read_text()) | {"domains": ["hans"], "evaluation_only": [], "orders": []}
    (tmp_path / "alone.yaml").write_text(yaml.safe_dump(content))
    alone = lived(tmp_path / "alone.yaml", small_backbone, tmp_path / "alone")
    first = other.points[0].predictions["hans"].array()
    np.testing.assert_array_equal(first, alone.points[0].predictions["hans"].array())
    assert not np.array_equal(first, own.points[0].predictions["hans"].array())
    # Its record says enough to carry it out again, and is read again as it is.
    assert read_record(tmp_path / "other") == other
    job = job_of(other, ordered, small_backbone)
    assert job.fingerprint(0) == other.configuration.fingerprint
    again, _ = run_again(job, 0)
    assert again.without_times() == other.without_times()


def job_of(record: Record, stream: Path, backbone: Path) -> Any:
    spec = RunSpec(
        model="finetune-12l", stream=str(stream), backbone=str(backbone), order=",".join(record.order),
        settings=QUICK | {"finetune.epochs": "1"},
    )  # fmt: skip
    return make_job(spec)


def test_the_own_order_is_no_order(ordered: Path, small_stream: Path, small_backbone: Path) -> None:
    """Neither a number nor the names of the file's own order change a thing, nor do the file's further orders."""
    plain = make_job(RunSpec(model="kd-6l", stream=str(small_stream), backbone=str(small_backbone)))
    for order in (None, "0", "mnli,snli,hans"):
        job = make_job(RunSpec(model="kd-6l", stream=str(ordered), backbone=str(small_backbone), order=order))
        assert job.fingerprint(0) == plain.fingerprint(0)
        assert job.folder() == plain.folder()
        assert job.stream.form.model_dump() == plain.stream.form.model_dump()


def test_one_order_however_it_is_asked_for(ordered: Path, small_backbone: Path) -> None:
    one, other, third = (
        make_job(RunSpec(model="kd-6l", stream=str(ordered), backbone=str(small_backbone), order=order))
        for order in ("1", "hans,mnli,snli", "reversed")
    )
    assert one.folder() == other.folder()
    assert one.fingerprint(3) == other.fingerprint(3)
    assert one.folder().name == f"kd-6l-order-1-{one.fingerprint()[:8]}"
    assert third.folder().name.startswith("kd-6l-order-reversed-")
    assert third.fingerprint() != one.fingerprint()
    # The same inception under the same key: the first domain decides.
    assert one.plan(0).artifacts == third.plan(0).artifacts
    own = make_job(RunSpec(model="kd-6l", stream=str(ordered), backbone=str(small_backbone)))
    assert not set(one.plan(0).artifacts) & set(own.plan(0).artifacts)


def test_pairs_that_were_read_for_another_order(ordered: Path, small_backbone: Path) -> None:
    fields: dict[str, Any] = {"model": "kd-6l", "stream": str(ordered), "backbone": str(small_backbone)}
    own, other = make_job(RunSpec(**fields)), make_job(RunSpec(**fields, order="1"))
    given = make_job(RunSpec(**fields, order="1"), data=own.data)
    assert [d.name for d in given.data] == ["hans", "mnli", "snli", "rte"]
    assert given.fingerprint(0) == other.fingerprint(0)


@pytest.mark.parametrize("stream", ["nli-shift", "paraphrase-shift"])
def test_a_shift_is_the_same_in_every_order(stream: str) -> None:
    """Half-shifted examples come from the domain's own first speaker, not from the first domain of the run."""
    jobs = [
        make_job(RunSpec(model="majority", stream=stream, quick=True, shift=0.5, order=o)) for o in ("0", "reversed")
    ]
    digests = [{(d.name, s): p.digest() for d in job.data for s, p in d.splits.items()} for job in jobs]
    assert digests[0] == digests[1]
    names = [d.name for d in jobs[0].trained]
    assert [d.name for d in jobs[1].trained] == names[::-1]


def test_a_shipped_stream_again(tmp_path: Path) -> None:
    """From the record alone, as ``clbench verify --rerun`` has it."""
    spec = RunSpec(model="majority", stream="paraphrase-shift", quick=True, order="reversed")
    record, _ = run_again(make_job(spec), 0)
    assert run_command(record, [0])[0] == (
        "clbench run --model majority --stream paraphrase-shift --edition embedded --quick --strategy naive --seeds 0 "
        "--order twitter-url,paws,qqp,mrpc"
    )
    assert changed_options(record.configuration) == "--quick --order twitter-url,paws,qqp,mrpc"
    full = make_job(spec.model_copy(update={"quick": False}))
    told = record.configuration.model_copy(update={"edition": "embedded"})
    again = job_again(record.model_copy(update={"configuration": told}), Means(), tmp_path)
    assert again.fingerprint(0) == full.fingerprint(0)


def test_titles_tell_it(small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "runs" / "reversed"
    options = ["--stream", str(small_stream), "--backbone", str(small_backbone), "--out", str(out), "--quiet"]
    main(["run", "--model", "majority", *options, "--order", "reversed"])
    text = " ".join(capsys.readouterr().out.split())
    assert "strategy naive, order hans, snli, mnli, backbone" in text
    record = read_record(out)
    assert curves([record]).title == "majority on small (embedded), naive, order hans, snli, mnli, seed 0"
    main(["runs", str(tmp_path / "runs")])
    assert "--order hans,snli,mnli" in capsys.readouterr().out
    main(["show", str(out), "--json"])
    [shown] = json.loads(capsys.readouterr().out)["runs"]
    assert (shown["order"], shown["file_order"]) == (["hans", "snli", "mnli"], ["mnli", "snli", "hans"])


def test_streams_shows_the_orders(ordered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["streams", str(ordered), "--json"])
    assert json.loads(capsys.readouterr().out)["orders"] == [["mnli", "snli", "hans"], ["hans", "mnli", "snli"]]
    main(["streams", str(ordered)])
    assert "Order 1: hans, mnli, snli." in capsys.readouterr().out


@pytest.mark.parametrize("order", [("mnli", "snli", "hans"), ("hans", "snli", "rte"), ("hans", "snli")])
def test_a_record_that_tells_no_order(small_stream: Path, order: tuple[str, ...]) -> None:
    """A file's order that is the run's own, or of other domains, is a damaged record's."""
    from submission_worlds import honest

    record = honest(small_stream)
    content = record.model_dump(mode="json")
    content["configuration"]["file_order"] = list(order)
    with pytest.raises(ValueError, match=r"configuration\.file_order should be another order of mnli, snli, hans"):
        Record.model_validate(content)


def test_a_mistake_is_a_sentence(small_stream: Path, small_backbone: Path) -> None:
    with pytest.raises(UserError, match=r"^--order should name each of the domains .* did you mean hans\?$"):
        make_job(RunSpec(stream=str(small_stream), backbone=str(small_backbone), order="mnli,snli,hanss"))
    assert in_order(read_stream(small_stream), "reversed").order == ("hans", "snli", "mnli")
