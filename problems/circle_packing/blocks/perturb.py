"""Slot `perturb`: from a packing to other centres to try. `perturb(packing, box, rng) -> points (n, 2)`."""

from __future__ import annotations

from typing import Annotated

from problems.circle_packing.blocks.toolkit import Array, Box, Packing, Rng, clearance, inside, np, uniform


def jitter_all(packing: Packing, box: Box, rng: Rng, *, scale: Annotated[float, (0.005, 0.8), "log"] = 0.02) -> Array:
    """Move every centre by a little noise.

    Small noise falls back to the same packing; large noise forgets it.
    """
    return inside(packing.points + rng.normal(0.0, scale * box.unit, packing.points.shape), box)


def jitter_region(
    packing: Packing,
    box: Box,
    rng: Rng,
    *,
    scale: Annotated[float, (0.02, 1.0), "log"] = 0.1,
    reach: Annotated[float, (0.6, 3.5)] = 1.0,
) -> Array:
    """Shake the circles of one random region and leave the others.

    Good packings differ in patches: a region can be rearranged while the rest keeps what it has gained.
    """
    middle = uniform(box, rng, 1)
    apart = packing.points - middle
    near = np.hypot(apart[:, 0], apart[:, 1]) < reach * box.unit
    points = packing.points.copy()
    points[near] += rng.normal(0.0, scale * box.unit, (int(near.sum()), 2))
    return inside(points, box)


def small_to_hole(
    packing: Packing,
    box: Box,
    rng: Rng,
    *,
    smallest: Annotated[int, (1, 15)] = 2,
    places: Annotated[int, (1, 300), "log"] = 200,
) -> Array:
    """Take one of the smallest circles out and put it where most room is left.

    Looking at too many places always finds the same hole, and always the same move.
    """
    which = int(rng.choice(np.argsort(packing.radii)[:smallest]))
    candidates = uniform(box, rng, places)
    points = packing.points.copy()
    points[which] = candidates[clearance(candidates, packing, box, which).argmax()]
    return points


def swap_two(packing: Packing, box: Box, rng: Rng, *, swaps: Annotated[int, (1, 6)] = 1) -> Array:
    """Exchange the places of two circles.

    Useful only where the local method remembers radii; centres alone look the same after a swap.
    """
    points = packing.points.copy()
    for _ in range(min(swaps, box.n // 2)):
        a, b = rng.choice(box.n, 2, replace=False)
        points[[a, b]] = points[[b, a]]
    return points


def teleport(packing: Packing, box: Box, rng: Rng, *, share: Annotated[float, (0.02, 1.0), "log"] = 0.5) -> Array:
    """Put a share of the circles at random places.

    A large share is a fresh start in disguise.
    """
    moved = rng.choice(box.n, max(1, round(share * box.n)), replace=False)
    points = packing.points.copy()
    points[moved] = uniform(box, rng, len(moved))
    return points
