"""The frame around the blocks: starts and improvements in turn until the time is over; the best is returned."""

from __future__ import annotations

from problems.autocorrelation.blocks.improve import soft_descent as improve
from problems.autocorrelation.blocks.start import noise as start
from problems.autocorrelation.blocks.toolkit import Array, Clock, bound, np

# {blocks}


def solve(steps: int, seed: int, cpu_s: float) -> Array:
    """The heights of a step function, found within `cpu_s` seconds of CPU time."""
    clock, rng = Clock(0.85 * cpu_s), np.random.default_rng(seed)
    best = start(steps, rng)
    while clock.running():
        best = min(best, improve(start(steps, rng), rng, clock), key=bound)
    return np.where(best > 1e-9 * best.max(), best / best.max(), 0.0)
