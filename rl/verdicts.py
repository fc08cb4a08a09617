"""Trusted decisions on what the dynamic checks measured: numbers in, issues with their evidence out. Pure.

The limits are here, beside nothing that a candidate can reach. Numbers of the wrong form mean that the answer was not
the adapter's.
"""

from __future__ import annotations

from collections.abc import Mapping

from cognition.records import JSON
from tasks.contract import Issue
from tasks.probed import JudgeOfNumbers, Numbers, failing, number

CHECKS = ("shapes", "gradients", "sign", "order", "padding", "inputs", "memory", "cost")
LEAST_GRADIENT = 1e-9  # below it the loss is constant: nothing is learnt
MOST_SIGN = -0.02  # the cosine between the gradient and "better completions more probable"; GRPO's is about -0.9
MOST_CHANGE = 1e-4  # relative, float32
MOST_ERRORS = 5.0  # standard errors, where a loss draws random numbers
MOST_OPERATIONS = 400  # GRPO: see STOCK
MOST_TRAFFIC = 200.0  # numbers per token
MOST_LARGEST = 8.0


def issues(numbers: JSON) -> list[Issue]:
    """Every check that fails, in the order of the checks. Raises WrongForm."""
    return failing(numbers, CHECKS, JUDGES)


def _shapes(m: Numbers) -> str:
    return f"{m['count']} of the sizes tried fail, e.g. {m['wrong'][0]}" if m["count"] else ""


def _gradients(m: Numbers) -> str:
    if m["bad"]:
        return f"not finite: {', '.join(map(str, m['bad']))}"
    size = number(m, "largest")
    return "" if size > LEAST_GRADIENT else "the loss does not depend on the log-probabilities: nothing is learnt"


def _sign(m: Numbers) -> str:
    mean = number(m, "mean")
    problem = f"raising the probability of better completions changes the loss by {mean:+.3f} (cosine), not downwards"
    return problem if mean > MOST_SIGN else ""


def _order(m: Numbers) -> str:
    return _moved(m, {"advantages": "the order of groups", "gradient": "the order of completions"})


def _padding(m: Numbers) -> str:
    if number(m, "outside") > MOST_CHANGE:
        return f"the gradient on places without tokens is {m['outside']:.1e} of the largest, not 0"
    return _moved(m, {"wide": "added places without tokens", "content": "what stands at places without tokens"})


def _moved(m: Numbers, causes: Mapping[str, str]) -> str:
    for name, cause in causes.items():
        gap, errors = number(m, name), number(m, f"{name}_errors")
        if gap > MOST_CHANGE:
            return f"{cause} changes the result by {gap:.1e} of its size (limit {MOST_CHANGE:g})"
        if errors > MOST_ERRORS:
            return f"{cause} changes the mean result by {errors:.1f} standard errors (limit {MOST_ERRORS:g})"
    return ""


def _inputs(m: Numbers) -> str:
    return f"the call changes its input {', '.join(map(str, m['changed']))}" if m["changed"] else ""


def _memory(m: Numbers) -> str:
    gap = number(m, "moved")
    problem = f"the same call gives another result after other calls, by {gap:.1e} of its size: state or random numbers"
    return f"{problem} that are not ctx.generator's" if gap > 0.0 else ""


def _cost(m: Numbers) -> str:
    for name, limit, what in (
        ("operations", MOST_OPERATIONS, "operations in one call"),
        ("traffic_per_token", MOST_TRAFFIC, "numbers moved per token"),
        ("largest_per_token", MOST_LARGEST, "times the tokens is the largest tensor"),
    ):
        if number(m, name) > limit:
            return f"{m[name]:.0f} {what} (limit {limit:.0f})"
    return ""


JUDGES: Mapping[str, JudgeOfNumbers] = {
    "shapes": _shapes,
    "gradients": _gradients,
    "sign": _sign,
    "order": _order,
    "padding": _padding,
    "inputs": _inputs,
    "memory": _memory,
    "cost": _cost,
}
