"""Names that look like a shipped one, and names that nobody sees."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from board_worlds import steady, submission
from hypothesis import given
from hypothesis import strategies as st
from submission_worlds import facts, handed_in, honest, refitted

from clbench.board.files import find_submissions, read_submission
from clbench.board.lookalikes import mistaken, name_problems, skeleton, unseen
from clbench.board.render import build, read_all
from clbench.board.verify import verify
from clbench.errors import UserError
from clbench.record import Record
from clbench.schema.shipped import names

SUBMISSIONS = Path(__file__).resolve().parents[2] / "leaderboard" / "submissions"
ALIKE = [
    ("kd-6I", "kd-6l"), ("kd-61", "kd-6l"), ("kd-6|", "kd-6l"), ("KD-6L", "kd-6l"), ("kd_6l", "kd-6l"),
    ("kd 6l", "kd-6l"), ("kd--6l", "kd-6l"), ("kd\u20116l", "kd-6l"), ("kd\u20136l", "kd-6l"), ("kd-6\u217c", "kd-6l"),
    ("\u041ad-6l", "kd-6l"), ("kd-\u04311", "kd-6l"), ("\uff4b\uff44-6l", "kd-6l"), ("\U0001d424d-6l", "kd-6l"),
    ("kd-6l\u0301", "kd-6l"), ("kd-6l\ufe0f", "kd-6l"), ("b0w", "bow"), ("bovv", "bow"), ("b\u043ew", "bow"),
    ("rnajority", "majority"), ("maj\u043erity", "majority"), ("majoriiy", None), ("Iottery-50", "lottery-50"),
    ("lottery-5O", "lottery-50"), ("rnagnitude-5o", "magnitude-50"), ("finetune-121", "finetune-12l"),
]  # fmt: skip
HONEST = [
    "my-bert-2", "kd-6l-wide", "bert", "bow2", "tiny", "kd-8l", "kd-66l", "modernbert-base-nli", "own", "Müllers-BERT",
    "模型-6", "модель", "نموذج", "kd", "6l", "dropout-20", "prune-middle-6l",
]  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), ALIKE)
def test_a_name_that_looks_like_a_shipped_recipe_s(name: str, meant: str | None) -> None:
    assert mistaken(name, names("model")) == meant


@pytest.mark.parametrize("name", HONEST)
def test_a_name_of_one_s_own(name: str) -> None:
    assert all(mistaken(name, names(kind)) is None for kind in ("model", "strategy", "stream", "backbone"))
    assert unseen(name) is None


@pytest.mark.parametrize("kind", ["model", "strategy", "stream", "backbone"])
def test_no_two_shipped_names_look_alike(kind: str) -> None:
    for name in names(kind):
        assert mistaken(name, [other for other in names(kind) if other != name]) is None
        assert mistaken(name, names(kind)) is None


@given(st.sampled_from(names("model")), st.data())
def test_look_alikes_of_unicode_s_own_table_are_seen(name: str, data: st.DataObject) -> None:
    """A letter of a shipped name in the place of which another stands that confusables.txt names with it."""
    from confusable_homoglyphs.confusables import confusables_data

    place = data.draw(st.sampled_from([p for p, c in enumerate(name) if c in confusables_data]))
    other = data.draw(st.sampled_from([one["c"] for one in confusables_data[name[place]]]))
    changed = name[:place] + other + name[place + 1 :]
    assert mistaken(changed, [name]) == (name if changed != name else None)


@given(st.text(max_size=30))
def test_a_skeleton_is_its_own(text: str) -> None:
    once = skeleton(text)
    assert skeleton(skeleton(once)) == skeleton(once)
    told = unseen(text)
    assert told is None or text.isprintable() or told.startswith(("holds", "has"))


UNSEEN = ["\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\u034f", "\u200b", "\u200d", "\u2060", "\u202e", "\u2066",
          "\u00ad", "\ufe0f", "\u180b", "\u17b4", "\U000e0100", "\U000e0041", "\u00a0", "\u2003", "\ue000",
          "\u061c"]  # fmt: skip


@pytest.mark.parametrize("character", UNSEEN)
def test_characters_that_do_not_show(character: str) -> None:
    for text in (character, f"A{character}", f"{character}A", f"A{character}B"):
        assert (unseen(text) or "").startswith(f"holds U+{ord(character):04X}")


@pytest.mark.parametrize("text", ["\u0301", " \u0301", "\u0301a", "a" + "\u0301" * 5, " a", "a ", "a  b", "  "])
def test_marks_and_spaces_alone(text: str) -> None:
    assert unseen(text) is not None


@pytest.mark.parametrize(
    "text", ["A. Person", "Müller & Söhne", "e\u0301", "Nguyễn Thị", "李雷", "עברית", "O'Neil", "R2", "?", "CC-BY-4.0"]
)
def test_names_of_people_show(text: str) -> None:
    assert unseen(text) is None


def changed(record: Record, part: str, name: Any) -> Record:
    told = record.configuration
    if part == "backbone":
        content: Any = told.backbone.model_copy(update={"name": name})
    else:
        content = getattr(told, part) | {"name": name}
    return refitted(record.model_copy(update={"configuration": told.model_copy(update={part: content})}))


@pytest.mark.parametrize(
    ("part", "name", "named"),
    [
        ("model", "kd-61", "looks like kd-6l and is not"),
        ("model", "kd-6l\u3164", r"kd-6l\\u3164, which holds U\+3164"),
        ("model", 5, "should be a text of 1 to 300"), ("model", "", "should be a text of 1 to 300"),
        ("strategy", "na\u0456ve", "looks like naive and is not"), ("strategy", "ewc\u2800", r"U\+2800"),
        ("backbone", "clbench-tiny-121", "looks like clbench-tiny-12l and is not"),
        ("stream", "nli_shift", "looks like nli-shift and is not"),
    ],
)  # fmt: skip
def test_a_record_s_names(part: str, name: Any, named: str, small_stream: Path) -> None:
    found = list(name_problems(None, changed(honest(small_stream), part, name)))
    assert len(found) >= 1
    assert f"field 'configuration.{part}.name'" in found[0]
    assert re.search(named, found[0]), found


@pytest.mark.parametrize(
    ("field", "text", "named"),
    [
        ("author", "cIbench", "looks like clbench and is not"), ("author", "\u0441lbench", "looks like clbench"),
        ("author", "\u3164", r"U\+3164"), ("author", "A\u2800", r"U\+2800"), ("licence", "MIT\ufe0f", r"U\+FE0F"),
        ("licence", "\u0301", "nothing but marks"),
    ],
)  # fmt: skip
def test_verify_build_and_submit_refuse_it(field: str, text: str, named: str, mine: Path, small_stream: Path) -> None:
    file = mine / "submission.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | {field: text}), encoding="utf-8")
    told = verify(mine, lambda *_: facts(small_stream)).problems
    assert any(f"field '{field}'" in one for one in told)
    with pytest.raises(UserError, match=named):
        read_all(mine.parent)
    given = {"author": "An author", "licence": "MIT"} | {field: text}
    with pytest.raises(UserError, match=named):
        submission(mine.parent.parent / "other", "new", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kd-61.small.naive", "b0w", "rnajority.x", "pkd-skip-6l"])
def test_a_submission_named_like_another_recipe(name: str, small_stream: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"field 'name' .*(looks like|begins with)"):
        handed_in(tmp_path / "board", [honest(small_stream)], name)
    handed_in(tmp_path / "board", [honest(small_stream)], "kd-6l.small.naive-2")


def test_two_names_for_the_same_answers(tmp_path: Path, small_stream: Path) -> None:
    """An encoder's predictions handed in twice; models without one, or of one class, may agree."""
    board = tmp_path / "board"
    handed_in(board, [honest(small_stream, seed) for seed in (0, 1)], "first")
    handed_in(board, [honest(small_stream, 1), honest(small_stream, 2)], "second", link="https://example.org")
    with pytest.raises(
        UserError, match=r"second: its record of seed 1 holds the same predictions as .* seed 1 in .*first"
    ):
        build(board, tmp_path / "out")
    answers: dict[bytes, tuple[Path, int]] = {}
    told = [
        verify(board / name, lambda *_: facts(small_stream), answers=answers).problems for name in ("first", "second")
    ]
    assert [len(one) for one in told] == [0, 1]
    assert "holds the same predictions" in told[1][0]
    # Another name for the recipe and other seeds change nothing of it.
    other = tmp_path / "other"
    submission(other, "one", steady(0.9), seeds=(0, 1), drawn=False, change=lambda made: made["cost"].update(depth=0))
    submission(other, "two", steady(0.9), seeds=(0, 1), drawn=False, change=lambda made: made["cost"].update(depth=0))
    assert len(read_all(other)) == 2


def test_the_shipped_board_s_names() -> None:
    for folder in find_submissions(SUBMISSIONS):
        entry = read_submission(folder, check=False)
        assert [list(name_problems(entry.submission, record)) for record in entry.records] == [[]] * len(entry.records)
