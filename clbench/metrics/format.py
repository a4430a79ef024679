"""Numbers as people read them. Every figure that clbench prints goes through here, and is rounded once."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

from clbench.metrics.intervals import Interval
from clbench.metrics.orders import OverOrders

# Digits enough for every float; Decimal's 28 end at 1e27.
_WIDE = Context(prec=400)
_UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def fixed(value: float, digits: int, *, sign: bool = False) -> str:
    """With so many digits after the point, halves away from 0.

    What lies within a float's error of a half is one: 100 * 0.7235 is 72.35, though the nearest float is below it.

    Args:
        value: finite.
        digits: 0 or more.
        sign: with a + where it is not negative.

    >>> fixed(72.35, 1), fixed(100 * 0.7235, 1), fixed(-0.04, 1), fixed(0.125, 2, sign=True)
    ('72.4', '72.4', '0.0', '+0.13')
    """
    rounded = Decimal(f"{value:.10f}").quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)
    rounded = rounded if rounded else abs(rounded)  # no -0.0
    return f"{rounded:+f}" if sign else f"{rounded:f}"


def percent(score: float) -> str:
    """A score in percent with one digit.

    >>> percent(0.7964666), percent(0.78249), percent(-0.0005)
    ('79.6', '78.2', '-0.1')
    """
    return fixed(100 * score, 1)


def with_half(interval: Interval) -> str:
    """A score in percent: mean ± half of its interval, or the mean alone where there is none.

    >>> with_half(Interval(0.8652, 0.813748, 0.916652, 3)), with_half(Interval(0.5, None, None, 1))
    ('86.5 ± 5.1', '50.0')
    """
    half = interval.half_width
    return percent(interval.mean) + ("" if half is None else f" ± {percent(half)}")


def with_deviation(found: OverOrders) -> str:
    """A score in percent over orders: their mean ± the standard deviation over them, and how many they are.

    >>> from clbench.metrics.orders import over_orders
    >>> with_deviation(over_orders([[0.5, 0.7], [0.8, 0.8]]))
    '70.0 ± 14.1 (2)'
    """
    return f"{percent(found.mean.mean)} ± {percent(found.deviation or 0.0)} ({found.mean.count})"


def points(difference: float, digits: int = 2) -> str:
    """A difference of scores in points, with its sign.

    >>> points(0.01235), points(-0.002, 1)
    ('+1.24', '-0.2')
    """
    return fixed(100 * difference, digits, sign=True)


def end(value: float, digits: int = 2) -> str:
    """An interval's end in points, as :func:`points`; one that is not 0 never reads as if it were.

    >>> end(0.0123), end(-0.0003, 1), end(0.0, 1)
    ('+1.23', '-0.03', '+0.0')
    """
    while value and not float(points(value, digits)) and digits < 6:
        digits += 1
    return points(value, digits)


def p_value(p: float) -> str:
    """A p with three digits; below 5% it never reads as if it were not.

    >>> p_value(0.0004), p_value(0.0123), p_value(0.049996), p_value(0.05)
    ('<0.001', '0.012', '<0.050', '0.050')
    """
    if p < 0.001:
        return "<0.001"
    return "<0.050" if p < 0.05 and fixed(p, 3) == "0.050" else fixed(p, 3)


def share(value: float) -> str:
    """A share in percent, with two digits that count, or all before the point.

    >>> share(0.0), share(0.00123), share(0.0999), share(0.7512), share(3.984), share(3.14e-7)
    ('0%', '0.12%', '10%', '75%', '398%', '0.000031%')

    Args:
        value: 0 or more.
    """
    part = 100 * value
    return f"{fixed(part, 0) if part >= 9.95 else format(Decimal(f'{part:.2g}'), 'f')}%"


def short_number(value: float) -> str:
    """Three digits and a unit.

    >>> short_number(5_179_266), short_number(110e6), short_number(999_999)
    ('5.18M', '110M', '1.00M')
    """
    for unit, size in _UNITS:
        # 999.5 of the unit below are rounded to 1,000 of it.
        if value >= 0.9995 * size:
            scaled = value / size
            return fixed(scaled, 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0) + unit
    return f"{value:g}"


def with_unit(value: float) -> str:
    """One digit after the point and the unit that fits, a space before it, and at the end where there is none.

    >>> with_unit(22_300_000_000), with_unit(999_960), with_unit(12)
    ('22.3 G', '1.0 M', '12 ')
    """
    for unit, size in _UNITS:
        # Of thousands there are none below 1,000, and so nothing that is rounded to it.
        if value >= (size if unit == "k" else 0.99995 * size):
            return f"{fixed(value / size, 1)} {unit}"
    return f"{fixed(value, 0)} "
