"""The frame around the blocks: `pack` starts the clock and the random stream and hands over to the schedule."""

from __future__ import annotations

from problems.circle_packing.blocks.local import radii_by_lp as local
from problems.circle_packing.blocks.perturb import jitter_all as perturb
from problems.circle_packing.blocks.schedule import multistart as schedule
from problems.circle_packing.blocks.start import uniform_points as start
from problems.circle_packing.blocks.toolkit import Box, Clock, Moves, np, zlib

# {blocks}


def pack(n: int, width: float, height: float, seed: int, cpu_s: float) -> list[tuple[float, float, float]]:
    """Circles (x, y, r) in the rectangle, found within `cpu_s` seconds of CPU time."""
    clock = Clock(0.9 * cpu_s)
    constants = [getattr(step, "keywords", {}) for step in (start, local, perturb, schedule)]
    stream = zlib.crc32(repr(constants).encode())  # other constants, other random numbers: no search is repeated
    rng = np.random.default_rng([seed, stream])
    packing = schedule(Moves(start, local, perturb), Box(n, width, height), rng, clock)
    return [(float(x), float(y), float(r)) for (x, y), r in zip(packing.points, packing.radii, strict=True)]
