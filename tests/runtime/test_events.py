"""What happens is told to whoever listens, and to nobody else."""

from __future__ import annotations

import json

import pytest

from clbench.runtime import console, events
from clbench.runtime.events import Event, listening, prefixed


def happen() -> None:
    events.start("teach", unit="pairs")
    events.advance("teach", 3, 10, "pairs", note="slow")
    events.figures("teach", {"accuracy/a": 0.5}, step=7)
    events.end("teach")


def test_listeners_hear_what_happens_within_their_block_alone() -> None:
    one: list[Event] = []
    two: list[Event] = []
    happen()
    with listening(one.append):
        happen()
        with listening(two.append), prefixed("seed 1: "), prefixed("x: "):
            happen()
    happen()
    assert [event.kind for event in one] == ["start", "advance", "figures", "end"] * 2
    assert one[1] == Event("advance", "teach", 3, 10, "pairs", note="slow")
    assert one[2] == Event("figures", "teach", figures={"accuracy/a": 0.5}, step=7)
    assert two == one[4:]
    assert {event.task for event in two} == {"seed 1: x: teach"}


def test_a_listener_that_raises_ends_what_it_listens_to() -> None:
    def refuse(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(refuse):
        happen()
    happen()


def test_json_lines_are_events_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress(json_lines=True):
        events.start("teach", unit="pairs")
        for done in range(1, 101):
            events.advance("teach", done, 100, "pairs")
        events.figures("teach", {"accuracy/a": 0.5}, step=7)
        events.end("teach")
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.err.splitlines()]
    assert shown.out == ""
    assert all(line.pop("time") > 0 for line in lines)
    assert lines[0] == {"kind": "start", "task": "teach", "unit": "pairs"}
    # Of a hundred steps within a second, few are told; the last one always is.
    assert 2 <= len([line for line in lines if line["kind"] == "advance"]) < 10
    assert lines[-3] == {"kind": "advance", "task": "teach", "done": 100, "total": 100, "unit": "pairs"}
    assert lines[-2] == {"kind": "figures", "task": "teach", "figures": {"accuracy/a": 0.5}, "step": 7}
    assert lines[-1] == {"kind": "end", "task": "teach"}


def test_bars_say_what_came_from_the_cache(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if somebody watched
    with console.progress() as display:
        events.start("there", unit="pairs")
        events.start("made", unit="pairs")
        events.advance("made", 5, 5, "pairs")
        events.end("there")
        events.end("made")
        assert [task.description for task in display.tasks] == ["there: from the cache", "made"]
        assert [(task.completed, task.total) for task in display.tasks] == [(1, 1), (5, 5)]
        # The same name once more is a task of its own.
        events.advance("made", 1, 5, "pairs")
        assert len(display.tasks) == 3
    capsys.readouterr()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed; a test sets them."""
    now = [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_json_lines_hold_warnings_and_losses_that_diverge(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress(json_lines=True):
        events.training("teach", {"loss": float("nan"), "learning_rate": 0.1}, step=3)
        events.log.warning("clbench: warning: %s could not log", "wandb\x1b[2J")
    lines = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["figures"] == {"loss": None, "learning_rate": 0.1}
    assert (lines[1]["kind"], lines[1]["note"]) == ("warning", "wandb\\x1b[2J could not log")
    assert events.log.handlers == []
    assert events.log.propagate


def test_where_nobody_watches_a_line_is_told_in_time(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    """The log of a job says what is done when it is done, not when all is over."""

    def said() -> list[str]:
        return capsys.readouterr().err.splitlines()

    with console.progress():
        events.start("train", unit="examples")
        assert said() == []
        events.advance("train", 0, 6000, "examples")
        assert said() == ["train: 0 of 6,000 examples"]
        clock[0] += 29
        events.advance("train", 2900, 6000, "examples")
        assert said() == []
        clock[0] += 1
        events.advance("train", 3000, 6000, "examples", note="slow")
        assert said() == ["train, slow: 3,000 of 6,000 examples, 100 examples/s, 0:00:30 left"]
        clock[0] += 20
        events.advance("train", 6000, 6000, "examples")
        assert said() == ["train: 6,000 of 6,000 examples, 120 examples/s, in 0:00:50"]
        events.advance("train", 6000, 6000, "examples")
        events.end("train")
        assert said() == []
        # The same name once more is a task of its own.
        events.advance("train", 1, 2, "examples")
        assert said() == ["train: 1 of 2 examples"]
    assert said() == []


def test_slow_things_and_those_of_unknown_length_are_told_too(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with console.progress():
        for done in range(3):
            events.advance("study", done, 25, "models")
            clock[0] += 120
        events.advance("look", 1)
        events.end("look")
        events.start("teacher")
        events.end("teacher")
        events.figures("study", {"accuracy/a": 0.5})
    assert capsys.readouterr().err.splitlines() == [
        "study: 0 of 25 models",
        "study: 1 of 25 models, 0:48:00 left",
        "study: 2 of 25 models, 0:46:00 left",
        "look: 1",
        "look: 1, in 0:00:00",
        "teacher: from the cache",
    ]


def test_what_was_there_already_does_not_shorten_the_time_left(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    """Ten of twelve models from the cache, in a second each, and five minutes for each of the others."""
    with console.progress():
        for done in range(11):
            events.advance("study", done, 12, "models")
            clock[0] += 1
        clock[0] += 299
        events.advance("study", 11, 12, "models")
    assert capsys.readouterr().err.splitlines() == ["study: 0 of 12 models", "study: 11 of 12 models, 0:05:00 left"]


def test_a_quiet_display_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress(quiet=True):
        happen()
    assert capsys.readouterr() == ("", "")
