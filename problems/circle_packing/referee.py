"""The exact referee: reads a packing, repairs rounding by shrinking, and verifies it in rational arithmetic.

No floating-point comparison decides anything, there is no tolerance, and a claimed score is never read. A solver's
answer misses contact by about 1e-15, so all radii are first multiplied by one exact rational factor; a packing that
needs more than `LARGEST_SHRINK` is refused, because it is wrong rather than rounded. (Evaluators with a slack of 1e-6
can be "beaten" by 1.3e-5 with the same packing.)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from cognition.records import JSON, Failure, FailureKind

#: Relative. Rounding needs 1e-14; a penalty method that stops early leaves more than this and has to repair itself.
LARGEST_SHRINK = Fraction(1, 10**6)
LONGEST_TEXT = 64
#: An optional sign, digits, then optionally a decimal part or a denominator. No exponents: `1e999999999` is a trap.
PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+|/[0-9]+)?", re.ASCII)
_ROOT_SCALE = 10**24  # digits kept of an irrational distance when the factor is rounded down

Number = Fraction


@dataclass(frozen=True, slots=True)
class Circle:
    """One circle with exact coordinates."""

    x: Fraction
    y: Fraction
    r: Fraction


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The container, with a corner at the origin."""

    width: Fraction
    height: Fraction


@dataclass(frozen=True, slots=True)
class Verified:
    """A packing without any overlap, with the exact sum of its radii and what the repair took off (relative)."""

    circles: tuple[Circle, ...]
    total: Fraction
    shrink: Fraction


def judge(answer: JSON, n: int, box: Rectangle) -> Verified | Failure:
    """The verified packing, or why it is not one."""
    circles = read(answer, n)
    if isinstance(circles, Failure):
        return circles
    factor = shrink_factor(circles, box)
    if factor < 1 - LARGEST_SHRINK:
        return _invalid(f"circles overlap or stick out: {_worst(circles, box)}; shrink the radii until nothing touches")
    repaired = tuple(Circle(c.x, c.y, c.r * factor) for c in circles) if factor < 1 else circles
    problem = fault(repaired, box)
    if problem is not None:
        return _invalid(problem)
    return Verified(repaired, sum((c.r for c in repaired), Fraction(0)), 1 - factor)


def read(answer: JSON, n: int) -> tuple[Circle, ...] | Failure:
    """Exactly n rows of exactly three numbers with a positive radius."""
    if not isinstance(answer, list):
        return _invalid(f"expected a list of {n} circles (x, y, r), got {_kind(answer)}")
    if len(answer) != n:
        return _invalid(f"expected {n} circles, got {len(answer)}")
    circles = []
    for index, row in enumerate(answer):
        if not isinstance(row, list) or len(row) != 3:
            what = f"{len(row)} entries" if isinstance(row, list) else _kind(row)
            return _invalid(f"circle {index}: expected (x, y, r), got {what}")
        try:
            circle = Circle(*(number(entry) for entry in row))
        except ValueError as error:
            return _invalid(f"circle {index}: {error}")
        if circle.r <= 0:
            return _invalid(f"circle {index}: the radius is {float(circle.r):.6g}; expected more than 0")
        circles.append(circle)
    return tuple(circles)


def number(entry: JSON) -> Fraction:
    """A number exactly as it was written. Raises ValueError with the reason.

    >>> number("0.1"), number(0.5), number("2/3")
    (Fraction(1, 10), Fraction(1, 2), Fraction(2, 3))
    """
    if isinstance(entry, bool) or not isinstance(entry, int | float | str):
        raise ValueError(f"expected a number, got {_kind(entry)}")
    if isinstance(entry, str):
        return _from_text(entry)
    if not -1e9 <= entry <= 1e9:  # NaN fails both; integers of any size compare exactly
        raise ValueError("expected a finite number below 1e9 in size")
    return Fraction(entry)


