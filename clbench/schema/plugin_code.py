"""The code of a plug-in, for keys: what its author edits makes other results."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Of no plug-in: Python's own modules and installed packages, whose versions tell what they are.
_PACKAGES = {"site-packages", "dist-packages"}
_INSTALLED = tuple(Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib"))


def code_digest(file: Path, packaged: bool = True) -> str:
    """12 hexadecimal digits for the code of the module in ``file``: the first of its sha256 where it stands alone.

    To it belong all modules of its package, and those that it imports, anywhere in the file, which are neither
    clbench's nor installed. What is imported by a name that is only known when it runs is not seen.

    Args:
        packaged: whether it is imported as a part of its package, not as a file by itself, which may lie anywhere.
    """
    files = {file.resolve()}
    left = [file.resolve(), *(_package(file.resolve()) if packaged else ())]
    files.update(left)
    while left:
        for found in _beside(left.pop()):
            if found not in files:
                files.add(found)
                left.append(found)
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    if len(files) == 1:
        return digests[file.resolve()][:12]
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


def _beside(file: Path) -> Iterator[Path]:
    """The other modules that a module imports by name."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # told by whoever imports it
        return
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names = [node.module]
        for name in {name.partition(".")[0] for name in names} - {"clbench"}:
            yield from _own_modules(name)


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


def _modules_in(folder: Path) -> Iterator[Path]:
    """All but those in hidden folders, such as a virtual environment."""
    for path in folder.rglob("*.py"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path.resolve()


def _installed(path: Path) -> bool:
    """In this interpreter's folders, or in another's that this one reads: a user's, a distribution's, a module's."""
    return any(path.is_relative_to(place) for place in _INSTALLED) or not _PACKAGES.isdisjoint(path.parts)
