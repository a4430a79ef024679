"""Pieces by name: clbench's own, those of installed packages, and those of a user's file.

A piece (a compression step, a strategy, a metric, a source of data) is one object in one file. clbench's own lie in one
package, a module each; other packages offer theirs through entry points; a file of one's own is named by ``--plugin``,
or in the environment variable ``CLBENCH_PLUGINS``, which worker processes inherit. Nothing lists them by hand.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import os
import pkgutil
import sys
import traceback
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from typing_extensions import Format, get_annotations

from clbench.errors import UserError, nearest
from clbench.schema.plugin_code import code_digest, raised_in, stray_import

Piece = TypeVar("Piece")
# Paths of files and names of modules, between them the system's separator of paths.
VARIABLE = "CLBENCH_PLUGINS"
_LOG = logging.getLogger("clbench")


@dataclass(frozen=True)
class Origin:
    """Where a piece that is not clbench's own comes from.

    Attributes:
        name: of the installed package, the module or the file.
        version: of a package or module what its author calls it; behind it, and alone of a file, 12 digits for its
            code, see :func:`clbench.schema.plugin_code.code_digest`.
    """

    name: str
    version: str


class Registry(Generic[Piece]):
    """All pieces of one kind.

    Args:
        kind: what one is called, for sentences.
        package: whose modules hold clbench's own.
        group: of the entry points of other packages.
        found: the pieces that a module defines, with their names.
    """

    def __init__(
        self, kind: str, package: str, group: str, found: Callable[[ModuleType], Iterator[tuple[str, Piece]]]
    ) -> None:
        self.kind, self.package, self.group = kind, package, group
        self._found = found
        self._installed: _Pieces[Piece] | None = None
        # By what CLBENCH_PLUGINS names: it may change while a process lives.
        self._with_files: dict[tuple[str, ...], _Pieces[Piece]] = {}

    def get(self, name: str) -> Piece:
        """The piece called ``name``.

        Raises:
            UserError: there is none; the sentence offers the nearest names.
        """
        pieces = self.all()
        if name not in pieces:
            raise UserError(f"no {self.kind} is called '{name}'; {nearest(name, pieces)}")
        return pieces[name]

    def all(self) -> dict[str, Piece]:
        """Every piece by its name, clbench's own first.

        Raises:
            UserError: a plug-in cannot be imported, or offers a name that is taken.
        """
        return self._pieces().by_name

    def origin(self, name: str) -> Origin | None:
        """Where a piece comes from; None for clbench's own."""
        return self._pieces().origins.get(name)

    def code(self, name: str) -> dict[str, str]:
        """What of a piece's code is part of a key: nothing of clbench's own, whose version is told anyway."""
        origin = self.origin(name)
        return {} if origin is None else {"plugin": f"{origin.name} {origin.version}"}

    def offered(self, module: ModuleType) -> list[str]:
        """The names of the pieces of this kind that a module defines."""
        return [name for name, _ in self._found(module)]

    def _pieces(self) -> _Pieces[Piece]:
        named = tuple(plugins())
        if named not in self._with_files:
            found = self._own().copy()
            for one in named:
                self._take(*plugin(one), found)
            self._with_files[named] = found
        for one in named:
            _tell_of_edits(one)
        return self._with_files[named]

    def _own(self) -> _Pieces[Piece]:
        if self._installed is None:
            found: _Pieces[Piece] = _Pieces({}, {})
            package = importlib.import_module(self.package)
            for own in pkgutil.iter_modules(package.__path__):
                self._take(importlib.import_module(f"{self.package}.{own.name}"), None, found)
            for point in entry_points(group=self.group):
                module = _imported(point)
                self._take(module, _distribution(point, module), found)
            self._installed = found
        return self._installed

    def _take(self, module: ModuleType, origin: Origin | None, into: _Pieces[Piece]) -> None:
        for name, piece in self._found(module):
            if into.by_name.get(name) is piece:  # a plug-in that has imported it
                continue
            if name in into.by_name:
                theirs = into.origins.get(name)
                article = "an" if self.kind[0] in "aeiou" else "a"
                raise UserError(
                    f"{origin.name if origin else module.__name__} offers {article} {self.kind} called '{name}', but "
                    f"{theirs.name if theirs else 'clbench'} has one of that name; give it another name."
                )
            if origin is not None:
                flaw = getattr(piece, "flaw", None)
                if flaw is not None and (told := flaw()) is not None:
                    raise UserError(f"{origin.name}: {told}.")
                into.origins[name] = origin
            into.by_name[name] = piece


