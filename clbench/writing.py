"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from clbench.errors import UserError


def write_whole(path: Path, text: str) -> Path:
    """Write ``text`` as UTF-8, its folder made where missing: another process sees the old file, the new one or none.

    Raises:
        UserError: it cannot be written; nothing half-written stays behind.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}; free the disk or choose another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be no folder
            unfinished.unlink(missing_ok=True)
    return path
