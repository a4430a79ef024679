"""The probabilities of a record: what is kept, how exactly, and what is refused."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from record_worlds import pieces, record, softmax

from clbench.record import Record, RunParts, make_record
from clbench.record.probabilities import ROUNDED, PackedProbabilities, kept, width


def packed(values: list[list[float]], classes: int) -> PackedProbabilities:
    return PackedProbabilities.of(np.array(values, dtype=np.float16), classes)


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.sampled_from([2, 3, 16, 17, 1000]), st.integers(0, 40))
def test_what_is_packed_is_unpacked(seed: int, classes: int, count: int) -> None:
    rows = softmax(4 * np.random.default_rng(seed).standard_normal((count, classes)))
    named = rows.argmax(axis=1)
    values = kept(rows, named)
    assert values.shape == (count, width(classes))
    held = PackedProbabilities.of(values, classes)
    again = PackedProbabilities.model_validate_json(held.model_dump_json(), strict=True)
    assert again == held
    np.testing.assert_array_equal(again.array(), values)
    assert held.problem(named) is None
    # Rounding to float16 is the only thing that is lost: half a step of 2^-11 below 1.
    np.testing.assert_allclose(held.of_named(named), rows.max(axis=1), rtol=0, atol=2.0**-12)


def test_by_hand() -> None:
    rows = np.array([[0.75, 0.25], [0.125, 0.875]])
    held = PackedProbabilities.of(kept(rows, np.array([0, 1])), 2)
    assert held.array().tolist() == [[0.25], [0.875]]
    assert held.of_named(np.array([0, 1])).tolist() == [0.75, 0.875]
    # 0.25 is 0x3400 and 0.875 is 0x3B00: upper bytes first.
    assert zlib.decompress(b64decode(held.base64)) == bytes([0x34, 0x3B, 0, 0])
    three = packed([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], 3)
    assert three.of_named(np.array([0, 2])).tolist() == [0.5, 1.0]
    many = PackedProbabilities.of(kept(np.full((1, 20), 0.05), np.array([7])), 20)
    assert many.array().tolist() == [[float(np.float16(0.05))]]


def bytes_of(raw: bytes) -> str:
    return b64encode(raw).decode()


@pytest.mark.parametrize(
    ("values", "classes", "named", "message"),
    [
        ([[1.5]], 2, [1], "numbers from 0 to 1"),
        ([[-0.5]], 2, [0], "numbers from 0 to 1"),
        ([[float("nan")]], 2, [0], "numbers from 0 to 1"),
        ([[float("inf")]], 2, [0], "numbers from 0 to 1"),
        ([[0.25, 0.25, 0.25]], 3, [0], "rows that sum to 1"),
        ([[0.75]], 2, [0], "the largest one to the class that is predicted"),
        ([[0.25]], 2, [1], "the largest one to the class that is predicted"),
        ([[0.5, 0.25, 0.25]], 3, [1], "the largest one to the class that is predicted"),
        ([[0.01]], 20, [1], "the largest one to the class that is predicted"),
    ],
)
def test_numbers_that_are_no_probabilities(values: Any, classes: int, named: list[int], message: str) -> None:
    assert message in str(packed(values, classes).problem(np.array(named)))


def test_a_tie_may_go_either_way() -> None:
    for named in (0, 1):
        assert packed([[0.5]], 2).problem(np.array([named])) is None
    near = 0.5 + ROUNDED / 2
    assert packed([[near]], 2).problem(np.array([0])) is None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "hold 4 bytes for 2 examples, compressed"),
        (b"no zlib", "hold what zlib has compressed"),
        (zlib.compress(bytes(3)), "hold 4 bytes for 2 examples"),
        (zlib.compress(bytes(5)), "hold 4 bytes for 2 examples"),
        (zlib.compress(bytes(4)) + b"more", "hold 4 bytes for 2 examples"),
        (zlib.compress(bytes(4))[:-2], "hold 4 bytes for 2 examples"),
        (zlib.compress(bytes(50_000_000)), "hold 4 bytes for 2 examples"),
    ],
)
def test_other_bytes_are_refused(raw: bytes, message: str) -> None:
    held = PackedProbabilities(classes=2, count=2, base64=bytes_of(raw))
    assert message in str(held.problem(np.array([0, 0])))


def test_a_bomb_is_not_expanded() -> None:
    """A gigabyte of zeros is a megabyte compressed; only as much of it is expanded as the examples may have."""
    import tracemalloc

    bomb = zlib.compressobj(9)
    raw = b"".join(bomb.compress(bytes(2**20)) for _ in range(256)) + bomb.flush()
    held = PackedProbabilities(classes=2, count=2, base64=bytes_of(raw))
    tracemalloc.start()
    assert held.problem(np.array([0, 0])) is not None
    assert tracemalloc.get_traced_memory()[1] < 3 * len(raw) + 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("text", ["*&^%", "oA=", "oB==", "öö=="])
def test_no_base64(text: str) -> None:
    with pytest.raises(ValidationError, match="base64 should"):
        PackedProbabilities(classes=2, count=1, base64=text)


def test_what_is_not_as_kept_is_not_packed() -> None:
    for values, classes in (
        (np.zeros((2, 2), np.float16), 2),
        (np.zeros((2, 1)), 2),
        (np.zeros((2, 1), np.float16), 3),
    ):
        with pytest.raises(ValueError, match=r"should be float16 \(N, "):
            PackedProbabilities.of(values, classes)


@pytest.mark.parametrize("classes", [2, 3, 40])
def test_a_record_with_and_without(classes: int) -> None:
    """Everything else is what it was; and a file without them has no such field."""
    without, made = record(classes=classes), record(classes=classes, likely=True)
    assert Record.model_validate_json(made.model_dump_json(), strict=True) == made
    assert "probabilities" not in without.model_dump_json()
    content = made.model_dump(mode="json")
    finals = [point for point in content["points"] if "probabilities" in point]
    assert finals == [point for point in content["points"] if point["final"]]
    for point in content["points"]:
        point.pop("probabilities", None)
    content["figures"] = without.model_dump(mode="json")["figures"]
    assert content == without.model_dump(mode="json")
    frame = made.predictions()
    assert frame[~frame.final].confidence.isna().all()
    assert frame[frame.final].confidence.between(1 / classes - ROUNDED, 1).all()
    parts = pieces(classes=classes, likely=True)
    last, name = parts["points"][-1], "beta"
    rows = frame[(frame.step == last.step) & frame.final & (frame.domain == name)]
    held = PackedProbabilities.of(last.probabilities[name], classes)
    np.testing.assert_array_equal(rows.confidence, held.of_named(last.predictions[name]))


def changed(change: Any) -> dict[str, Any]:
    content = record(likely=True, inside=1).model_dump(mode="json")
    change(content["points"])
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p[1].update(probabilities=p[0]["probabilities"]), r"points\.1\.probabilities should be left out"),
        (lambda p: p[0]["probabilities"].pop("beta"), r"points\.0\.probabilities should be of every test example"),
        (lambda p: p[0]["probabilities"]["beta"].update(count=3), r"points\.0\.probabilities should be of every"),
        (lambda p: p[0]["probabilities"]["beta"].update(classes=3), r"points\.0\.probabilities should be of every"),
        (
            lambda p: p[0].update(predictions=p[2]["predictions"]),
            r"points\.0\.probabilities\.alpha should give the largest one to the class that is predicted",
        ),
    ],
)
def test_what_does_not_fit_the_predictions_is_refused(change: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Record.model_validate(changed(change))


def test_honest_predictions_always_fit() -> None:
    """Near ties included: what argmax names of float32 logits has one of the largest probabilities after rounding."""
    rng = np.random.default_rng(0)
    for classes in (2, 3, 16, 300):
        logits = (rng.standard_normal((2000, classes)) * rng.choice([1e-7, 1e-3, 1, 30], (2000, 1))).astype(np.float32)
        named = logits.argmax(axis=1)
        held = PackedProbabilities.of(kept(softmax(logits), named), classes)
        assert held.problem(named) is None


def test_parts_of_an_earlier_run_without_them() -> None:
    """A life that was resumed from a checkpoint of before has them from there on."""
    parts = pieces(inside=0, likely=True)
    parts["points"][0].probabilities.clear()
    made = make_record(RunParts(**parts))
    assert [bool(point.probabilities) for point in made.points] == [False, True, True]
