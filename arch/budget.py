"""Parameters, state and FLOPs per token of a mixer against the baseline's: equal size, or no comparison. Pure.

FLOPs are what torch's counter sees (matrix products, not element-wise work); the state is what `recurrent` hands over.
Both are measured in the candidate's process and so are claims; parameters (buffers included) are counted again outside,
from the weights that leave training.
"""

from __future__ import annotations

from arch.recipes import Recipe
from arch.verdicts import WrongForm, number
from cognition.records import JSON
from tasks.contract import Issue

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


def issues(candidate: dict[str, float], baseline: dict[str, float], tolerance: float) -> list[Issue]:
    """One issue per size that is more than `tolerance` above the baseline's. Smaller is always allowed."""
    found = []
    for name in NAMES:
        limit = baseline[name] * (1.0 + tolerance)
        if candidate[name] > limit:
            ratio = candidate[name] / baseline[name] - 1.0
            message = (
                f"{name.replace('_', ' ')}: {candidate[name]:.0f}, {ratio:+.1%} of the baseline's {baseline[name]:.0f}"
            )
            found.append(Issue("budget", f"budget: {message} (limit {tolerance:+.0%})"))
    return found


def feature(name: str, value: float, recipe: Recipe) -> float:
    """A size in [0, 1], relative to a generous bound that follows from the recipe's widths."""
    inner = recipe.n_heads * recipe.head_dim
    bounds = {
        "parameters": 8.0 * recipe.d_model * inner,
        "state_numbers": 4.0 * inner * recipe.head_dim,
        "flops_per_token": 8.0 * (4 * recipe.d_model * inner + 64 * inner),
    }
    return min(1.0, max(0.0, value / bounds[name]))
