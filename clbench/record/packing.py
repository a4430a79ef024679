"""Arrays of classes and of row numbers as text: exact, compact, and checked on the way back."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from clbench.schema.form import Frozen
from clbench.schema.part import MOST_CLASSES


class Packed(Frozen):
    """N classes, each below ``classes``.

    Two classes take one bit an example (``numpy.packbits``, first example in the highest bit, the last byte filled with
    zeros), up to 256 take one byte an example and more take two, the lower one first; the bytes are written in base64.

    Attributes:
        classes: size of the label space.
        count: N.
        base64: the bytes.
    """

    classes: int = Field(ge=2, le=MOST_CLASSES)
    count: int = Field(ge=0, le=50_000_000)
    base64: str

    @classmethod
    def of(cls, values: np.ndarray, classes: int) -> Packed:
        """Pack ``values``, ints of shape (N,), each from 0 to ``classes`` - 1."""
        array = np.asarray(values)
        if array.size and not (int(array.min()) >= 0 and int(array.max()) < classes):
            raise ValueError(f"classes run from 0 to {classes - 1}, but the values from {array.min()} to {array.max()}")
        small = array.astype(_width(classes))
        raw = np.packbits(small) if classes == 2 else small
        return cls(classes=classes, count=len(small), base64=b64encode(raw.tobytes()).decode("ascii"))

    def array(self) -> np.ndarray:
        """The classes, (N,): uint8, or uint16 where there are more than 256."""
        raw = np.frombuffer(b64decode(self.base64), dtype=_width(self.classes))
        return np.unpackbits(raw, count=self.count) if self.classes == 2 else raw

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        try:
            held = b64decode(self.base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("base64 should be base64 text") from error
        width = _width(self.classes)
        expected = (self.count + 7) // 8 if self.classes == 2 else self.count * width.itemsize
        if len(held) != expected:
            raise ValueError(f"base64 should hold {expected} bytes for {self.count} examples, but holds {len(held)}")
        if b64encode(held).decode("ascii") != self.base64:
            raise ValueError("base64 should end in zero bits")
        raw = np.frombuffer(held, dtype=width)
        if self.classes == 2:
            spare = 8 * expected - self.count
            if spare and int(raw[-1]) & ((1 << spare) - 1):
                raise ValueError("base64 should be filled with zero bits after the last example")
        elif raw.size and int(raw.max()) >= self.classes:
            raise ValueError(f"base64 holds class {int(raw.max())}, but classes end at {self.classes - 1}")
        return self


def _width(classes: int) -> np.dtype[Any]:
    """What holds a class: a byte, or two where there are more than 256 classes, the same on every machine."""
    return np.dtype("u1" if classes <= 256 else "<u2")


_RANGES = re.compile(r"[1-9][0-9]{0,14}(-[1-9][0-9]{0,14})?(,[1-9][0-9]{0,14}(-[1-9][0-9]{0,14})?)*")
_MOST = 50_000_000


class PackedPlaces(Frozen):
    """N ascending places, as a person would write them down: ``2-31,33,40-52``.

    Attributes:
        unit: what they count: lines of a file, or rows of a table.
        ranges: the places, 1-based; a range names its two ends, and what can be one range is one.
    """

    unit: Literal["line", "row"]
    ranges: str = Field(max_length=16 * _MOST)

    @classmethod
    def of(cls, unit: str, numbers: np.ndarray) -> Self:
        """Pack ``numbers``, ints of shape (N,), N > 0, ascending from 1 or more, each once."""
        array = np.asarray(numbers, dtype=np.int64)
        cuts = np.flatnonzero(np.diff(array) != 1) + 1
        begins, ends = array[np.r_[0, cuts]].tolist(), array[np.r_[cuts - 1, len(array) - 1]].tolist()
        ranges = (f"{a}" if a == b else f"{a}-{b}" for a, b in zip(begins, ends, strict=True))
        return cls.model_validate({"unit": unit, "ranges": ",".join(ranges)})

    @property
    def count(self) -> int:
        """N."""
        return sum(b - a + 1 for a, b in self._ends())

    def array(self) -> np.ndarray:
        """The places, int64 (N,)."""
        return np.concatenate([np.arange(a, b + 1) for a, b in self._ends()])

    def _ends(self) -> list[tuple[int, int]]:
        parts = (part.partition("-") for part in self.ranges.split(","))
        return [(int(a), int(b or a)) for a, _, b in parts]

    @model_validator(mode="after")
    def _is_ascending(self) -> Self:
        if not _RANGES.fullmatch(self.ranges):
            raise ValueError("ranges should be ascending numbers and ranges, such as 2-31,33")
        before = -1
        for (a, b), part in zip(self._ends(), self.ranges.split(","), strict=True):
            if not before + 1 < a <= b or (a == b and "-" in part):
                raise ValueError("ranges should be ascending, apart, and as short as can be")
            before = b
        if self.count > _MOST:
            raise ValueError(f"ranges should hold at most {_MOST:,} places")
        return self
