"""Slot `improve`: how the peak of the autoconvolution is lowered. `improve(heights, rng, clock) -> heights`."""

from __future__ import annotations

from typing import Annotated

from problems.autocorrelation.blocks.toolkit import Array, Clock, bound, linprog, minimize, np


def soft_descent(
    heights: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    sharpness: Annotated[float, (10.0, 300.0), "log"] = 50.0,
    rounds: Annotated[int, (1, 8)] = 5,
) -> Array:
    """Descend on a power mean of the autoconvolution, with heights written as squares; each round is sharper.

    Fast, and gets most of the way; it slows down where many values of the autoconvolution are equally large.
    """

    def smooth(roots: Array, power: float) -> tuple[float, Array]:
        here = roots * roots
        values = np.convolve(here, here)
        shares = (values / values.max()) ** power
        loss = np.log(values.max()) + np.log(shares.sum()) / power - 2.0 * np.log(here.sum())
        weights = np.divide(shares, values, out=np.zeros_like(values), where=shares > 0) / shares.sum()
        slope = 2.0 * np.correlate(weights, here, "valid") - 2.0 / here.sum()
        return float(loss), 2.0 * roots * slope

    for number in range(rounds):
        if not clock.running():
            break
        roots = np.sqrt(heights / heights.max())
        power = sharpness * 2.0**number
        done = minimize(smooth, roots, args=(power,), jac=True, method="L-BFGS-B", options={"maxiter": 300})
        if bound(done.x**2) < bound(heights):
            heights = done.x**2
    return heights


def mix_with_lp(
    heights: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    steps: Annotated[int, (5, 100), "log"] = 20,
    share: Annotated[float, (0.01, 0.5), "log"] = 0.1,
) -> Array:
    """Find by linear programming the heaviest g whose convolution with f stays below the peak of f * f; move f to it.

    Each mixture is tried with smaller and smaller shares of g until the bound drops; it stops when none does. The idea
    of Matolcsi and Vinuesa for their step functions.
    """
    for _ in range(steps):
        if not clock.running():
            break
        heights = heights / heights.sum()
        n = len(heights)
        rows = np.array([np.concatenate([np.zeros(k), heights, np.zeros(n - 1 - k)]) for k in range(n)]).T
        done = linprog(-np.ones(n), rows, np.full(2 * n - 1, np.convolve(heights, heights).max()), bounds=(0.0, None))
        if done.x is None or done.x.sum() <= 0:
            break
        other = done.x / done.x.sum()
        part = share
        while part > 1e-7 and bound((1.0 - part) * heights + part * other) >= bound(heights):
            part *= 0.5
        if part <= 1e-7:
            break
        heights = (1.0 - part) * heights + part * other
    return heights


def random_steps(
    heights: Array,
    rng: np.random.Generator,
    clock: Clock,
    *,
    tries: Annotated[int, (100, 10000), "log"] = 2000,
    reach: Annotated[float, (0.01, 1.0), "log"] = 0.2,
) -> Array:
    """Change a few heights at random and keep what lowers the bound.

    The control: needs no derivative, and stalls early.
    """
    for number in range(tries):
        if not clock.running():
            break
        moved = heights.copy()
        at = rng.integers(len(heights), size=3)
        moved[at] = np.maximum(0.0, moved[at] + rng.normal(0.0, reach * (1.0 - number / tries), 3) * heights.mean())
        if bound(moved) < bound(heights):
            heights = moved
    return heights
