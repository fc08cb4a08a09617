"""Slot `local`: from centres to a valid packing nearby. `local(points, box, clock) -> Packing`."""

from __future__ import annotations

from typing import Annotated

from problems.circle_packing.blocks.toolkit import (
    Array,
    Box,
    Clock,
    Packing,
    best_radii,
    fit,
    inside,
    linear_step,
    minimize,
    np,
    pairs_within,
)


def nearest_half(points: Array, box: Box, clock: Clock) -> Packing:
    """Give each circle half the distance to its nearest neighbour; the centres stay.

    Costs nothing and wastes most of the room: a neighbour's neighbour may have left space that nobody takes.
    """
    return fit(points, box)


def radii_by_lp(points: Array, box: Box, clock: Clock) -> Packing:
    """Choose the best radii for fixed centres by a linear programme; the centres stay.

    Exact and fast, but only half of the problem: without moving centres the packing stays loose.
    """
    return best_radii(points, box)


def push_apart(
    points: Array,
    box: Box,
    clock: Clock,
    *,
    steps: Annotated[int, (5, 200)] = 30,
    pace: Annotated[float, (0.02, 0.5), "log"] = 0.1,
) -> Packing:
    """Let near centres repel each other for some steps, then choose the radii by a linear programme.

    Tends towards equal circles, which is not what a large sum of radii wants.
    """
    reach = np.full(box.n, 0.55 * box.unit)
    for _ in range(steps):
        i, j, distance = pairs_within(points, reach)
        push = (points[i] - points[j]) * (1.1 * box.unit / np.maximum(distance, 1e-9) - 1.0)[:, None]
        move = np.zeros_like(points)
        np.add.at(move, i, push)
        np.add.at(move, j, -push)
        points = inside(points + pace * move, box)
    return best_radii(points, box)


def penalty_descent(
    points: Array,
    box: Box,
    clock: Clock,
    *,
    stiffness: Annotated[float, (3.0, 1000.0), "log"] = 10.0,
    stages: Annotated[int, (1, 4)] = 1,
    iterations: Annotated[int, (20, 300)] = 60,
) -> Packing:
    """Maximise the radii minus a penalty on squared overlaps (L-BFGS), then repair the radii by a linear programme.

    Stiffer stages follow each other. A penalty that is too soft leaves overlaps, and the repair pays for them.
    """
    n = box.n
    first, second = np.triu_indices(n, 1)

    def cost(z: Array, weight: float) -> tuple[float, Array]:
        x, y, r = z[:n], z[n : 2 * n], z[2 * n :]
        dx, dy = x[first] - x[second], y[first] - y[second]
        distance = np.maximum(np.hypot(dx, dy), 1e-12)
        over = np.maximum(r[first] + r[second] - distance, 0.0)
        left, right = np.maximum(r - x, 0.0), np.maximum(x + r - box.width, 0.0)
        low, high = np.maximum(r - y, 0.0), np.maximum(y + r - box.height, 0.0)
        pull = 2.0 * weight * over / distance
        gx, gy = 2.0 * weight * (right - left), 2.0 * weight * (high - low)
        gr = 2.0 * weight * (left + right + low + high) - 1.0
        gx += np.bincount(second, pull * dx, n) - np.bincount(first, pull * dx, n)
        gy += np.bincount(second, pull * dy, n) - np.bincount(first, pull * dy, n)
        gr += 2.0 * weight * (np.bincount(first, over, n) + np.bincount(second, over, n))
        squares = (over**2).sum() + (left**2 + right**2 + low**2 + high**2).sum()
        return float(weight * squares - r.sum()), np.concatenate([gx, gy, gr])

    z = np.concatenate([points[:, 0], points[:, 1], fit(points, box).radii])
    for stage in range(stages):
        if clock.running:
            weight = stiffness * 10.0**stage / box.unit
            z = minimize(cost, z, args=(weight,), jac=True, method="L-BFGS-B", options={"maxiter": iterations}).x
    return best_radii(inside(np.column_stack([z[:n], z[n : 2 * n]]), box), box)


def sequential_lp(
    points: Array,
    box: Box,
    clock: Clock,
    *,
    trust: Annotated[float, (0.02, 1.5), "log"] = 0.1,
    narrow: Annotated[float, (0.1, 0.9)] = 0.7,
    steps: Annotated[int, (2, 40)] = 8,
) -> Packing:
    """Move centres and choose radii together by a sequence of linear programmes within a trust region.

    The packing stays valid and its sum never falls. The region narrows when a step gains little; a wide region and
    enough steps reach the exact contacts of a locally best packing.
    """
    packing, region, total = Packing(points, np.zeros(box.n)), trust * box.unit, 0.0
    for _ in range(steps):
        packing = linear_step(packing, box, region)
        gain, total = packing.total - total, packing.total
        if gain < 0.005 * box.unit:
            region *= narrow
        if gain < 1e-9 * box.unit or not clock.running:
            break
    return packing