@dataclass(frozen=True)
class _Pieces(Generic[Piece]):
    """Pieces by name, and where those come from that are not clbench's own."""

    by_name: dict[str, Piece]
    origins: dict[str, Origin]

    def copy(self) -> _Pieces[Piece]:
        return _Pieces(dict(self.by_name), dict(self.origins))


def forms(base: str, tag: str) -> Callable[[ModuleType], Iterator[tuple[str, Any]]]:
    """For a registry of forms: the subclasses of ``base`` that a module defines, by the literal value of ``tag``.

    Args:
        base: ``module:Class``.
        tag: the field that names the piece, as ``step`` does in a recipe.
    """

    def found(module: ModuleType) -> Iterator[tuple[str, Any]]:
        place, _, name = base.partition(":")
        parent = getattr(importlib.import_module(place), name)
        for one in vars(module).values():
            if not isinstance(one, type) or not issubclass(one, parent) or one.__module__ != module.__name__:
                continue
            annotation = vars(one)["__pydantic_fields__"][tag].annotation
            names = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
            if len(names) == 1:
                yield names[0], one
            # Python 3.14 makes a class's own annotations when they are asked for.
            elif names or tag in get_annotations(one, format=Format.FORWARDREF):
                raise UserError(
                    f"{Path(module.__file__ or module.__name__).name}: field '{tag}' of class {one.__name__} should "
                    f'be annotated with its name, {tag}: Literal["its_name"].'
                )

    return found


@dataclass(frozen=True)
class Chosen:
    """For ``Annotated``: a mapping in a YAML file becomes the registered form that its field ``tag`` names; with
    ``only``, the form of that name, which the mapping need not say again."""

    registry: Registry[Any]
    tag: str
    only: str | None = None

    @property
    def forms(self) -> tuple[type, ...]:
        """All that may stand there."""
        return tuple(self.registry.all().values()) if self.only is None else (self.registry.get(self.only),)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Asked anew at each validation: plug-ins may have come since the form was made. What is wrong inside a form is
        # told by pydantic with its place in the whole file.
        return core_schema.no_info_plain_validator_function(
            lambda content: _adapter(self.forms, self.tag).validate_python(content)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_adapter(self.forms, self.tag).core_schema)


@cache
def _adapter(forms: tuple[type, ...], tag: str) -> TypeAdapter[Any]:
    from pydantic import Field

    if len(forms) == 1:
        return TypeAdapter(forms[0])
    union: Any = typing.Union[forms]  # noqa: UP007
    return TypeAdapter(typing.Annotated[union, Field(discriminator=tag)])


def plugins() -> list[str]:
    """What ``CLBENCH_PLUGINS`` names, each once: paths of files, names of modules."""
    told = os.environ.get(VARIABLE, "")
    named = (one for one in told.split(os.pathsep) if one)
    # As :func:`add_plugins` names a file: one file is one plug-in, however it is named.
    whole = list(dict.fromkeys(str(Path(one).resolve()) if one.endswith(".py") else one for one in named))
    if (resolved := os.pathsep.join(whole)) != told and not any(os.pathsep in one for one in whole):
        # A path is meant from where the user stood when it was first read, whatever folder the process goes to later.
        os.environ[VARIABLE] = resolved
    return whole


@cache
def plugin(named: str) -> tuple[ModuleType, Origin]:
    """The module that ``--plugin`` names: the path of a Python file, or a module that can be imported.

    It runs: a plug-in is code that the user trusts.

    Raises:
        UserError: it is not there, or fails.
    """
    try:
        if named.endswith(".py"):
            path = Path(named)
            if not path.is_file():
                raise UserError(f"--plugin {named} does not exist; give the path of a Python file, or a module's name.")
            _check_imports(path)
            _note(named, path)
            return _module_in(path), Origin(path.name, code_digest(path, packaged=False))
        module = importlib.import_module(named)
        _note(named, Path(getattr(module, "__file__", None) or ""))
        return module, Origin(named, _version(getattr(module, "__version__", None), module))
    except UserError:
        raise
    except ModuleNotFoundError as error:
        what = "is" if error.name == named else f"needs the module '{error.name}', which is"
        hint = "; a file is named by its path, PATH/NAME.py" if error.name == named else ""
        raise UserError(f"--plugin {named} {what} not installed{hint}.") from error
    except (Exception, SystemExit) as error:
        # A stranger's code may raise anything; what it says is what its author needs.
        raise UserError(f"--plugin {named} cannot be imported: {_told(error, named)}.") from error


