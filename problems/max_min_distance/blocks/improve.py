"""Slot `improve`: how the ratio shrinks. `improve(points, rng, clock) -> points`."""

from __future__ import annotations

from typing import Annotated

from problems.max_min_distance.blocks.toolkit import (
    Array,
    Clock,
    linprog,
    minimize,
    np,
    pairs,
    ratio,
    squares,
)


def soft_descent(
    points: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    sharpness: Annotated[float, (5.0, 200.0), "log"] = 30.0,
    rounds: Annotated[int, (1, 6)] = 3,
) -> Array:
    """Descend on a smooth stand-in: power means in place of the largest and the smallest distance.

    Each round is sharper than the one before. Cheap and good for a rough shape; it never ends exactly at the corner.
    """
    shape, (first, second) = points.shape, pairs(len(points))

    def smooth(flat: Array, power: float) -> tuple[float, Array]:
        here = flat.reshape(shape)
        logs = np.log(np.maximum(squares(here), 1e-12))
        far, near = np.exp(power * (logs - logs.max())), np.exp(-power * (logs - logs.min()))
        value = logs.max() - logs.min() + (np.log(far.sum()) + np.log(near.sum())) / power
        weights = (far / far.sum() - near / near.sum()) / np.exp(logs)
        pull = 2.0 * weights[:, None] * (here[first] - here[second])
        slope = np.zeros(shape)
        np.add.at(slope, first, pull)
        np.add.at(slope, second, -pull)
        return float(value), slope.ravel()

    for number in range(rounds):
        if not clock.running():
            break
        power = sharpness * 3.0**number
        done = minimize(smooth, points.ravel(), args=(power,), jac=True, method="L-BFGS-B", options={"maxiter": 200})
        moved = done.x.reshape(shape)
        if ratio(moved) < ratio(points):
            points = moved
    return points


def sequential_lp(
    points: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    steps: Annotated[int, (10, 300), "log"] = 60,
    trust: Annotated[float, (0.01, 0.5), "log"] = 0.2,
) -> Array:
    """Move all points at once by a linear programme on the linearised squared distances.

    The smallest distance is held at 1 and the largest is lowered. The allowed move shrinks when the true ratio does not
    follow; it ends exactly at a corner, where many distances are equal.
    """
    n, dimension = points.shape
    (first, second), rows = pairs(n), np.arange(n * (n - 1) // 2)
    lower_largest = np.append(np.zeros(n * dimension), 1.0)
    for _ in range(steps):
        if trust < 1e-10 or not clock.running():
            break
        points = points / np.sqrt(max(squares(points).min(), 1e-12))
        here, slopes = squares(points), np.zeros((len(rows), n * dimension + 1))
        for axis in range(dimension):
            slope = 2.0 * (points[first, axis] - points[second, axis])
            slopes[rows, first * dimension + axis], slopes[rows, second * dimension + axis] = slope, -slope
        largest = slopes.copy()
        largest[:, -1] = -1.0
        bounds = [*[(-trust, trust)] * (n * dimension), (None, None)]
        done = linprog(lower_largest, np.vstack([largest, -slopes]), np.append(-here, here - 1.0), bounds=bounds)
        if done.x is None:
            break
        moved = points + done.x[:-1].reshape(n, dimension)
        if ratio(moved) < ratio(points):
            points, trust = moved, min(0.5, 1.5 * trust)
        else:
            trust *= 0.4
    return points
