"""The exact referees: time per verdict, and verdicts near the boundary against interval arithmetic.

    python -m benchmarks.referees --cases 10000 --seed 0

The cases lie where a referee with a tolerance would slip: contact, border, integral and sign are off by 1e-17 to 1e-5.
Each accepted answer is looked at again by other formulas in interval arithmetic of 300 bits (mpmath.iv), which shares
no code with the referees. A false accept is a verdict that the intervals contradict: what was verified is not valid, or
needed more repair than is allowed, or is worth less than the verdict says. `open` counts comparisons that intervals
cannot decide because both sides are (nearly) equal; `refused though fine` counts the opposite mistake. Times are CPU
time, since a verdict does nothing else. The exit code is 1 if there is a false accept, or if a verdict takes longer
than 50 ms in the median.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any

from mpmath import iv

from cognition.records import Failure
from problems.autocorrelation import referee as autocorrelation
from problems.circle_packing import referee as circles
from problems.circle_packing.seed_program import pack
from problems.heilbronn_triangle import referee as heilbronn
from problems.max_min_distance import referee as distances
from problems.minimum_overlap import referee as overlap

PRECISION_BITS = 300
TARGET_MS = 50.0
UNIT = circles.Rectangle(Fraction(1), Fraction(1))
REPAIR = Fraction(1, 10**6)

Answer = Any  # plain JSON
Interval = Any  # mpmath has no types


@dataclass(frozen=True)
class Claim:
    """Something that an accepted answer says: `value` is at least 0. None of these may be false."""

    what: str
    value: Interval


@dataclass(frozen=True)
class Case:
    """One problem: how near-boundary answers are made, judged, and looked at again."""

    name: str
    make: Callable[[Random], Answer]
    judge: Callable[[Answer], Any]
    claims: Callable[[Answer, Any], Iterator[Claim]]
    repairable: Callable[[Answer], Interval]  # at least 0: the answer is one that the referee has to accept


def interval(value: float | Fraction) -> Interval:
    """The number, enclosed."""
    exact = Fraction(value)
    return iv.mpf(exact.numerator) / iv.mpf(exact.denominator)


def lowest(values: Sequence[Interval]) -> Interval:
    """An interval that encloses the smallest value."""
    return iv.mpf([min(value.a for value in values), min(value.b for value in values)])


def highest(values: Sequence[Interval]) -> Interval:
    """An interval that encloses the largest value."""
    return -lowest([-value for value in values])


def tiny(rng: Random) -> float:
    """A signed number between 1e-17 and 1e-5 in size."""
    return float(rng.choice((-1, 1)) * 10 ** rng.uniform(-17, -5))


# Circle packing, n = 26


def touching_circles(rng: Random) -> Answer:
    """A grid of circles in contact, moved and resized a little."""
    size, move = 1.0 / 0.9999998 * (1.0 + tiny(rng)), abs(tiny(rng))
    rows = pack(26, 1.0, 1.0, 0, 1.0)
    return [[x + rng.gauss(0, move), y + rng.gauss(0, move), r * size * (1 + tiny(rng) * move)] for x, y, r in rows]


def circle_slacks(rows: Sequence[Sequence[float | Fraction]], factor: Fraction = Fraction(1)) -> Iterator[Interval]:
    """Room between circle and wall, and between two circles, by square roots; radii times the factor.

    Pairs that are a thousandth apart in floats, whose error is below 1e-14, are left out: they are not near contact.
    """
    exact = [(interval(x), interval(y), interval(r) * interval(factor)) for x, y, r in rows]
    rough = [(float(x), float(y), float(r)) for x, y, r in rows]
    for x, y, r in exact:
        yield from (x - r, y - r, 1 - x - r, 1 - y - r)
    for i, j in itertools.combinations(range(len(rows)), 2):
        (x, y, r), (u, v, s) = rough[i], rough[j]
        if math.hypot(x - u, y - v) - r - s < 1e-3:
            (x, y, r), (u, v, s) = exact[i], exact[j]
            yield iv.sqrt((x - u) ** 2 + (y - v) ** 2) - (r + s)


def circle_claims(answer: Answer, verdict: circles.Verified) -> Iterator[Claim]:
    """The verified circles fit, are the answer's, and add up."""
    found = [(c.x, c.y, c.r) for c in verdict.circles]
    yield Claim("fits", lowest(list(circle_slacks(found))))
    radii = [interval(r) for _, _, r in found]
    yield Claim("sum", sum(radii, iv.mpf(0)) - interval(verdict.total))
    least = 1 - interval(REPAIR)
    for (x, y, _), r, (a, b, c) in zip(found, radii, answer, strict=True):
        yield Claim("not grown", lowest([interval(c) - r, r - interval(c) * least]))
        yield Claim("not moved", iv.mpf(0) - abs(interval(x) - interval(a)) - abs(interval(y) - interval(b)))


