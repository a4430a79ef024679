"""What the documentation shows: YAML that is read, Python that runs, commands whose options there are."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from markdown_it import MarkdownIt
from record_worlds import record

import clbench
from clbench.cli.main import cli
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.recipe import Recipe
from clbench.schema.registry import VARIABLE, add_plugins
from clbench.schema.shipped import FOLDERS, names
from clbench.schema.strategy import read_strategy
from clbench.schema.stream import Stream
from clbench.schema.sweep import Sweep
from clbench.testing.__main__ import command as batteries

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "plugins" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
# A field that a form alone has tells which one a YAML block is.
FORMS = {"steps": Recipe, "domains": Stream, "folder": Domain, "hub": Domain, "recipes": Sweep}


@dataclass(frozen=True)
class Block:
    """Code in a page: its language ("" of a word in a sentence), its text, and the line where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks() -> list[Block]:
    found = []
    for page in PAGES:
        for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
            line = 1 + (token.map or [0])[0]
            if token.type == "fence":
                found.append(Block(page, line, token.info, token.content))
            found += [
                Block(page, line, "", child.content) for child in token.children or () if child.type == "code_inline"
            ]
    return found


BLOCKS = _blocks()


def _of(*languages: str) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in BLOCKS if block.language in languages]


def test_every_language_is_one_that_is_checked() -> None:
    assert {block.language for block in BLOCKS} == {"", "python", "sh", "yaml"}


@pytest.mark.parametrize("block", _of("yaml"))
def test_yaml_is_read(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"{re.findall(r'^name: ([-a-z0-9]+)', block.text, re.M)[0]}.yaml"
    path.write_text(block.text, encoding="utf-8")
    if re.search(r"^method:", block.text, re.M):
        read_strategy(str(path))
        return
    # A page that shows a step shows a recipe with it as well.
    steps = [one for one in BLOCKS if one.page == block.page and re.search(r"^    step: Literal", one.text, re.M)]
    for number, one in enumerate(steps):
        (tmp_path / f"step_{number}.py").write_text(one.text, encoding="utf-8")
    monkeypatch.setenv(VARIABLE, "")
    add_plugins([str(file) for file in sorted(tmp_path.glob("step_*.py"))])
    (form,) = {form for field, form in FORMS.items() if re.search(rf"^{field}:", block.text, re.M)}
    read_yaml(path, form)


@pytest.mark.parametrize("block", _of("python"))
def test_python_runs(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment that ends in ``= NUMBER`` is what the line's expression gives. The run is one that has been made."""
    monkeypatch.setattr(clbench, "run", lambda **_: record(), raising=False)
    monkeypatch.setattr(clbench, "read_record", lambda _: record(), raising=False)
    scope: dict[str, Any] = {"__name__": "documentation"}
    lines = block.text.splitlines()
    for statement in ast.parse(block.text).body:
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), str(block), "exec"), scope)
            continue
        source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        value = eval(source, scope)
        told = re.search(r"#.* = (-?[0-9.]+)$", source)
        if told is not None:
            assert value == pytest.approx(float(told[1])), source


def _commands(block: Block) -> list[list[str]]:
    """The words of each command of a shell block, or of a command in a sentence."""
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "clbench.cli.main" in words:
            words = ["clbench", *words[words.index("clbench.cli.main") + 1 :]]
        if words[:2] == ["python", "-m"]:
            words = words[2:]
        if words and words[0] in ("clbench", "clbench.testing", "make"):
            found.append(words)
    return found


def _parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Read a command's words as click would, without opening what they name.

    Raises:
        click.ClickException: no such command, no such option, or an option without its value.
    """
    context = click.Context(command, parent=parent, info_name=command.name)
    given, rest, _ = command.make_parser(context).parse_args(words)
    for kind in FOLDERS.keys() & given.keys():
        if re.fullmatch(r"[a-z0-9-]+", str(given[kind])):
            assert given[kind] in names(kind)
    if isinstance(command, click.Group) and rest:
        _, below, rest = command.resolve_command(context, rest)
        assert below is not None, f"no command {words[0]}"
        _parse(below, rest, context)


@pytest.mark.parametrize(
    "block",
    [*_of("sh"), *(case for case in _of("") if case.values[0].text.startswith(("clbench ", "make ")))],  # type: ignore[union-attr]
)
def test_commands_have_these_options(block: Block) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    found = _commands(block)
    assert found
    for program, *words in found:
        if program == "make":
            assert words[0] in targets
        else:
            _parse(batteries if program == "clbench.testing" else cli, words)


def test_an_option_that_is_not_there_is_found() -> None:
    block = Block(PAGES[0], 1, "sh", "clbench run --modle x  # a comment\n")
    with pytest.raises(click.NoSuchOption):
        _parse(cli, _commands(block)[0][1:])


def test_the_curves_at_the_top_of_the_readme_are_those_of_the_board(tmp_path: Path) -> None:
    from matplotlib.image import imread

    from clbench.comparison import read_models
    from clbench.plots.overlay import overlay, overlay_picture

    (shown,) = re.findall(r"!\[[^]]*\]\((docs/pictures/[^)]*)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    board = ROOT / "leaderboard" / "submissions"
    paths = [board / f"{m}.nli-shift.{s}" for m in ("finetune-12l", "pkd-skip-6l") for s in ("naive", "replay")]
    models = read_models(paths, check=False)
    drawn = overlay_picture(overlay([(model.name, model.records) for model in models]), tmp_path / "now")
    there, now = imread(ROOT / shown), imread(drawn[0])
    assert there.shape == now.shape
    # Not every release of matplotlib smooths a line's edge alike.
    assert (there != now).any(axis=-1).mean() < 0.001
