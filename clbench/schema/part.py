"""What the parts of records and submissions share: forms that programs write and that strangers may send."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict

from clbench.schema.form import Frozen


def _printable(name: str) -> str:
    # A record may be a stranger's, and a name goes to the terminal: no control characters.
    if not name.isprintable() or not 0 < len(name) <= 300:
        raise ValueError("a name should be 1 to 300 printable characters")
    return name


Name = Annotated[str, AfterValidator(_printable)]

# Classes of a label space, at most.
MOST_CLASSES = 1000


class Part(Frozen):
    """What every part of a record shares: frozen, no unknown fields, no NaN and no infinity."""

    model_config = ConfigDict(allow_inf_nan=False)
