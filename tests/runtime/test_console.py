"""What goes to the terminal: a stranger's text shows and does nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clbench.cli.main import main
from clbench.runtime import console

HOSTILE = ["\x1b[31mred", "\x1b]0;title\x07", "a\u202eb", "\x9b2J", "\x7f", "\x00", "\u2066x", "a\rb"]


def as_table(text: str) -> Table:
    table = Table(text, title=text)
    table.add_row(text, end_section=True)
    table.add_row(Text(text, style="bold"))
    return table


def test_bars_that_nobody_watches_are_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with console.progress() as bars:
        bars.update(bars.add_task("draw", total=2), completed=2)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", [str, Text, as_table], ids=["str", "text", "table"])
def test_no_control_character_reaches_the_terminal(
    text: str, form: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    console.out().print(form(text))
    console.out().rule(text)
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()


def test_markup_in_a_name_is_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    console.out().print("[red]a[/red] [link=x]b")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal, where bars are shown
    with console.progress() as bars:
        bars.add_task("[red]c[/red]\x1b[2J", total=1, unit="x")
    shown = capsys.readouterr()
    assert shown.out == "[red]a[/red] [link=x]b\n"
    assert "[red]c[/red]" in shown.err
    assert "\x1b[2J" not in shown.err


def test_styles_and_what_is_printable_stay(capsys: pytest.CaptureFixture[str]) -> None:
    console.out().print(Text("é 模型 ─ ⣿\n🎉", style="bold"))
    assert capsys.readouterr().out == "é 模型 ─ ⣿\n🎉\n"
    kind: type[Console] = type(console.out())
    styled = kind(force_terminal=True, color_system="standard", width=20)
    with styled.capture() as capture:
        styled.print(Text("a\x1b[2Jb", style="red"))
    assert capture.get() == "\x1b[31ma\\x1b[2Jb\x1b[0m\n"


@given(st.text(st.characters(), max_size=20))
def test_json_says_the_same_and_is_printable(text: str) -> None:
    with redirect_stdout(io.StringIO()) as file:
        console.print_json({"name": text, text: [text]})
    shown = file.getvalue()
    assert json.loads(shown) == {"name": text} | {text: [text]}
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\u202eb", "a\nb"])
def test_a_files_name_in_an_error_is_escaped(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["streams", f"./{text}.yaml"])
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()