def _check_imports(path: Path) -> None:
    """Refuse a file one of whose imports fails when it comes to be run, which may be hours later."""
    try:
        stray = stray_import(path)
    except (SyntaxError, ValueError):  # told by whoever imports it
        return
    if stray is None:
        return
    line, name = stray
    if name.startswith("."):
        why = "a file by itself has no package; put its code into the file, or name the plug-in as PACKAGE.MODULE"
    else:
        why = "it lies beside the file, not on Python's path; put its code into the file, or the folder on PYTHONPATH"
    raise UserError(f"--plugin {path}, line {line}: '{name}' cannot be imported, since {why}.")


@dataclass
class _Read:
    """A plug-in's file, its sha256 when it was imported, and its time and size when it was looked at last."""

    file: Path
    digest: str
    stamp: tuple[int, int]


# By what plugins() names.
_READ: dict[str, _Read] = {}


def _note(named: str, file: Path) -> None:
    if file.is_file():
        _READ[named] = _Read(file, hashlib.sha256(file.read_bytes()).hexdigest(), _stamp(file))


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size


def _tell_of_edits(named: str) -> None:
    """Warn, once for each edit, that a plug-in's file is no longer what was imported.

    What was imported stays in use: objects of its classes may be at work, and keys name the code that runs.
    """
    read = _READ.get(named)
    try:
        if read is None or (stamp := _stamp(read.file)) == read.stamp:
            return
        read.stamp = stamp
        edited = hashlib.sha256(read.file.read_bytes()).hexdigest() != read.digest
    except OSError:  # it is gone, or being written
        return
    if edited:
        _LOG.warning(
            "clbench: warning: %s has changed since it was imported, and is used as it was then; restart Python to use "
            "it as it is now.",
            read.file,
        )


def failure(error: BaseException) -> str | None:
    """What a plug-in's code raised while it was at work, with its line, for a sentence; None of any other exception."""
    place = raised_in(error, [read.file for read in _READ.values()])
    said = " ".join(str(error).split()).rstrip(".")
    return place and f"{place[0]}, line {place[1]}: {type(error).__name__}{said and f': {said}'}"


def _version(told: Any, module: ModuleType) -> str:
    """What its author calls it, and the digest of its code: who is at work on it edits the files."""
    file = getattr(module, "__file__", None)
    digest = code_digest(Path(file)) if file and Path(file).is_file() else None
    return "+".join(str(part) for part in (told, digest) if part is not None) or "unknown"


def _module_in(path: Path) -> ModuleType:
    # By its content: on another machine, where the file lies elsewhere, what is pickled finds its class again.
    name = f"clbench_plugin_{path.stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None  # of a path that ends in .py
    module = importlib.util.module_from_spec(spec)
    # pydantic looks a form's annotations up in its module.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _told(error: BaseException, named: str) -> str:
    """What went wrong while a module was imported, with the line of its file where there is one."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == named]
    where = f", line {lines[-1]}" if lines and not isinstance(error, SyntaxError) else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def add_plugins(named: Sequence[str]) -> None:
    """Add what ``--plugin`` names, for this process and for those that it starts.

    Args:
        named: paths of Python files, names of modules.

    Raises:
        UserError: one of them is not there, or fails.
    """
    known = plugins()
    for one in named:
        whole = str(Path(one).resolve()) if one.endswith(".py") else one
        if os.pathsep in whole:
            raise UserError(f"--plugin {one}: the path should hold no '{os.pathsep}'; rename the folder.")
        plugin(whole)
        known += [] if whole in known else [whole]
    if known:
        os.environ[VARIABLE] = os.pathsep.join(known)


def _imported(point: EntryPoint) -> ModuleType:
    try:
        module = importlib.import_module(point.module)
        _note(point.module, Path(getattr(module, "__file__", None) or ""))
        return module
    except (Exception, SystemExit) as error:  # as of one that is named
        whose = point.dist.name if point.dist else point.module
        raise UserError(
            f"the plug-in {point.name} of {whose} cannot be imported: {type(error).__name__}: {error}."
        ) from error


def _distribution(point: EntryPoint, module: ModuleType) -> Origin:
    """The package that offers it. An editable install keeps its version while its code is edited."""
    if point.dist is None:
        return Origin(point.module, _version(None, module))
    return Origin(point.dist.name, _version(point.dist.version, module))