def fault(circles: tuple[Circle, ...], box: Rectangle) -> str | None:
    """The first thing that is wrong with a packing, or None: the only place where validity is decided."""
    for index, c in enumerate(circles):
        if c.r <= 0:
            return f"circle {index} has no positive radius"
        if c.x < c.r or c.y < c.r or c.x + c.r > box.width or c.y + c.r > box.height:
            return f"circle {index} sticks out of the rectangle"
    for j, b in enumerate(circles):
        for i, a in enumerate(circles[:j]):
            if (a.x - b.x) ** 2 + (a.y - b.y) ** 2 < (a.r + b.r) ** 2:
                return f"circles {i} and {j} overlap"
    return None


def shrink_factor(circles: tuple[Circle, ...], box: Rectangle) -> Fraction:
    """The largest factor at most 1 (rounded down in the 24th digit) that makes all radii fit; 0 or less: none does."""
    factor = Fraction(1)
    for c in circles:
        factor = min(factor, min(c.x, c.y, box.width - c.x, box.height - c.y) / c.r)
    for j, b in enumerate(circles):
        for a in circles[:j]:
            square, reach = (a.x - b.x) ** 2 + (a.y - b.y) ** 2, a.r + b.r
            if square < reach * reach:
                factor = min(factor, _root_down(square / (reach * reach)))
    return factor


def contacts(verified: Verified, box: Rectangle, gap: float = 1e-9) -> tuple[list[tuple[int, int]], int]:
    """Pairs that (nearly) touch and how many walls are touched: for people and pictures, not for validity."""
    circles = [(float(c.x), float(c.y), float(c.r)) for c in verified.circles]
    pairs = [
        (i, j)
        for j, (x, y, r) in enumerate(circles)
        for i, (u, v, s) in enumerate(circles[:j])
        if math.hypot(x - u, y - v) - r - s < gap
    ]
    width, height = float(box.width), float(box.height)
    walls = sum(side - r < gap for x, y, r in circles for side in (x, y, width - x, height - y))
    return pairs, walls


def decimal_down(value: Fraction, digits: int = 12) -> str:
    """A non-negative number as a decimal, rounded down, so that it never claims more than is there.

    >>> decimal_down(Fraction(2, 3), 4)
    '0.6666'
    """
    whole = value.numerator * 10**digits // value.denominator
    text = str(whole).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}"


def float_down(value: Fraction) -> float:
    """The largest float that is not above the value."""
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def _from_text(text: str) -> Fraction:
    if len(text) > LONGEST_TEXT or not PLAIN.fullmatch(text):
        raise ValueError(
            f"expected a plain decimal or ratio of at most {LONGEST_TEXT} characters (no exponent), got {text[:40]!r}"
        )
    try:
        value = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"{text[:40]!r} divides by zero") from None
    if abs(value) > 10**9:
        raise ValueError("expected a number below 1e9 in size")
    return value


def _root_down(value: Fraction) -> Fraction:
    """A rational just below the square root."""
    return Fraction(math.isqrt(value.numerator * _ROOT_SCALE**2 // value.denominator), _ROOT_SCALE)


def _worst(circles: tuple[Circle, ...], box: Rectangle) -> str:
    """The deepest violation in words, for the Researcher."""
    depths = []
    for i, c in enumerate(circles):
        depth = c.r - min(c.x, c.y, box.width - c.x, box.height - c.y)
        depths.append((float(depth), f"circle {i} sticks out of the rectangle by {float(depth):.3g}"))
    for j, b in enumerate(circles):
        for i, a in enumerate(circles[:j]):
            overlap = float(a.r + b.r) - math.hypot(float(a.x - b.x), float(a.y - b.y))
            depths.append((overlap, f"circles {i} and {j} overlap by {overlap:.3g}"))
    return max(depths)[1]


def _invalid(reason: str) -> Failure:
    return Failure(FailureKind.INVALID, reason)


def _kind(value: JSON) -> str:
    return "nothing (None)" if value is None else type(value).__name__
