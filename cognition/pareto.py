"""The Pareto front: which of many are not beaten on every objective at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is at least as good everywhere and better somewhere; all numbers: higher is better.

    >>> dominates((1, 2), (1, 1)), dominates((1, 2), (2, 1)), dominates((1, 1), (1, 1))
    (True, False, False)
    """
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


def front(points: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """The names of the points that no other dominates, in the order given; of equal points the first.

    Higher is better in every coordinate. Raises ValueError for a point that holds NaN, or of another length.

    >>> front({"fast": (1, 9), "good": (9, 1), "slow": (1, 8), "as good": (9, 1)})
    ('fast', 'good')
    """
    if any(value != value for point in points.values() for value in point):
        raise ValueError("NaN is no place on a front")
    order = {name: number for number, name in enumerate(points)}
    # From the best in the first coordinate on, a point can only be dominated by one that was looked at before it.
    sorted_names = sorted(points, key=lambda name: (*(-value for value in points[name]), order[name]))
    kept: list[str] = []
    for name in sorted_names:
        if not any(_covers(points[other], points[name]) for other in kept):
            kept.append(name)
    return tuple(sorted(kept, key=order.__getitem__))


def _covers(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))