def circle_repairable(answer: Answer) -> Interval:
    """Whether radii smaller by a millionth fit."""
    return lowest(list(circle_slacks(answer, 1 - REPAIR)))


# Heilbronn triangle, n = 11


def points_on_the_border(rng: Random) -> Answer:
    """Eleven points; some on a side, or off it by very little, some nearly on one line."""
    points: list[list[float]] = []
    for index in range(11):
        x, y = rng.random(), rng.random()
        x, y = (x, y) if x + y <= 1 else (1 - x, 1 - y)
        side = rng.randrange(6)
        off = tiny(rng) * rng.choice((0.0, 1e-3, 0.3))
        point = {0: [off, y], 1: [x, off], 2: [x, 1 - x + off]}.get(side, [x, y])
        if index > 1 and side == 5:  # on the line through two others
            (a, b), (c, d) = rng.sample(points, 2)
            share = rng.random()
            point = [a + share * (c - a), b + share * (d - b) + off]
        points.append(point)
    return points


def barycentric(x: Interval, y: Interval) -> tuple[Interval, Interval, Interval]:
    """The three coordinates of a point."""
    return (1 - x - y, x, y)


def determinant(rows: Sequence[tuple[Interval, Interval, Interval]]) -> Interval:
    """Of three points in barycentric coordinates: their area relative to the triangle."""
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def nearly_smallest(points: Sequence[tuple[Fraction, Fraction]]) -> list[tuple[int, int, int]]:
    """Triples whose area in floats, whose error is below 1e-14, is within a thousandth of the smallest."""
    xs, ys = [float(x) for x, _ in points], [float(y) for _, y in points]
    rough = {
        (i, j, k): abs((xs[j] - xs[i]) * (ys[k] - ys[i]) - (xs[k] - xs[i]) * (ys[j] - ys[i]))
        for i, j, k in itertools.combinations(range(len(points)), 3)
    }
    least = min(rough.values()) + 1e-3
    return [three for three, area in rough.items() if area < least]


def heilbronn_claims(answer: Answer, verdict: heilbronn.Verified) -> Iterator[Claim]:
    """The verified points are inside, near the answer's, and span no smaller triangle."""
    rows = [barycentric(interval(x), interval(y)) for x, y in verdict.points]
    yield Claim("inside", lowest([value for row in rows for value in row]))
    areas = [abs(determinant([rows[index] for index in three])) for three in nearly_smallest(verdict.points)]
    yield Claim("area", lowest(areas) - interval(verdict.smallest))
    shifts = [abs(row[1] - interval(x)) + abs(row[2] - interval(y)) for row, (x, y) in zip(rows, answer, strict=True)]
    yield Claim("not moved far", interval(2 * REPAIR) - highest(shifts))


def heilbronn_repairable(answer: Answer) -> Interval:
    """Whether the points are inside once moved to the centre by a millionth."""
    rows = [barycentric(interval(x), interval(y)) for x, y in answer]
    factor = 1 - interval(REPAIR)
    return lowest([factor * value + (1 - factor) / 3 for row in rows for value in row])


# Max-min distance, n = 16


def nearly_equal_distances(rng: Random) -> Answer:
    """A square grid, moved a little; sometimes with a pair that is (nearly) one point."""
    move = abs(tiny(rng))
    points = [[column + rng.gauss(0, move), row + rng.gauss(0, move)] for row in range(4) for column in range(4)]
    if rng.random() < 0.3:
        one, other = rng.sample(range(16), 2)
        points[one] = [points[other][0], math.nextafter(points[other][1], math.inf) if rng.random() < 0.5 else
                       points[other][1]]  # fmt: skip
    return points


