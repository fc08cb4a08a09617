"""The largest coefficient of a product of two polynomials with whole, non-negative coefficients, exactly.

Each polynomial is written as one long decimal number with a field of digits per coefficient, wide enough that no field
of the product overflows into the next (Kronecker's substitution). Python's decimal module multiplies such numbers in
nearly linear time where its int takes n^1.58, which matters once floats near 1e-300 make the coefficients long. The
multiplication raises if it would have to round.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation, Overflow


def largest_coefficient(first: Sequence[int], second: Sequence[int]) -> tuple[int, int]:
    """The largest of sum(first[i] * second[k - i]) over i, and the first k where it is reached.

    >>> largest_coefficient([1, 2], [3, 1])
    (7, 1)
    """
    if min(*first, *second) < 0:
        raise ValueError("expected coefficients of at least 0")
    width = len(str(max(first) * max(second) * min(len(first), len(second))))
    count = len(first) + len(second) - 1
    exactly = Context(prec=count * width + 1, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation, Overflow])
    product = exactly.multiply(_packed(first, width), _packed(second, width))
    digits = f"{product:f}".zfill(count * width)
    fields = [digits[start : start + width] for start in range(0, count * width, width)]
    best = max(fields)  # fields are equally long, so text and numbers are in the same order
    return int(best), fields.index(best)


def _packed(coefficients: Sequence[int], width: int) -> Decimal:
    return Decimal("".join(str(value).zfill(width) for value in coefficients))
