"""The frame around the blocks: starts and improvements in turn until the time is over; the best is returned."""

from __future__ import annotations

from problems.max_min_distance.blocks.improve import sequential_lp as improve
from problems.max_min_distance.blocks.start import ball as start
from problems.max_min_distance.blocks.toolkit import Array, Clock, np, ratio

# {blocks}


def solve(n: int, dimension: int, seed: int, cpu_s: float) -> Array:
    """n points, found within `cpu_s` seconds of CPU time."""
    clock, rng = Clock(0.9 * cpu_s), np.random.default_rng(seed)
    best = start(n, dimension, rng)
    while clock.running():
        best = min(best, improve(start(n, dimension, rng), rng, clock), key=ratio)
    return best
