"""Where the YAML files that come with clbench lie, and how a name or a path given by a user finds one."""

from __future__ import annotations

from pathlib import Path

from clbench.errors import UserError, nearest

# In a wheel the two folders travel inside the package; in a checkout they stand beside it.
_PACKAGE = Path(__file__).resolve().parent.parent
ROOT = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

FOLDERS = {
    "stream": ROOT / "benchmarks" / "streams",
    "domain": ROOT / "benchmarks" / "domains",
    "strategy": ROOT / "benchmarks" / "strategies",
    "sweep": ROOT / "benchmarks" / "sweeps",
    "model": ROOT / "baselines",
    "backbone": ROOT / "baselines" / "backbones",
}


def names(kind: str) -> list[str]:
    """The shipped names of a kind (a key of ``FOLDERS``), sorted."""
    return sorted(path.stem for path in FOLDERS[kind].glob("*.yaml"))


def find(kind: str, name: str, beside: Path | None = None) -> Path:
    """The YAML file that a user means by ``name``: a path, a file ``name``.yaml in ``beside``, or a shipped name.

    Raises:
        UserError: nothing of that name; the sentence offers the nearest shipped names.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        # A path in a file is meant from that file's folder, wherever the user stands.
        for base in (beside or Path(), Path()):
            if (base / name).is_file():
                return base / name
        raise UserError(f"{kind} file {name} does not exist; give a path to a YAML file, or a name: {_list(kind)}.")
    if beside is not None and (beside / f"{name}.yaml").is_file():
        return beside / f"{name}.yaml"
    path = FOLDERS[kind] / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"no {kind} is called '{name}'; {nearest(name, names(kind))}")
    return path


def _list(kind: str) -> str:
    return ", ".join(names(kind))
