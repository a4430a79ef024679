"""The probabilities that a model gives to the classes of test examples: float16, compressed, checked when read."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from clbench.schema.form import Frozen
from clbench.schema.part import MOST_CLASSES

# So many classes are all kept; of more, the one that the model names, or a record would grow by megabytes a point.
ALL_KEPT = 16
# What rounding to float16 may do to a sum, and to the order of two probabilities: two of its steps below 1.
ROUNDED = 2.0**-10


def kept(probabilities: np.ndarray, named: np.ndarray) -> np.ndarray:
    """What a record keeps of a model's probabilities.

    Args:
        probabilities: float (N, C), rows that sum to 1.
        named: int (N,), the class that the model names for each example.

    Returns:
        float16 (N, W), rounded to the nearest: of two classes the second one's, W = 1; of up to 16 all, W = C; of more
        that of the class that is named, W = 1.
    """
    classes = probabilities.shape[1]
    if classes == 2:
        part = probabilities[:, 1:]
    elif classes <= ALL_KEPT:
        part = probabilities
    else:
        part = np.take_along_axis(probabilities, np.asarray(named, dtype=np.int64)[:, None], axis=1)
    return part.astype(np.float16)


def width(classes: int) -> int:
    """W of :func:`kept`."""
    return classes if 2 < classes <= ALL_KEPT else 1


class PackedProbabilities(Frozen):
    """N examples' probabilities, as :func:`kept` keeps them.

    The bytes are first the upper one of every float16 in row order and then the lower ones, which zlib compresses
    better; they are written in base64. Nothing is expanded before its size is known: see :meth:`problem`.

    Attributes:
        classes: C, size of the label space.
        count: N.
        base64: the bytes.
    """

    classes: int = Field(ge=2, le=MOST_CLASSES)
    count: int = Field(ge=0, le=50_000_000)
    base64: str

    @classmethod
    def of(cls, values: np.ndarray, classes: int) -> PackedProbabilities:
        """Pack ``values``, float16 (N, W) of :func:`kept`."""
        array = np.asarray(values)
        if array.dtype != np.float16 or array.ndim != 2 or array.shape[1] != width(classes):
            raise ValueError(f"probabilities of {classes} classes should be float16 (N, {width(classes)})")
        planes = np.ascontiguousarray(array.astype("<f2").view(np.uint8).reshape(-1, 2).T[::-1])
        text = b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")
        return cls(classes=classes, count=len(array), base64=text)

    def array(self) -> np.ndarray:
        """The probabilities, float16 (N, W).

        Raises:
            ValueError: the bytes are not as many, or not compressed.
        """
        expected = 2 * self.count * width(self.classes)
        stream = zlib.decompressobj()
        try:
            # A byte more than there may be, and no more: a stranger's few bytes may stand for gigabytes.
            raw = stream.decompress(b64decode(self.base64), expected + 1)
        except zlib.error as error:
            raise ValueError("base64 should hold what zlib has compressed") from error
        if len(raw) != expected or not stream.eof or stream.unused_data:
            raise ValueError(f"base64 should hold {expected} bytes for {self.count} examples, compressed")
        planes = np.frombuffer(raw, dtype=np.uint8).reshape(2, -1)[::-1].T
        values: np.ndarray = np.ascontiguousarray(planes).view("<f2").reshape(self.count, width(self.classes))
        return values

    def of_named(self, named: np.ndarray) -> np.ndarray:
        """The probability of the class that the model names for each example, float64 (N,); its confidence.

        Args:
            named: int (N,).
        """
        found = self.array().astype(np.float64)
        if self.classes == 2:
            return np.where(np.asarray(named) == 1, found[:, 0], 1 - found[:, 0])
        if width(self.classes) == 1:
            return found[:, 0]
        return np.take_along_axis(found, np.asarray(named, dtype=np.int64)[:, None], axis=1)[:, 0]

    def problem(self, named: np.ndarray) -> str | None:
        """What is wrong with them, as what they should be; None where nothing is.

        Args:
            named: int (N,), the classes that the record says were named.
        """
        try:
            values = self.array().astype(np.float64)
        except ValueError as error:
            return str(error).removeprefix("base64 ")
        if not np.all((values >= 0) & (values <= 1)):
            return "should hold numbers from 0 to 1"
        if width(self.classes) > 1 and np.any(np.abs(values.sum(axis=1) - 1) > ROUNDED):
            return "should hold rows that sum to 1"
        largest = values.max(axis=1, initial=0.0) if width(self.classes) > 1 else 1 / self.classes
        if np.any(self.of_named(named) < largest - ROUNDED):
            return "should give the largest one to the class that is predicted"
        return None

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        try:
            whole = b64encode(b64decode(self.base64, validate=True)).decode("ascii") == self.base64
        except (binascii.Error, ValueError) as error:
            raise ValueError("base64 should be base64 text") from error
        if not whole:
            raise ValueError("base64 should end in zero bits")
        return self
