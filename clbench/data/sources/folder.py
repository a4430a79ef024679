"""Examples from a local folder: ``--data-dir`` holds ``<domain>/{train,validation,test}`` files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clbench.errors import UserError, alike
from clbench.schema.domain import Quoting, Reading
from clbench.schema.source import Request, Source

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from clbench.data.pairs import DomainData, Pairs


# What others call a validation part: a word of a file's or a folder's name, by itself or as in "devset",
_CALLED = {"validation", "dev", "devel", "development", "val", "valid", "eval", "evaluation"}
# unless another word says that it is about the examples, or of other parts as well.
_ABOUT = {
    "checksums", "info", "infos", "labels", "log", "metrics", "notes", "predictions", "readme", "report",
    "requirements", "results", "test", "train", "training",
}  # fmt: skip
_COMPRESSED = {".bz2", ".gz", ".xz", ".zip", ".zst"}
# How files of examples end, some of them without anything.
_EXAMPLES = {
    "", ".arrow", ".csv", ".feather", ".json", ".jsonl", ".ndjson", ".parquet", ".tsv", ".txt", ".xls", ".xlsx",
}  # fmt: skip
# Those that hold nothing but examples, whatever their names.
_TABLES = _EXAMPLES - {"", ".txt"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_SET = re.compile(r"(?<=.)(sets?|splits?|data)$")


class Folder(Reading, Source):
    """How the files of a local folder are read.

    Attributes:
        validation_share: 0 to 1: the share of ``train`` that is carved out where there is no validation file.
        quoting: of CSV and TSV files: ``minimal``, a field may stand in double quotes, as spreadsheets write them;
            ``none``, quotes are text like any other. Null for ``minimal`` in CSV and ``none`` in TSV.
    """

    reads_data_dir: ClassVar[bool] = True
    phrase: ClassVar[str] = "files under --data-dir"

    kind: Literal["folder"] = "folder"
    quoting: Quoting | None = None
    validation_share: float = Field(default=0.1, gt=0, lt=1)

    def load(self, request: Request) -> DomainData:
        """The examples of the domain's files."""
        from clbench.data.files import read_file
        from clbench.data.labels import PLACES, Labelled, check_names, labelled, no_gold_warnings
        from clbench.data.pairs import DomainData
        from clbench.schema.warning import RunWarning

        assert request.folder is not None
        found: dict[str, Labelled] = {}
        warnings = []
        files = _files(request.folder, request.trained_on)
        read = {split: read_file(path, self.wanted, self.quoting) for split, path in files.items()}
        check_names(list(read.values()), self)
        for split, rows in read.items():
            path = files[split]
            found[split] = part = labelled(rows, self, request.label_space)
            if not len(part.pairs) and (request.trained_on or split != "train"):
                which = "labels" if self.labels is not None else "bands"
                said = (
                    f": its {part.dropped:,} rows are all dropped by '{which}'" if part.dropped else " has no example"
                )
                raise UserError(f"{path}{said}; the {split} part of domain '{request.domain}' needs some.")
            for kind, columns in (("quoted_columns", rows.quoted), ("quotes_behind_spaces", rows.spaced)):
                if columns:
                    names = (path.name, *(name for name in columns if name.isprintable() and 0 < len(name) <= 300))
                    warnings.append(RunWarning(kind=kind, domain=request.domain, names=names))
        splits = {split: part.pairs for split, part in found.items()}
        warnings += no_gold_warnings(request.domain, found.values())
        if "validation" not in splits and "train" in splits:
            splits |= self._carved(splits["train"], files["train"], request)
        source: dict[str, str | int | float] = {
            "folder": str(request.folder),
            "dropped": sum(part.dropped for part in found.values()),
        }
        dropped = tuple(place for part in found.values() for place in part.dropped_places)[:PLACES]
        return DomainData(request.domain, splits, source, tuple(warnings), dropped_places=dropped)

    def _carved(self, train: Pairs, path: Path, request: Request) -> dict[str, Pairs]:
        """Train and validation examples, all of a train file; no validation part of a domain that is only evaluated on
        where the share of its few rows is none.

        Raises:
            UserError: a domain that is trained on has nothing in one of the two.
        """
        from clbench.data.subsets import carve

        shares = [None, self.validation_share]
        rest, validation = carve(train, shares, f"{request.domain}/train/carve")
        if request.trained_on and not (len(rest) and len(validation)):
            none, other = ("validation", "raise") if len(rest) else ("train", "lower")
            raise UserError(
                f"{path}: its {len(train):,} examples give no {none} example at a validation_share of "
                f"{self.validation_share:g}; {other} 'validation_share' under 'folder' in the domain's file, or add a "
                "validation file."
            )
        return {"train": rest, "validation": validation} if len(validation) else {"train": train}


