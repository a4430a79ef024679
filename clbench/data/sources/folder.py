"""Examples from a local folder: ``--data-dir`` holds ``<domain>/{train,validation,test}`` files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from clbench.errors import UserError
from clbench.schema.domain import Quoting, Reading
from clbench.schema.source import Request, Source

if TYPE_CHECKING:
    from pathlib import Path

    from clbench.data.pairs import DomainData


# What others call a validation part: the first or the last word of a file's or a folder's name,
_CALLED = {"validation", "dev", "devel", "development", "val", "valid", "eval", "evaluation"}
# unless another word says that it is about the examples, or of other parts as well.
_ABOUT = {
    "checksums", "info", "infos", "labels", "log", "metrics", "notes", "predictions", "readme", "report",
    "requirements", "results", "test", "train", "training",
}  # fmt: skip
_COMPRESSED = {".bz2", ".gz", ".xz", ".zip", ".zst"}
# How files of examples end, some of them without anything.
_EXAMPLES = {"", ".arrow", ".csv", ".feather", ".json", ".jsonl", ".parquet", ".tsv", ".txt", ".xls", ".xlsx"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


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
        from clbench.data.labels import Labelled, check_names, labelled, no_gold_warnings
        from clbench.data.pairs import DomainData
        from clbench.data.subsets import carve
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
            if rows.quoted:
                names = (path.name, *(name for name in rows.quoted if name.isprintable() and 0 < len(name) <= 300))
                warnings.append(RunWarning(kind="quoted_columns", domain=request.domain, names=names))
        splits = {split: part.pairs for split, part in found.items()}
        warnings += no_gold_warnings(request.domain, found.values())
        if "validation" not in splits and "train" in splits:
            shares = [None, self.validation_share]
            splits["train"], splits["validation"] = carve(splits["train"], shares, f"{request.domain}/train/carve")
        source: dict[str, str | int | float] = {
            "folder": str(request.folder),
            "dropped": sum(part.dropped for part in found.values()),
        }
        return DomainData(request.domain, splits, source, tuple(warnings))


def _files(folder: Path, trained_on: bool) -> dict[str, Path]:
    """The file of each part that has one.

    Raises:
        UserError: the folder is not there, or a part that is needed.
    """
    from clbench.data.files import SUFFIXES, split_file
    from clbench.data.pairs import SPLITS

    if not folder.is_dir():
        raise UserError(f"{folder} is missing; it should hold the train, validation and test files of the domain.")
    files = {split: split_file(folder, split) for split in SPLITS}
    for split in ("train", "test") if trained_on else ("test",):
        if files[split] is None:
            names = ", ".join(f"{split}{suffix}" for suffix in SUFFIXES)
            raise UserError(f"{folder} has no file of the {split} part; it may be one of {names}.")
    if trained_on and files["validation"] is None:
        # Carved out of the training examples, while somebody's own lie beside them unread?
        for path in sorted(folder.iterdir()):
            if _may_be_validation(path):
                kinds = [kind for kind in SUFFIXES if path.name.lower().endswith(kind)][:1] or SUFFIXES
                right = " or ".join(f"validation{kind}" for kind in kinds)
                raise UserError(f"{path} is read as no part; make it {right}, or move it elsewhere.")
    return {split: path for split, path in files.items() if path is not None}


def _may_be_validation(path: Path) -> bool:
    """Whether what is called so may hold validation examples: ``dev_matched.tsv``, a folder ``validation`` of files."""
    name = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    words = [word.lower() for word in _WORD.findall(path.name if path.is_dir() else name.stem)]
    if path.name.startswith(".") or not words or _CALLED.isdisjoint((words[0], words[-1])):
        return False
    inside = path.iterdir() if path.is_dir() else [name]
    return _ABOUT.isdisjoint(words) and any(one.suffix.lower() in _EXAMPLES | _COMPRESSED for one in inside)
