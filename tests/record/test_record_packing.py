"""Packing is exact, and anything else than a packed array is refused."""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clbench.record.packing import Packed, PackedPlaces


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    classes = draw(st.sampled_from([2, 3, 7, 256, 257, 1000]))
    return np.array(draw(st.lists(st.integers(0, classes - 1), max_size=70)), dtype=np.int64), classes


@settings(max_examples=100)
@given(arrays())
def test_what_is_packed_is_unpacked(given: tuple[np.ndarray, int]) -> None:
    values, classes = given
    packed = Packed.of(values, classes)
    again = Packed.model_validate_json(packed.model_dump_json(), strict=True)
    assert again == packed
    np.testing.assert_array_equal(again.array(), values)
    assert again.array().dtype == (np.uint8 if classes <= 256 else np.uint16)
    per_byte = 8 if classes == 2 else 1 if classes <= 256 else 0.5
    assert len(b64decode(packed.base64)) == -(-len(values) // per_byte)


def test_two_classes_by_hand() -> None:
    # 1 0 1 1 0 0 0 1 | 1 and seven zero bits
    packed = Packed.of(np.array([1, 0, 1, 1, 0, 0, 0, 1, 1]), 2)
    assert b64decode(packed.base64) == bytes([0b10110001, 0b10000000])


def test_many_classes_by_hand() -> None:
    # 3 is 3 + 0 * 256, 999 is 231 + 3 * 256.
    assert b64decode(Packed.of(np.array([3, 999]), 1000).base64) == bytes([3, 0, 231, 3])
    assert b64decode(Packed.of(np.array([3, 255]), 256).base64) == bytes([3, 255])


@pytest.mark.parametrize("values", [[0, 2], [-1, 0]])
def test_a_class_outside_the_label_space_is_not_packed(values: list[int]) -> None:
    with pytest.raises(ValueError, match="classes run from 0 to 1"):
        Packed.of(np.array(values), 2)


def text(*values: int) -> str:
    return b64encode(bytes(values)).decode()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": 2, "count": 9, "base64": text(1)}, "should hold 2 bytes for 9 examples, but holds 1"),
        ({"classes": 2, "count": 8, "base64": text(1, 0)}, "should hold 1 bytes for 8 examples, but holds 2"),
        ({"classes": 3, "count": 2, "base64": text(1, 2, 0)}, "should hold 2 bytes for 2 examples, but holds 3"),
        ({"classes": 2, "count": 3, "base64": text(0b10110000)}, "filled with zero bits"),
        ({"classes": 3, "count": 2, "base64": text(1, 3)}, "holds class 3, but classes end at 2"),
        ({"classes": 2, "count": 3, "base64": "*&^%"}, "should be base64 text"),
        ({"classes": 2, "count": 3, "base64": "oA="}, "should be base64 text"),
        ({"classes": 2, "count": 3, "base64": "oB=="}, "should end in zero bits"),
        ({"classes": 2, "count": 3, "base64": "öö=="}, "should be base64 text"),
        ({"classes": 300, "count": 2, "base64": text(1, 0, 2)}, "should hold 4 bytes for 2 examples, but holds 3"),
        ({"classes": 300, "count": 1, "base64": text(44, 1)}, "holds class 300, but classes end at 299"),
        ({"classes": 1001, "count": 0, "base64": ""}, "less than or equal to 1000"),
        ({"classes": 1, "count": 0, "base64": ""}, "greater than or equal to 2"),
        ({"classes": 2, "count": -1, "base64": ""}, "greater than or equal to 0"),
        ({"classes": 2, "count": 10**12, "base64": ""}, "less than or equal to"),
        ({"classes": 2, "count": 0}, "Field required"),
        ({"classes": 2, "count": 0, "base64": "", "extra": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_packed_array_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Packed.model_validate(fields)


@settings(max_examples=100)
@given(st.sets(st.integers(1, 60), min_size=1), st.integers(0, 10**9))
def test_places_that_are_packed_are_unpacked(found: set[int], more: int) -> None:
    numbers = np.array(sorted(found)) + more
    packed = PackedPlaces.of("line", numbers)
    again = PackedPlaces.model_validate_json(packed.model_dump_json(), strict=True)
    assert again == packed
    np.testing.assert_array_equal(again.array(), numbers)
    assert again.count == len(numbers)


def test_places_by_hand() -> None:
    assert PackedPlaces.of("row", np.array([2, 3, 4, 9, 11, 12])).ranges == "2-4,9,11-12"
    assert PackedPlaces.of("line", np.arange(1, 100_001)).ranges == "1-100000"


@pytest.mark.parametrize(
    "ranges",
    [
        "",
        "0",
        "2-1",
        "3-3",
        "1,2",
        "1-3,4",
        "5,3",
        "1,,2",
        "1-2-3",
        "-1",
        "1-",
        "1.5",
        "a",
        "1,\n3",
        "1-99999999999999999",
        "1-50000001",
    ],
)
def test_other_ranges_are_refused(ranges: str) -> None:
    with pytest.raises(ValidationError):
        PackedPlaces(unit="line", ranges=ranges)
