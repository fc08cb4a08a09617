"""Slot `improve`: how the largest overlap is lowered. `improve(heights, rng, clock) -> heights`, settled."""

from __future__ import annotations

from typing import Annotated

from problems.minimum_overlap.blocks.toolkit import (
    Array,
    Clock,
    linprog,
    minimize,
    np,
    overlap,
    overlaps,
    settled,
)


def soft_descent(
    heights: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    sharpness: Annotated[float, (10.0, 300.0), "log"] = 50.0,
    rounds: Annotated[int, (1, 6)] = 4,
) -> Array:
    """Descend on a power mean of the overlaps, each round sharper, with a penalty that holds the integral.

    Cheap; gets near, and leaves the level top to a method with hard constraints.
    """
    half = len(heights) / 2.0

    def smooth(flat: Array, power: float) -> tuple[float, Array]:
        mirrored, complement = flat[::-1], 1.0 - flat
        values = np.maximum(np.convolve(mirrored, complement), 1e-12)
        shares = (values / values.max()) ** power
        loss = np.log(values.max()) + np.log(shares.sum()) / power
        weights = shares / values / shares.sum()
        slope = np.correlate(weights, complement, "valid")[::-1] - np.correlate(weights, mirrored, "valid")
        miss = flat.sum() / half - 1.0
        return float(loss + 100.0 * miss**2), slope + 200.0 * miss / half

    for number in range(rounds):
        if not clock.running():
            break
        power, bounds = sharpness * 2.0**number, [(0.0, 1.0)] * len(heights)
        done = minimize(
            smooth, heights, args=(power,), jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 300}
        )
        heights = min(heights, settled(done.x), key=overlap)
    return heights


def sequential_lp(
    heights: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    steps: Annotated[int, (10, 200), "log"] = 50,
    trust: Annotated[float, (0.01, 0.5), "log"] = 0.15,
) -> Array:
    """Lower the largest of all linearised overlaps by a linear programme, with a bounded change of each height.

    The integral and the bounds hold exactly at every step. The allowed change shrinks when the true overlap does not
    follow.
    """
    n = len(heights)
    shift = np.arange(2 * n - 1)[:, None] - (n - 1)
    place = np.arange(n)[None, :]
    lower_top = np.append(np.zeros(n), 1.0)
    for _ in range(steps):
        if trust < 1e-9 or not clock.running():
            break
        values = overlaps(heights)
        ahead, behind = place + shift, place - shift
        slopes = np.where((ahead >= 0) & (ahead < n), 1.0 - heights[np.clip(ahead, 0, n - 1)], 0.0)
        slopes -= np.where((behind >= 0) & (behind < n), heights[np.clip(behind, 0, n - 1)], 0.0)
        rows = np.hstack([slopes * 2.0 / n, -np.ones((2 * n - 1, 1))])
        bounds = [(max(-trust, -h), min(trust, 1.0 - h)) for h in heights]
        done = linprog(lower_top, rows, -values, np.append(np.ones(n), 0.0)[None, :], [0.0], [*bounds, (None, None)])
        if done.x is None:
            break
        moved = settled(heights + done.x[:-1])
        if overlap(moved) < overlap(heights):
            heights, trust = moved, min(0.5, 1.5 * trust)
        else:
            trust *= 0.4
    return heights


def random_steps(
    heights: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    tries: Annotated[int, (100, 10000), "log"] = 2000,
    reach: Annotated[float, (0.01, 0.5), "log"] = 0.1,
) -> Array:
    """Raise one height and lower another at random; keep what lowers the largest overlap.

    The control: needs no derivative, and stalls early.
    """
    for number in range(tries):
        if not clock.running():
            break
        moved, (up, down) = heights.copy(), rng.integers(len(heights), size=2)
        change = abs(rng.normal(0.0, reach * (1.0 - number / tries)))
        change = min(change, 1.0 - heights[up], heights[down])
        moved[up] += change
        moved[down] -= change
        if up != down and overlap(moved) < overlap(heights):
            heights = moved
    return settled(heights)
