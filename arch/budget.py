"""Parameters, state and FLOPs per token of a mixer against the baseline's: equal size, or no ranking. Pure.

FLOPs are what torch's counter sees (matrix products, not element-wise work); the state is what `recurrent` hands over.
Both are measured in the candidate's process and so are claims; parameters (buffers included) are counted again outside,
from the weights that leave training.
"""

from __future__ import annotations

from collections.abc import Mapping

from cognition.records import JSON
from tasks.contract import Issue
from tasks.probed import WrongForm, number

CHECKS = ("parameters", "recurrent", "cost")
NAMES = ("parameters", "state_numbers", "flops_per_token")
PLACES = {
    "parameters": ("parameters", "stored"),
    "state_numbers": ("recurrent", "state_numbers"),
    "flops_per_token": ("cost", "flops_per_token"),
}


def sizes(numbers: JSON) -> dict[str, float]:
    """The three sizes in a probe's numbers. Raises WrongForm."""
    try:
        return {name: number(numbers[check], key) for name, (check, key) in PLACES.items()}
    except (KeyError, TypeError) as error:
        raise WrongForm(f"sizes: {type(error).__name__}: {error}") from None


def over(candidate: Mapping[str, float], baseline: Mapping[str, float], tolerance: float) -> list[str]:
    """One sentence per size that is more than `tolerance` above the baseline's. Smaller is always allowed.

    >>> over({"parameters": 120.0, "state_numbers": 4.0, "flops_per_token": 9.0},
    ...      {"parameters": 100.0, "state_numbers": 4.0, "flops_per_token": 10.0}, 0.05)
    ["parameters: 120, +20.0% of the baseline's 100 (limit +5%)"]
    """
    return [
        f"{name.replace('_', ' ')}: {candidate[name]:.0f}, {candidate[name] / baseline[name] - 1.0:+.1%} of the "
        f"baseline's {baseline[name]:.0f} (limit {tolerance:+.0%})"
        for name in NAMES
        if candidate[name] > baseline[name] * (1.0 + tolerance)
    ]


def issues(candidate: Mapping[str, float], baseline: Mapping[str, float], tolerance: float) -> list[Issue]:
    """What is too large even for the Pareto front."""
    return [Issue("budget", f"budget: {sentence}") for sentence in over(candidate, baseline, tolerance)]


def feature(name: str, value: float, d_model: int, n_heads: int, head_dim: int) -> float:
    """A size in [0, 1], relative to a generous bound that follows from the widths."""
    inner = n_heads * head_dim
    bounds = {
        "parameters": 8.0 * d_model * inner,
        "state_numbers": 4.0 * inner * head_dim,
        "flops_per_token": 8.0 * (4 * d_model * inner + 64 * inner),
    }
    return min(1.0, max(0.0, value / bounds[name]))
