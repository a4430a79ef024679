"""How large a piece of clbench may be. What breaks a rule today is listed here; the lists only get shorter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, PARAMETERS = 400, 60, 7

LONG_MODULES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
MANY_PARAMETERS: set[str] = set()


def _modules() -> Iterator[tuple[str, str]]:
    """Name and text of every module; generators hold data, and are exempt."""
    for path in sorted((ROOT / "clbench").rglob("*.py")):
        name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        if not name.startswith("clbench.data.generators."):
            yield name, path.read_text(encoding="utf-8")


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function and method, also those inside others, as ``module:name``."""
    for module, text in _modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}:{node.name}", node


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines, the signature's included; the docstring's and the decorators' are not counted."""
    first = function.body[0]
    told = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many there are, self and cls apart; 0 of click's commands, whose parameters are the command's options, and of
    the verbs of clbench.api, whose parameters are the same."""
    decorators = map(ast.unparse, function.decorator_list)
    if any(
        ".command(" in decorator or decorator.startswith(("click.option(", "with_bars")) for decorator in decorators
    ):
        return 0
    found = function.args
    names = [one.arg for one in (*found.posonlyargs, *found.args, *found.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")]) + bool(found.vararg) + bool(found.kwarg)


def _check(broken: set[str], known: set[str], rule: str) -> None:
    assert broken <= known, f"{rule}: {', '.join(sorted(broken - known))}"
    assert known <= broken, f"take out of the list of {rule}: {', '.join(sorted(known - broken))}"


def test_no_module_is_long() -> None:
    broken = {name for name, text in _modules() if len(text.splitlines()) > MODULE_LINES}
    _check(broken, LONG_MODULES, f"modules of more than {MODULE_LINES} lines")


def test_no_function_is_long() -> None:
    broken = {name for name, function in _functions() if _lines(function) > FUNCTION_LINES}
    _check(broken, LONG_FUNCTIONS, f"functions of more than {FUNCTION_LINES} lines")


def test_no_function_has_many_parameters() -> None:
    broken = {name for name, function in _functions() if _parameters(function) > PARAMETERS}
    _check(broken, MANY_PARAMETERS, f"functions of more than {PARAMETERS} parameters")


@pytest.mark.parametrize(
    ("source", "lines", "parameters"),
    [
        ("def f(self, a, *, b=1):\n    return a", 2, 2),
        ('def f(a, *rest, **more):\n    """Two\n    lines."""\n    return a', 2, 3),
        ("@click.command()\ndef f(a, b):\n    pass", 2, 0),
        ("@with_bars\ndef f(a, b):\n    pass", 2, 0),
    ],
)
def test_what_is_counted(source: str, lines: int, parameters: int) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert (_lines(function), _parameters(function)) == (lines, parameters)
