"""What a stranger may send: refused in one sentence, never followed, never believed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import ESCAPE, mutated
from submission_worlds import facts, handed_in, honest

from clbench.board import find_submissions, read_submission
from clbench.board.verify import verify
from clbench.cli.main import main
from clbench.errors import UserError, printable
from clbench.record.packing import Packed


def refused(folder: Path, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_submission(folder)


def submission(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "submission.json").read_text())
    return content


def rewrite(folder: Path, content: dict[str, Any]) -> None:
    (folder / "submission.json").write_text(json.dumps(content))


def record_text(folder: Path, text: str | bytes) -> None:
    """Another text for the first record, its digest made to fit."""
    raw = text.encode() if isinstance(text, str) else text
    (folder / "record-0.json").write_bytes(raw)
    content = submission(folder)
    content["records"]["record-0.json"] = hashlib.sha256(raw).hexdigest()
    rewrite(folder, content)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "a/../b", "record-0.json/../x", "C:\\x", "record-0.json\x00"]
)
def test_records_named_by_a_path(name: str, mine: Path) -> None:
    content = submission(mine)
    content["records"] = {name: "00" * 32}
    content["seeds"] = [0]
    rewrite(mine, content)
    refused(mine, "records should name record-0.json")


@pytest.mark.parametrize("name", ["../up", "a/b", "<b>", "mine2", "MINE", "..", ""])
def test_a_name_that_is_not_the_folders(name: str, mine: Path) -> None:
    rewrite(mine, submission(mine) | {"name": name})
    refused(mine, "field 'name'")


@pytest.mark.parametrize("field", ["author", "licence", "name", "clbench", "model"])
def test_terminal_escapes_in_a_string(field: str, mine: Path) -> None:
    rewrite(mine, submission(mine) | {field: f"x{ESCAPE}"})
    refused(mine, f"field '{field}'")


def test_nothing_unprintable_reaches_the_terminal(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for change in ({f"a{ESCAPE}": 1}, {"schema_version": ESCAPE}, {"seeds": [ESCAPE]}, {"track": {ESCAPE: 1}}):
        rewrite(mine, submission(mine) | change)
        with pytest.raises(SystemExit):
            main(["verify", str(mine)])
        told = capsys.readouterr()
        assert "\x1b]" not in told.out + told.err
        assert "\x07" not in told.out + told.err
    with pytest.raises(SystemExit):
        main(["show", f"nowhere{ESCAPE}"])
    assert "\x1b" not in capsys.readouterr().err


@given(st.text(max_size=60))
def test_printable_text_is_left_and_other_text_escaped(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not text.isprintable() or shown == text
    assert len(printable(text * 100, longest=50)) <= 10 * 50 + 10


def test_markup_is_text(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(mine, submission(mine) | {"author": "[link=https://evil]x[/link][bold]"})
    assert read_submission(mine).submission.author == "[link=https://evil]x[/link][bold]"
    with pytest.raises(SystemExit):
        main(["verify", str(mine)])
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_no_memory_holds(mine: Path) -> None:
    for name in ("record-0.json", "submission.json"):
        before = (mine / name).read_bytes()
        with (mine / name).open("wb") as file:
            file.truncate(2**36)  # sparse: it takes no disk
        refused(mine, "is larger than")
        (mine / name).write_bytes(before)


def test_ten_thousand_levels(mine: Path) -> None:
    deep = "[" * 10_000 + "]" * 10_000
    text = (mine / "record-0.json").read_text()
    for wrong in (
        deep,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        text.replace('"inception": [', f'"inception": [{deep},'),
    ):
        record_text(mine, wrong)
        refused(mine, "record-0.json")


def test_a_billion_rows(mine: Path) -> None:
    content = json.loads((mine / "record-0.json").read_text())
    content["data"][0]["gold"]["count"] = 10**9
    record_text(mine, json.dumps(content))
    refused(mine, r"data\.0\.gold\.count")
    content["data"][0]["gold"]["count"] = 50_000_000
    record_text(mine, json.dumps(content))
    refused(mine, "base64 should hold 6250000 bytes")


def test_keys_that_are_there_twice(mine: Path) -> None:
    text = (mine / "record-0.json").read_text()
    record_text(mine, text.replace('"seed": 0,', '"seed": 0, "seed": 1,'))
    refused(mine, "field 'seed' should be there once, but is there twice")
    text = (mine / "submission.json").read_text()
    (mine / "submission.json").write_text(text.replace('"name":', '"author": "x", "name":', 1))
    refused(mine, "field 'author' should be there once")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none(number: str, mine: Path) -> None:
    text = (mine / "record-0.json").read_text()
    record_text(mine, text.replace('"latency_ms": 2.0', f'"latency_ms": {number}'))
    refused(mine, "not a valid number in a record")
    content = (mine / "submission.json").read_text()
    (mine / "submission.json").write_text(content.replace('"mean": 0', f'"mean": {number}, "x": 0', 1))
    refused(mine, "not a valid number in a submission")


def test_numbers_of_a_million_digits(mine: Path) -> None:
    text = (mine / "record-0.json").read_text()
    record_text(mine, text.replace('"seed": 0', '"seed": ' + "9" * 1_000_000))
    refused(mine, "record-0.json")


@pytest.mark.parametrize("number", ["1e400", "1e308", "10000000000000000000000000"])
def test_costs_that_no_machine_has(number: str, mine: Path) -> None:
    text = (mine / "record-0.json").read_text()
    record_text(mine, text.replace('"latency_ms": 2.0', f'"latency_ms": {number}'))
    refused(mine, "record-0.json")


def test_links_and_other_things_that_are_no_files(mine: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text((mine / "record-1.json").read_text())
    record = mine / "record-1.json"
    text = record.read_text()
    for place in (lambda: record.symlink_to(secret), lambda: os.mkfifo(record), record.mkdir):
        record.unlink()
        place()
        refused(mine, "is not a regular file")
        record.rmdir() if record.is_dir() and not record.is_symlink() else record.unlink()
        record.write_text(text)
    linked = mine.parent / "linked"
    linked.symlink_to(mine)
    refused(linked, "not a link to one")
    with pytest.raises(UserError, match="follow links first"):
        find_submissions(linked)
    assert verify(linked, lambda *_: pytest.fail("nothing is looked up for it")).problems


@pytest.mark.parametrize("call", ["scandir", "open"])
def test_another_users_folder(call: str, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_yours(path: Any, *_: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    # Root may read everything, and tests often are root: the system's answer is given in its place.
    monkeypatch.setattr(os, call, not_yours)
    verdict = verify(mine, lambda *_: pytest.fail("nothing is looked up for it"))
    assert ["cannot be read: Permission denied" in problem for problem in verdict.problems] == [True]


def test_more_files_than_a_submission_has(mine: Path) -> None:
    for number in range(200):
        (mine / f"extra-{number}").touch()
    refused(mine, "holds more than 101 files")


def test_a_file_beside_those_that_are_named(mine: Path) -> None:
    (mine / "run.py").write_text("raise SystemExit")
    refused(mine, "holds 'run.py', which submission.json does not name")


def test_archives_are_not_unpacked(mine: Path, tmp_path: Path) -> None:
    packed = tmp_path / "mine.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.json", "{}")
        archive.writestr("bomb", b"0" * 10_000_000, zipfile.ZIP_DEFLATED)
    tar = tmp_path / "mine.tar"
    with tarfile.open(tar, "w") as other:
        member = tarfile.TarInfo("../../evil.json")
        member.size = 2
        other.addfile(member, io.BytesIO(b"{}"))
    for path in (packed, tar):
        with pytest.raises(UserError, match="unpack archives"):
            find_submissions(path)
        (problem,) = verify(path, lambda *_: pytest.fail("nothing is looked up for it")).problems
        assert str(path) in problem
        record_text(mine, path.read_bytes())
        refused(mine, "record-0.json")
    assert not (tmp_path.parent / "evil.json").exists()


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe\x00", b"null", b"[]", b'"x"', b"{", b"\xef\xbb\xbf{}", b'{"a": "\\ud800"}']
)
def test_text_that_is_no_object(raw: bytes, mine: Path) -> None:
    record_text(mine, raw)
    refused(mine, "record-0.json")
    (mine / "submission.json").write_bytes(raw)
    refused(mine, "submission.json")


def test_a_megabyte_in_a_string_is_cut_where_it_is_shown(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(mine, submission(mine) | {"schema_version": "x" * 100_000})
    with pytest.raises(SystemExit):
        main(["verify", str(mine)])
    assert len(capsys.readouterr().out) < 5000


def lifetime_by_hand(content: dict[str, Any], gold: dict[str, np.ndarray]) -> float:
    """Lifetime accuracy once more, in plain Python, against the true classes."""
    rows = []
    for point in content["points"]:
        if point["final"]:
            scores = []
            for name in point["met"]:
                said = Packed(**point["predictions"][name]).array().tolist()
                scores.append(sum(a == b for a, b in zip(said, gold[name].tolist(), strict=True)) / len(said))
            rows.append(sum(scores) / len(scores))
    return sum(rows) / len(rows)


@pytest.fixture(scope="module")
def small_one(tmp_path_factory: pytest.TempPathFactory, small_stream: Path) -> tuple[Path, Path, dict[str, bytes]]:
    folder = handed_in(tmp_path_factory.mktemp("hostile") / "board", [honest(small_stream)])
    return folder, small_stream, {file.name: file.read_bytes() for file in folder.iterdir()}


# In ten parts, so that they are shared among the workers.
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_mutated_submissions(part: int, small_one: tuple[Path, Path, dict[str, bytes]]) -> None:
    """No traceback, and nothing accepted whose figures do not follow from its predictions and the true classes."""
    folder, stream, files = small_one
    known = facts(stream)
    told: list[int] = [0, 0]

    for seed in range(1000):
        drawn = random.Random(f"{part}/{seed}")
        record, claims = files["record-0.json"], files["submission.json"]
        honest_digest = drawn.random() < 0.9  # a forger knows how to compute a sha256
        if drawn.random() < 0.75:
            record = mutated(record, drawn)
        else:
            claims = mutated(claims, drawn)
        if honest_digest:
            before = hashlib.sha256(files["record-0.json"]).hexdigest().encode()
            claims = claims.replace(before, hashlib.sha256(record).hexdigest().encode())
        (folder / "record-0.json").write_bytes(record)
        (folder / "submission.json").write_bytes(claims)
        verdict = verify(folder, lambda *_: known)
        told[bool(verdict.problems)] += 1
        for problem in verdict.problems:
            assert str(folder) in problem
        if not verdict.problems:
            again = lifetime_by_hand(json.loads(record), dict(known.gold))
            # A figure whose name was changed is another's, and unverified; one that is claimed has to follow.
            told_once, told_mean = (json.loads(text)["figures"].get("lifetime_accuracy") for text in (record, claims))
            assert told_once is None or told_once == pytest.approx(again, abs=1e-12)
            assert told_mean is None or told_mean["mean"] == pytest.approx(again, abs=1e-12)

    assert sum(told) >= 1000
    assert told[1] > 0.5 * sum(told)  # most mutations do harm; some, of a title say, do none


def test_the_untouched_one_passes(small_one: tuple[Path, Path, dict[str, bytes]]) -> None:
    folder, stream, files = small_one
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    assert verify(folder, lambda *_: facts(stream)).problems == ()


def test_what_is_shown_of_an_accepted_one_is_printable(mine: Path) -> None:
    """Strings that no form bounds, such as a citation, may hold anything; whoever shows them escapes them."""
    text = (mine / "record-0.json").read_text()
    content = json.loads(text)
    content["configuration"]["model"]["title"] = f"{ESCAPE}<script>alert(1)</script>"
    record_text(mine, json.dumps(content))
    entry = read_submission(mine)
    assert ESCAPE in str(entry.records[0].configuration.model["title"])
    assert entry.records[0].names[0] == "kd-6l"
