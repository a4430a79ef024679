"""Warnings: what each one says, what a record shows without having been told, and how seeds are put together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from record_worlds import pieces, record

from clbench.record import (
    RECORD_NAME,
    Record,
    RunParts,
    RunWarning,
    make_record,
    read_record,
    warning_sentences,
    write_record,
)
from clbench.schema.warning import SENTENCES

MET = RunWarning(kind="met_in_training", domain="alpha", count=200, total=200, names=("alpha", "beta"))
ALL = {
    "met_in_training": (
        MET,
        "alpha: test examples that also stand in training or validation examples of alpha, beta: 200 of 200 (100%).",
    ),
    "one_class": (
        RunWarning(kind="one_class", domain="beta", names=("train", "same")),
        "beta: every example of its train part has one label, same.",
    ),
    "predicts_one_class": (
        RunWarning(kind="predicts_one_class", domain="a", experience=0, names=("a", "x", "b", "y", "c", "y")),
        "a: the model predicts one class for every test example, though it was trained on this domain: x after a; "
        "y after b, c.",
    ),
    "empty_texts": (
        RunWarning(kind="empty_texts", domain="a", count=1, total=2000),
        "a: examples with an empty text: 1 of 2,000 (less than 1%).",
    ),
    "label_conflict": (
        RunWarning(kind="label_conflict", domain="a", count=4, total=100),
        "a: examples whose texts also stand with another label: 4 of 100 (4%).",
    ),
    "no_gold": (
        RunWarning(kind="no_gold", domain="a", count=3, total=10, names=("-1", "empty")),
        "a: rows that were dropped because nobody labelled them; their label is -1, empty: 3 of 10 (30%).",
    ),
    "cut_pairs": (
        RunWarning(kind="cut_pairs", domain="rte", count=36, total=300, limit=128),
        "rte: examples longer than 128 tokens, which were cut: 36 of 300 (12%).",
    ),
    "busy_machine": (
        RunWarning(kind="busy_machine", count=61, total=100),
        "other processes were at work while latency and throughput were measured, so these say little about the model.",
    ),
    "quoted_columns": (
        RunWarning(kind="quoted_columns", domain="a", names=("d/train.tsv", "premise", "hypothesis")),
        "a: d/train.tsv has every field in quotes in column premise, hypothesis, and the quotes were read as text; "
        "give 'quoting: minimal' under 'folder' in the domain's file if a spreadsheet wrote it.",
    ),
    "quotes_behind_spaces": (
        RunWarning(kind="quotes_behind_spaces", domain="a", names=("d/train.csv", "text")),
        "a: d/train.csv has a space before the quotes around the fields of column text, so the quotes were read as "
        "text; take the spaces out if they are no part of the text.",
    ),
}


def test_each_kind_is_one_sentence() -> None:
    assert set(ALL) <= set(SENTENCES)
    for warning, sentence in ALL.values():
        assert warning.sentence == sentence
    # Also where a stranger's record gives a kind nothing to speak of.
    for kind in SENTENCES:
        assert RunWarning(kind=kind).sentence.endswith(".")


def test_a_kind_of_a_newer_clbench_is_shown_as_it_is() -> None:
    assert (
        RunWarning(kind="too_hot", domain="a", count=3, total=4, names=("x",)).sentence
        == "a: too hot, 3 of 4 (75%): x."
    )
    assert RunWarning(kind="too_hot").sentence == "too hot."


@pytest.mark.parametrize(
    "wrong", [{"kind": "No Kind"}, {"count": -1}, {"domain": "a\x1b[31m"}, {"names": ("b\n",)}, {"text": "mine"}]
)
def test_a_strangers_warning_keeps_to_the_form(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RunWarning.model_validate({"kind": "one_class"} | wrong)


def test_a_record_without_warnings_is_what_it_was(tmp_path: Path) -> None:
    made = record()
    assert made.warnings == ()
    assert "warnings" not in made.model_dump(mode="json")
    assert "warnings" not in json.loads(write_record(tmp_path, made).read_text())
    assert read_record(tmp_path) == made
    assert "warnings" not in made.without_times()


def test_a_record_with_warnings_is_read_back(tmp_path: Path) -> None:
    made = make_record(RunParts(**pieces(), warnings=[MET]))
    write_record(tmp_path, made)
    assert json.loads((tmp_path / RECORD_NAME).read_text())["warnings"][0]["names"] == ["alpha", "beta"]
    assert read_record(tmp_path).warnings == (MET,)
    assert made.warnings_again() == (MET,)


def test_that_the_machine_was_busy_is_no_part_of_what_a_repetition_gives() -> None:
    quiet, busy = (make_record(RunParts(**pieces(), warnings=[MET, *more])) for more in ([], [ALL["busy_machine"][0]]))
    assert busy.without_times() == quiet.without_times()
    assert len(busy.warnings) == 2
    alone = make_record(RunParts(**pieces(), warnings=[ALL["busy_machine"][0]]))
    assert alone.without_times() == record().without_times()
    # Seeds that had more and less of the processor are one line.
    other = make_record(RunParts(**pieces(seed=1), warnings=[ALL["busy_machine"][0].model_copy(update={"count": 9})]))
    assert warning_sentences([alone, other]) == [ALL["busy_machine"][1]]


def one_class_after_beta(**more: Any) -> Record:
    """After beta the model calls everything class-1, also what it has not met; the bias alone cannot do otherwise."""
    parts = pieces(inside=0) | more
    for name, found in parts["points"][1].predictions.items():
        parts["points"][1].predictions[name] = np.ones_like(found)
    return make_record(RunParts(**parts))


def test_one_class_is_seen_in_the_predictions() -> None:
    seen = [
        RunWarning(kind="predicts_one_class", domain=name, experience=1, names=("beta", "class-1"))
        for name in ("alpha", "beta")
    ]
    made = one_class_after_beta()
    assert list(made.warnings) == seen
    # An old record holds none, and is read the same; one that denies it is not believed.
    assert list(made.model_copy(update={"warnings": ()}).warnings_again()) == seen
    denied = tuple(warning.model_copy(update={"names": ()}) for warning in seen)
    assert list(made.model_copy(update={"warnings": denied}).warnings_again()) == seen


def test_a_bias_alone_is_not_blamed() -> None:
    assert one_class_after_beta(cost=pieces()["cost"] | {"parameters": 2}).warnings == ()


def test_what_an_old_records_data_show() -> None:
    parts = pieces()
    parts["domains"][0].data.source["test_pairs_met_before"] = 7
    parts["domains"][1].data.source["test_pairs_met_before"] = 0
    total = len(parts["domains"][0].data.splits["test"])
    made = make_record(RunParts(**parts)).model_copy(update={"warnings": ()})
    met = RunWarning(kind="met_in_training", domain="alpha", count=7, total=total, names=("alpha",))
    assert made.warnings_again() == (met,)
    # A newer record knows more of the same, which is not said twice.
    assert made.model_copy(update={"warnings": (MET,)}).warnings_again() == (MET,)


def test_a_test_part_of_one_class_is_seen() -> None:
    parts = pieces(inside=0)
    delta = parts["domains"][3].data.splits["test"]
    delta.labels[:] = 0
    seen = make_record(RunParts(**parts)).model_copy(update={"warnings": ()}).warnings_again()
    assert seen == (RunWarning(kind="one_class", domain="delta", names=("test", "class-0")),)


def test_seeds_say_the_same_thing_once() -> None:
    seeds = [make_record(RunParts(**pieces(seed=seed), warnings=[MET])) for seed in range(3)]
    extra = ALL["cut_pairs"][0].model_copy(update={"domain": "beta"})
    seeds[2] = make_record(RunParts(**pieces(seed=2), warnings=[MET, extra]))
    assert warning_sentences(seeds) == [MET.sentence, f"{extra.sentence} (seed 2)"]
    assert warning_sentences(seeds[:1]) == [MET.sentence]
    assert warning_sentences([record()]) == []


def test_few_test_examples_are_seen() -> None:
    # The domains have 5, 8, 11 and 14.
    made = make_record(RunParts(**pieces(size=3))).model_copy(update={"warnings": ()})
    few = [(told.domain, told.count) for told in made.warnings_again() if told.kind == "few_test_examples"]
    assert few == [("alpha", 5), ("beta", 8)]