def pair_distances(answer: Answer) -> list[Interval]:
    """Of all pairs, by square roots."""
    rows = [(interval(x), interval(y)) for x, y in answer]
    return [iv.sqrt((x - u) ** 2 + (y - v) ** 2) for (x, y), (u, v) in itertools.combinations(rows, 2)]


def distance_claims(answer: Answer, verdict: distances.Verified) -> Iterator[Claim]:
    """The ratio is no better than that of the enclosed distances."""
    found = pair_distances(answer)
    yield Claim("apart", lowest(found) - interval(Fraction(1, 10**300)))
    yield Claim("ratio", interval(verdict.squared_ratio) * lowest(found) ** 2 - highest(found) ** 2)


# Autocorrelation and minimum overlap, 6 to 24 steps


def heights_around_zero(rng: Random) -> Answer:
    """Equal heights in stretches, changed a little; some 0, rarely one that is negative by very little."""
    heights = [rng.choice((0.0, 0.5, 1.0, rng.random())) * (1 + tiny(rng)) for _ in range(rng.randrange(6, 25))]
    if rng.random() < 0.3:
        heights[rng.randrange(len(heights))] = tiny(rng)
    return heights


def sums(first: Sequence[Interval], second: Sequence[Interval]) -> list[Interval]:
    """The coefficients of the product, term by term."""
    found = [iv.mpf(0)] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            found[i + j] += a * b
    return found


def autocorrelation_claims(answer: Answer, verdict: autocorrelation.Verified) -> Iterator[Claim]:
    """No height is negative, and the bound is no better than the enclosed one."""
    heights = [interval(value) for value in answer]
    yield Claim("not negative", lowest(heights))
    total = sum(heights, iv.mpf(0))
    peak = highest(sums(heights, heights)) * 2 * len(heights)
    yield Claim("bound", interval(verdict.bound) * total**2 - peak)


def heights_with_integral_one(rng: Random) -> Answer:
    """Heights and their complements, so that the mean is 1/2 up to rounding, then off by very little."""
    half = [rng.choice((0.0, 1.0, rng.random(), rng.random())) for _ in range(rng.randrange(3, 13))]
    off = 1.0 + rng.choice((0.0, 0.1, 1.0)) * tiny(rng)
    heights = [value * off for value in (*half, *(1.0 - value for value in half))]
    return heights if rng.random() < 0.3 else [min(1.0, value) for value in heights]


def overlap_claims(answer: Answer, verdict: overlap.Verified) -> Iterator[Claim]:
    """The verified heights are allowed, near the answer's, and overlap no more."""
    heights = [interval(value) for value in verdict.heights]
    yield Claim("in the unit interval", lowest([*heights, *(1 - value for value in heights), *map(interval, answer)]))
    yield Claim("integral", iv.mpf(0) - abs(sum(heights, iv.mpf(0)) * 2 - len(heights)))
    found = sums(heights[::-1], [1 - value for value in heights])
    yield Claim("overlap", interval(verdict.bound) * len(heights) / 2 - highest(found))
    shifts = [abs(one - interval(other)) for one, other in zip(heights, answer, strict=True)]
    yield Claim("not moved far", interval(REPAIR) - highest(shifts))


def overlap_repairable(answer: Answer) -> Interval:
    """Whether heights are in the unit interval and the integral is within a millionth of 1, on its larger side."""
    heights = [interval(value) for value in answer]
    total = sum(heights, iv.mpf(0)) / len(heights)
    larger = highest([total, 1 - total])
    return lowest([*heights, *(1 - value for value in heights), iv.mpf(0.5) - larger * (1 - interval(REPAIR))])