def _files(folder: Path, trained_on: bool) -> dict[str, Path]:
    """The file of each part that has one.

    Raises:
        UserError: the folder is not there, or a part that is needed, or a file of a part would be passed over.
    """
    from clbench.data.files import SUFFIXES, split_file
    from clbench.data.pairs import SPLITS

    if not folder.is_dir():
        raise _missing(folder)
    files = {split: split_file(folder, split) for split in SPLITS}
    beside = sorted(folder.iterdir())
    for split in ("train", "test") if trained_on else ("test",):
        if files[split] is None:
            raise _no_file(folder, split, beside)
    for path in beside:
        for split, read in files.items():
            if read is not None and path.name != read.name and _is_of(path, split) and not path.samefile(read):
                raise UserError(f"{path} would be passed over, as {read.name} is read; keep one of the two.")
    if files["validation"] is None:
        # Carved out of the training examples, or done without, while somebody's own lie beside them unread?
        for path in beside:
            if _may_be_validation(path):
                if _is_saved(path):
                    raise _saved(path, "validation", folder)
                names = " or ".join(f"validation{suffix}" for suffix in SUFFIXES)
                right = f"make it {names}" if path.is_dir() else _mended(path, "validation")
                raise UserError(f"{path} is read as no part; {right}, or move it elsewhere.")
    return {split: path for split, path in files.items() if path is not None}


def _missing(folder: Path) -> UserError:
    """The error for a domain's folder that is not there; it names the folder beside it that is most like it."""
    holds = "it should hold the train, validation and test files of the domain"
    if folder.exists():
        return UserError(f"{folder} should be a folder, but is none; {holds}.")
    try:
        names = [path.name for path in folder.parent.iterdir() if path.is_dir()]
    except OSError:
        names = []
    if _is_saved(folder.parent):
        return _saved(folder.parent, "train", folder)
    near = "".join(f"; the folder in {folder.parent} most like it is {name}" for name in alike(folder.name, names)[:1])
    return UserError(f"{folder} is missing; {holds}{near}.")


def _no_file(folder: Path, split: str, beside: list[Path]) -> UserError:
    """The error for a part without a file; it names what lies there and may be meant for it."""
    from clbench.data.files import SUFFIXES

    for path in (folder, folder / split):
        if _is_saved(path):
            return _saved(path, split, folder)
    unread = ""
    for path in beside:
        if _is_of(path, split, _EXAMPLES):
            unread = f"; {path.name}, which lies there, is not read: {_mended(path, split)}"
            break
    names = ", ".join(f"{split}{suffix}" for suffix in SUFFIXES)
    return UserError(f"{folder} has no file of the {split} part; it may be one of {names}{unread}.")


def _is_saved(folder: Path) -> bool:
    """Whether a folder is a DatasetDict or a Dataset as save_to_disk of ``datasets`` writes them."""
    one = (folder / "state.json", folder / "dataset_info.json")
    return (folder / "dataset_dict.json").is_file() or all(path.is_file() for path in one)


def _saved(saved: Path, split: str, folder: Path) -> UserError:
    """The error for a folder of Arrow files, which ``datasets`` alone reads, where the files of a domain should be."""
    if (saved / "dataset_dict.json").is_file():
        right = f'write its parts to {folder} as files, ds["{split}"].to_parquet("{split}.parquet") and so on'
    else:
        right = f'write it to {folder} as a file, ds.to_parquet("{split}.parquet")'
    return UserError(f"{saved} is a folder written by datasets' save_to_disk, which is not read; {right}.")


def _mended(path: Path, split: str) -> str:
    """How a file becomes one that is read: of another kind, packed, in shards, or with capitals in its name."""
    from clbench.data.files import SUFFIXES

    packed = path.suffix.lower() in _COMPRESSED
    bare = path.with_suffix("") if packed else path
    kind, name = bare.suffix.lower(), path.name.lower()
    shard = re.fullmatch(r".*-[0-9]+-of-0*([0-9]+)", bare.stem)
    if kind == ".json":
        return f"write one object a line as {split}.jsonl"
    if kind in {".arrow", ".feather"}:
        return f"save it as {split}.parquet"
    if kind not in {*SUFFIXES, ".ndjson"}:
        return f"{'unpack it, and ' if packed else ''}save it as {split}.csv or {split}.jsonl"
    right = split + (".jsonl" if kind == ".ndjson" else kind)
    if shard and shard[1] != "1":
        return f"put its {shard[1]} parts together as {right}"
    if name.endswith(".jsonl.gz"):
        return f"name it {right}.gz"
    return f"unpack it as {right}" if packed else f"name it {right}"


def _is_of(path: Path, split: str, kinds: Collection[str] = _TABLES) -> bool:
    """Whether a file is examples of a part by its name, though perhaps of a kind that nobody reads: ``train.json``,
    ``Train.csv.gz``, ``test-00000-of-00002.parquet``."""
    named = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    shard = re.fullmatch(r"(.+)-[0-9]+-of-[0-9]+", named.stem)
    name = shard[1] if shard else named.stem
    return name.lower() == split and named.suffix.lower() in kinds and path.is_file()


def _may_be_validation(path: Path) -> bool:
    """Whether what is called so may hold validation examples: ``dev_matched.tsv``, a folder ``validation`` of files."""
    name = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    words = [_SET.sub("", word.lower()) for word in _WORD.findall(path.name if path.is_dir() else name.stem)]
    if path.name.startswith(".") or _CALLED.isdisjoint(words):
        return False
    inside = path.iterdir() if path.is_dir() else [name]
    return _ABOUT.isdisjoint(words) and any(one.suffix.lower() in _EXAMPLES | _COMPRESSED for one in inside)
