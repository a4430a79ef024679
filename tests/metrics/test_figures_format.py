"""Numbers are rounded once: by hand, against exact decimals, and as the board's page rounds them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clbench.board.content import ten_thousandths
from clbench.metrics import Interval
from clbench.metrics.format import fixed, percent, points, short_number, with_half, with_unit


@pytest.mark.parametrize(
    ("score", "text"),
    # Rounded to 1/10,000 first, these would be 79.7, 5.2 and 78.3.
    [(0.7964666, "79.6"), (0.051452, "5.1"), (0.78249, "78.2"), (0.0, "0.0"), (-0.0004, "0.0"), (-0.0005, "-0.1")],
)
def test_a_score_is_rounded_once(score: float, text: str) -> None:
    assert percent(score) == text


def test_a_mean_and_its_half_width() -> None:
    assert with_half(Interval(0.7964666, 0.7964666 - 0.051452, 0.7964666 + 0.051452, 3)) == "79.6 ± 5.1"
    assert with_half(Interval(0.7964666, None, None, 1)) == "79.6"


@given(st.integers(-5_000, 5_000), st.integers(1, 5_000))
@example(1447, 2000)  # 72.35, whose nearest float lies below
@example(193, 2000)
def test_a_share_of_pairs_is_rounded_as_the_fraction_that_it_is(right: int, pairs: int) -> None:
    exact = Fraction(100 * right, pairs)
    tenths = abs(exact) * 10
    whole = int(tenths) + (tenths - int(tenths) >= Fraction(1, 2))
    expected = f"{'-' if exact < 0 and whole else ''}{whole // 10}.{whole % 10}"
    assert percent(right / pairs) == expected


@given(st.floats(-1, 1))
@example(0.7964666)
@example(0.78249)
@example(0.78249999)
@example(0.9055)
def test_the_page_shows_the_same(score: float) -> None:
    """board.js has ints of 1/10,000 and rounds them half away from 0."""
    value = ten_thousandths(score)
    tenths = (abs(value) + 5) // 10
    assert f"{'-' if value < 0 and tenths else ''}{tenths // 10}.{tenths % 10}" == percent(score)
    assert abs(value - 10_000 * score) < 1


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_digits_are_those_of_the_decimal(value: float, digits: int) -> None:
    near = Decimal(value).quantize(Decimal("1e-10"))
    expected = near.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    assert Decimal(fixed(value, digits)) == expected
    assert not fixed(value, digits).startswith("-") or expected < 0


def test_points_have_a_sign() -> None:
    assert [points(value) for value in (0.01235, -0.01235, 0.0, -1e-9)] == ["+1.24", "-1.24", "+0.00", "+0.00"]
    assert points(-0.0915, 1) == "-9.2"


@pytest.mark.parametrize(
    ("value", "three", "one"),
    [
        (2, "2", "2 "),
        (999, "999", "999 "),
        (1_500, "1.50k", "1.5 k"),
        (9_996, "10.0k", "10.0 k"),
        (99_960, "100k", "100.0 k"),
        (999_400, "999k", "999.4 k"),
        (999_999, "1.00M", "1.0 M"),
        (4_575_000, "4.58M", "4.6 M"),
        (2.25e10, "22.5G", "22.5 G"),
    ],
)
def test_short_numbers(value: float, three: str, one: str) -> None:
    assert (short_number(value), with_unit(value)) == (three, one)


@given(st.floats(1e17, 1e308))
@example(1e30)
def test_no_float_is_too_large_to_be_told(value: float) -> None:
    """A record's latency is its author's word, and may be any number."""
    assert fixed(value, 1) == f"{int(value)}.0"