CASES = (
    Case("circle_packing n=26", touching_circles, lambda a: circles.judge(a, 26, UNIT), circle_claims,
         circle_repairable),
    Case("heilbronn_triangle n=11", points_on_the_border, lambda a: heilbronn.judge(a, 11), heilbronn_claims,
         heilbronn_repairable),
    Case("max_min_distance n=16", nearly_equal_distances, lambda a: distances.judge(a, 16, 2), distance_claims,
         lambda a: lowest(pair_distances(a)) - interval(Fraction(1, 10**300))),
    Case("autocorrelation", heights_around_zero, autocorrelation.judge, autocorrelation_claims,
         lambda a: lowest([interval(value) for value in a])),
    Case("minimum_overlap", heights_with_integral_one, overlap.judge, overlap_claims, overlap_repairable),
)  # fmt: skip


def audit(case: Case, count: int, rng: Random) -> Counter[str]:
    """What became of so many cases."""
    found: Counter[str] = Counter()
    for _ in range(count):
        answer = case.make(rng)
        verdict = case.judge(answer)
        if isinstance(verdict, Failure):
            found["refused"] += 1
            found["refused though fine"] += bool(case.repairable(answer) > 0)
            continue
        claims = [(claim.what, claim.value >= 0) for claim in case.claims(answer, verdict)]
        false = [what for what, holds in claims if holds is False]
        found["accepted"] += 1
        found["false accepts"] += bool(false) or (case.repairable(answer) < 0) is True
        found["open"] += sum(holds is None for _, holds in claims)
    return found


def timings(rng: Random) -> Iterator[tuple[str, Callable[[], Any]]]:
    """One verdict of each kind, of usual size and of the largest that is allowed."""
    packing = touching_circles(rng)
    yield "circle_packing n=26", partial(circles.judge, packing, 26, UNIT)
    for n in (11, 40):
        points = [[min(x, y), abs(x - y) * 0.999] for x, y in ((rng.random() / 2, rng.random() / 2) for _ in range(n))]
        points[0][0] = -1e-17
        yield f"heilbronn_triangle n={n}", partial(heilbronn.judge, points, n)
    for n in (16, 100):
        places = [[rng.random(), rng.random()] for _ in range(n)]
        yield f"max_min_distance n={n}", partial(distances.judge, places, n, 2)
    for steps in (100, 600, 1000):
        heights = [rng.random() for _ in range(steps)]
        yield f"autocorrelation, {steps} steps", partial(autocorrelation.judge, heights)
    wide = [1e9, 1e-100, *heights[2:]]
    yield "autocorrelation, 1000 steps from 1e-100 to 1e9", partial(autocorrelation.judge, wide)
    for steps in (50, 600, 1000):
        halves = [rng.random() for _ in range(steps // 2)]
        whole = [*halves, *(1.0 - value for value in halves)]
        yield f"minimum_overlap, {steps} steps", partial(overlap.judge, whole)
    small = [1e-100, *whole[1:500], 1.0, *whole[501:]]
    yield "minimum_overlap, 1000 steps from 1e-100 to 1", partial(overlap.judge, small)


def timed(verdict: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median and longest, in milliseconds of CPU time."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        verdict()
        spent.append(1e3 * (time.process_time() - start))
    return statistics.median(spent), max(spent)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000, help="near-boundary cases per problem")
    parser.add_argument("--repeats", type=int, default=30, help="verdicts per timing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="only the cases of problems whose names begin so")
    options = parser.parse_args()
    iv.prec = PRECISION_BITS
    good = True
    print("| verdict | outcome | median CPU ms | longest CPU ms |\n|---|---|---|---|")
    for name, verdict in timings(Random(options.seed)):
        median, longest = timed(verdict, options.repeats)
        outcome = "refused" if isinstance(verdict(), Failure) else "verified"
        print(f"| {name} | {outcome} | {median:.2f} | {longest:.2f} |", flush=True)
        good = good and median <= TARGET_MS
    columns = ("accepted", "refused", "false accepts", "refused though fine", "open")
    print(f"\n| {options.cases} cases each | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for case in (case for case in CASES if case.name.startswith(options.only)):
        found = audit(case, options.cases, Random(f"{options.seed} {case.name}"))
        print(f"| {case.name} | {' | '.join(str(found[column]) for column in columns)} |", flush=True)
        good = good and found["false accepts"] == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
