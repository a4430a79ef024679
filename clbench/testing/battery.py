"""What all batteries share: a named check, and how all of them are run."""

from __future__ import annotations

import os
import tempfile
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from clbench.errors import UserError
from clbench.schema.form import parse, shown, spelt

World = TypeVar("World")
# No field of a form takes this.
_NONSENSE = [[{"no such field": "nonsense"}]]


class CheckFailed(AssertionError):
    """A piece does not do what a check asks; the message says what it did instead."""


@dataclass(frozen=True)
class Check:
    """One thing that every piece of a kind has to do.

    Attributes:
        name: a few words joined by ``_``.
        about: what is asked, a sentence.
        run: does it; raises where the piece does not.
    """

    name: str
    about: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Run it, with a cache of its own.

        Raises:
            CheckFailed: the piece does not do what is asked, or fails otherwise.
        """
        try:
            with own_cache(), warnings.catch_warnings():
                # Of settings that no file could hold, see :func:`others`.
                warnings.filterwarnings("ignore", message="Pydantic serializer warnings")
                self.run()
        except CheckFailed:
            raise
        except Exception as error:
            raise CheckFailed(f"{type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return self.name


def checks_of(functions: Sequence[Callable[[World], None]], world: World) -> list[Check]:
    """A check for each function, called by its name; its docstring's first line says what it asks."""
    return [
        Check(one.__name__, (one.__doc__ or "").strip().partition("\n")[0], lambda one=one: one(world))  # type: ignore[misc]
        for one in functions
    ]


def run_all(checks: Sequence[Check]) -> None:
    """Run every check, also after one has failed.

    Raises:
        CheckFailed: some have failed; a line for each, with its name.
    """
    failed = []
    for check in checks:
        try:
            check()
        except CheckFailed as error:
            failed.append(f"{check.name}: {error}")
    if failed:
        raise CheckFailed("\n".join([f"{len(failed)} of {len(checks)} checks failed:", *failed]))


def expect(holds: bool, sentence: str) -> None:
    """Raise :class:`CheckFailed` with ``sentence`` unless it holds."""
    if not holds:
        raise CheckFailed(sentence)


@contextmanager
def own_cache() -> Iterator[Path]:
    """An empty cache for the time of a ``with`` block, so that nothing comes from the user's or gets into it."""
    before = os.environ.get("CLBENCH_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLBENCH_CACHE"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["CLBENCH_CACHE"]
            else:
                os.environ["CLBENCH_CACHE"] = before


def check_refusals(form: BaseModel, tag: str) -> None:
    """That a form refuses nonsense in each of its fields, and a field that it does not have, in a sentence.

    Args:
        form: an example that is right.
        tag: the field that names the piece, which is not changed.

    Raises:
        CheckFailed: something is taken, or the sentence does not name the field.
    """
    content = form.model_dump(mode="json", by_alias=True)
    for field in [*(name for name in spelt(type(form)) if name != tag), "no_such_setting"]:
        try:
            parse({**content, field: _NONSENSE}, type(form), "example.yaml")
        except UserError as error:
            expect(field in str(error), f"the sentence about a wrong {field} should name the field, but is: {error}")
        else:
            raise CheckFailed(f"the field {field} should refuse {shown(_NONSENSE)}, but takes it")


def check_reads_back(form: BaseModel) -> None:
    """That a form can be read again from what a record holds of it.

    Raises:
        CheckFailed: another form comes back.
    """
    content = form.model_dump(mode="json", by_alias=True)
    again = parse(content, type(form), "record.json")
    same = again.model_dump(mode="json", by_alias=True) == content  # in JSON every key is text
    expect(same, f"what a record holds of it, {shown(content)}, should read back as the same settings")


def others(form: BaseModel, field: str, more: Sequence[Any] = ()) -> Iterator[BaseModel]:
    """The same form with other values in one field: those that it takes, or where it takes none by itself (a field that
    goes with another), as they are.

    Args:
        form: an example.
        field: as Python spells it.
        more: values to try first.
    """
    spelling, annotation = type(form).model_fields[field].alias or field, type(form).model_fields[field].annotation
    content = form.model_dump(mode="json", by_alias=True)
    valid, forced = [], []
    # For a field that holds nothing, what another one of the same type holds.
    kinds = {type(value).__name__: content[name] for name, value in form if isinstance(value, BaseModel)}
    like = [kinds[kind.__name__] for kind in typing.get_args(annotation) if getattr(kind, "__name__", "") in kinds]
    for value in (*more, *like, *_values(getattr(form, field), annotation)):
        if value == content.get(spelling):
            continue
        try:
            valid.append(parse({**content, spelling: value}, type(form), ""))
        except UserError:
            forced.append(form.model_copy(update={field: value}))
    yield from valid or forced


def _values(value: Any, annotation: Any) -> Iterator[Any]:
    """Candidates for another value than ``value``, as YAML would hold them."""
    if isinstance(value, BaseModel):
        content = value.model_dump(mode="json", by_alias=True)
        for name in type(value).model_fields:
            for other in others(value, name):
                if type(other).model_validate(other.model_dump()) == other:
                    yield content | other.model_dump(mode="json", by_alias=True)
        return
    for choice in _choices(annotation):
        if choice != value:
            yield choice
    if isinstance(value, bool) or value is None:
        yield from (True, False)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (value / 2, 2 * value, value + 0.125) if isinstance(value, float) else (value + 1, value - 1)
    if isinstance(value, str):
        yield f"{value}x"
    if isinstance(value, list | tuple):
        yield from (list(value[1:]), list(reversed(value)))
    if isinstance(value, Mapping):
        yield {name: value[name] for name in list(value)[1:]}
    yield from (1, 2, 0.25, 0.5, ["a", "b"], [1, 2], "x", None)


def _choices(annotation: Any) -> Iterator[Any]:
    """The words that an annotation names."""
    if typing.get_origin(annotation) is typing.Literal:
        yield from typing.get_args(annotation)
    else:
        for part in typing.get_args(annotation):
            yield from _choices(part)
