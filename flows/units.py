"""Dollars and hours as people read them."""

from __future__ import annotations


def usd(dollars: float) -> str:
    """Small amounts keep two significant digits.

    >>> usd(12.3), usd(0.0369), usd(0)
    ('$12.30', '$0.037', '$0.00')
    """
    return f"${dollars:.2g}" if 0 < dollars < 0.1 else f"${dollars:.2f}"


def hours(value_h: float) -> str:
    """Hours, or minutes or seconds below one.

    >>> hours(2.5), hours(0.1), hours(0.001), hours(0)
    ('2.5 h', '6 min', '3.6 s', '0 h')
    """
    if 0 < value_h < 1 / 60:
        return f"{value_h * 3600:.2g} s"
    return f"{value_h * 60:.2g} min" if 0 < value_h < 1 else f"{value_h:.3g} h"
