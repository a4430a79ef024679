"""The code of a plug-in, for keys: what its author edits makes other results."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

# Of no plug-in: Python's own modules and installed packages, whose versions tell what they are.
_PACKAGES = {"site-packages", "dist-packages"}
_INSTALLED = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib"))

# In the head of an `if` or a `with` around an import that need not succeed.
_CONDITIONS = ("TYPE_CHECKING", "__name__", "find_spec", "suppress")


def code_digest(file: Path, packaged: bool = True) -> str:
    """12 hexadecimal digits for the code of the module in ``file``: the first of its sha256 where it stands alone.

    To it belong all modules of its package, and those that it imports, anywhere in the file, which are neither
    clbench's nor installed. What is imported by a name that is only known when it runs is not seen.

    Args:
        packaged: whether it is imported as a part of its package, not as a file by itself, which may lie anywhere.
    """
    first = file.resolve()
    left = [first, *(_package(first) if packaged else ())]
    files = set(left)
    while left:
        one = left.pop()
        # A file by itself has no package: what it imports from one fails.
        for found in _beside(one, relative=packaged or one != first):
            if found not in files:
                files.add(found)
                left.append(found)
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    if len(files) == 1:
        return digests[first][:12]
    # By content, wherever the files lie: the same code on another machine is the same.
    joined = "\n".join(sorted(f"{path.name} {digest}" for path, digest in digests.items()))
    return hashlib.sha256(joined.encode()).hexdigest()[:12]


def _package(file: Path) -> Iterator[Path]:
    """The modules of the whole package that a module is in."""
    folder = file.parent
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    if (folder / "__init__.py").is_file():
        yield from _modules_in(folder)


def _beside(file: Path, relative: bool) -> Iterator[Path]:
    """The other modules that a module imports by name, and by their place in its package where ``relative``."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # told by whoever imports it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level > 0 and relative:
            yield from _in_package(file, node)
        for name in set(_imported_by(node)) - {"clbench"}:
            yield from _own_modules(name)


def _imported_by(node: ast.AST) -> Iterator[str]:
    """The first parts of the names that ``import a.b`` and ``from a.b import c`` import."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        yield node.module.partition(".")[0]


def _in_package(file: Path, node: ast.ImportFrom) -> Iterator[Path]:
    """The modules that ``from .a import b`` reaches, where no ``__init__.py`` makes a package of the folder either."""
    if node.level > len(file.parents):
        return
    folder = file.parents[node.level - 1]
    places = [folder]
    for part in (node.module or "").split("."):
        places += [places[-1] / part] if part else []
    for place in places:  # Python runs the packages on the way as well
        if (place / "__init__.py").is_file():
            yield (place / "__init__.py").resolve()
    inner = places[-1]
    for place in (inner, *(inner / alias.name for alias in node.names)):
        module = place.with_name(f"{place.name}.py")
        if place != folder and module.is_file():
            yield module.resolve()
        elif place != folder and place.is_dir():
            yield from _modules_in(place)


def _own_modules(name: str) -> Iterator[Path]:
    """The modules that ``import name`` reaches, where they are not installed."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        for place in spec.submodule_search_locations:
            if not _installed(Path(place).resolve()):
                yield from _modules_in(Path(place).resolve())
    elif spec.origin is not None and spec.origin.endswith(".py") and not _installed(Path(spec.origin).resolve()):
        yield Path(spec.origin).resolve()


def raised_in(error: BaseException, files: Iterable[Path]) -> tuple[Path, int] | None:
    """The innermost line of one of ``files``, or of its package, that an exception came through; None for none."""
    code = {place for file in files for place in (file.resolve(), *_package(file.resolve()))}
    lines = [(Path(frame.filename).resolve(), frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    return next(((path, line) for path, line in reversed(lines) if path in code), None)


def stray_import(file: Path) -> tuple[int, str] | None:
    """The first import of a plug-in's file that fails wherever it is run, with its line: of a module that lies beside
    it but not on Python's path, or by a place in a package, which a file by itself has not.

    An import that may fail, in a ``try`` with an ``except`` or under ``suppress``, is its author's business, and so is
    one in a file that changes ``sys.path``.
    """
    tree = ast.parse(file.read_bytes())
    if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path" for node in ast.walk(tree)):
        return None
    for node in _due(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            return node.lineno, "." * node.level + (node.module or "")
        for name in _imported_by(node):
            beside = (file.parent / f"{name}.py").is_file() or any((file.parent / name).glob("*.py"))
            if beside and not _found(name):
                return node.lineno, name
    return None


def _due(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below that is not under a condition of whether a module is there, in order."""
    for inner in ast.iter_child_nodes(node):
        asked: list[ast.expr] = []
        if isinstance(inner, ast.If):
            asked = [inner.test]
        elif isinstance(inner, ast.With):
            asked = [item.context_expr for item in inner.items]
        guarded = any(word in ast.unparse(one) for one in asked for word in _CONDITIONS)
        if not guarded and not (isinstance(inner, ast.Try) and inner.handlers):
            yield inner
            yield from _due(inner)


def _found(name: str) -> bool:
    """Whether ``import name`` would find a module."""
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
    except ValueError:  # of one that is there without a specification, such as __main__
        return True


def _modules_in(folder: Path) -> Iterator[Path]:
    """All but those in hidden folders, such as a virtual environment."""
    for path in folder.rglob("*.py"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path.resolve()


def _installed(path: Path) -> bool:
    """In this interpreter's folders, or in another's that this one reads: a user's, a distribution's, a module's."""
    return any(path.is_relative_to(place) for place in _INSTALLED) or not _PACKAGES.isdisjoint(path.parts)
