"""A file of text as bytes: packed or not, and what it is where it is no UTF-8 text, or not what its name says."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from clbench.errors import UserError

# What reading a damaged gzip file raises.
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
# So many bytes tell text from what is none.
_HEAD = 4096
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK\3\4", b"PAR1"


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked."""
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def check_first_bytes(path: Path) -> None:
    """That a file's first bytes are not plainly those of another kind than its name says: a text in place of gzip or
    Parquet, or one of these, or a spreadsheet, in place of text.

    Raises:
        UserError: they are.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if _is_text(head):
        if path.suffix == ".gz":
            raise UserError(f"{path} is plain text, not gzip; call it {path.stem}.")
        if path.suffix == ".parquet":
            names = " or ".join(f"{path.stem}.{kind}" for kind in ("csv", "tsv", "jsonl"))
            raise UserError(f"{path} is text and no Parquet file; call it {names}, whichever it is.")
    elif head.startswith(_ZIP):
        raise UserError(f"{path} is a zip archive or a spreadsheet (.xlsx); unpack it, or save its table as CSV.")
    elif head.startswith(_PARQUET) and path.suffix != ".parquet":
        raise UserError(f"{path} is a Parquet file; call it {path.name.partition('.')[0]}.parquet.")
    elif head.startswith(_GZIP) and path.suffix != ".gz":
        right = f"call it {path.name}.gz" if path.suffix == ".jsonl" else "unpack it"
        raise UserError(f"{path} is packed with gzip, which its name does not say; {right}.")


def _is_text(head: bytes) -> bool:
    """Whether a file that begins so is UTF-8 text; an empty one is not."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(char >= " " or char in "\t\n\r" for char in text)


def no_nul(path: Path, file: Iterable[str]) -> Iterator[str]:
    """The lines of a text, which has no NUL; UTF-16 without a byte order mark has one in every second byte."""
    for place, line in enumerate(file, start=1):
        if "\0" in line:
            if line.count("\0") > len(line) // 4:
                raise _in_another_encoding(path, place, "UTF-16")
            raise UserError(f"{path}, line {place} should be text, but holds a NUL byte; the file is damaged.")
        yield line


def not_utf8(path: Path) -> UserError:
    """The error for a file that is not UTF-8: its first such line, and the encoding that this seems to be."""
    try:
        with opened(path) as file:
            for place, line in enumerate(file, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return _in_another_encoding(path, place, _encoding(line))
    except (*DAMAGED, OSError):
        pass  # reading by lines looks further ahead than the reading that found the byte
    return UserError(f"{path} should be UTF-8 text, but is not; save it as UTF-8.")


def _encoding(line: bytes) -> str:
    """What bytes that are no UTF-8 seem to be."""
    for mark, name in ((b"\xff\xfe\0\0", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if line.startswith(mark):
            return name
    if line.count(0) > len(line) // 4:
        return "UTF-16"
    # In the languages that these two were made for, letters beyond ASCII are few.
    high = sum(byte > 127 for byte in line)
    return "Latin-1 or Windows-1252" if high <= len(line.strip()) // 3 or high == 1 else "an older encoding"


def _in_another_encoding(path: Path, place: int, encoding: str) -> UserError:
    return UserError(f"{path}, line {place} should be UTF-8 text, but seems to be {encoding}; save the file as UTF-8.")
