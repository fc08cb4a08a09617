"""The frame around the blocks: starts and improvements in turn until the time is over; the best is returned."""

from __future__ import annotations

from problems.heilbronn_triangle.blocks.improve import move_one as improve
from problems.heilbronn_triangle.blocks.polish import sequential_lp as polish
from problems.heilbronn_triangle.blocks.start import uniform as start
from problems.heilbronn_triangle.blocks.toolkit import Clock, Points, np, smallest, triples

# {blocks}


def solve(n: int, seed: int, cpu_s: float) -> Points:
    """n points in the triangle, found within `cpu_s` seconds of CPU time."""
    clock, rng, which = Clock(0.9 * cpu_s), np.random.default_rng(seed), triples(n)
    best = start(n, rng)
    while clock.running():
        found = polish(improve(start(n, rng), rng, clock), rng, clock)
        best = max(best, found, key=lambda points: smallest(points, which))
    return best
