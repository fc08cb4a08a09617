"""Trusted decisions on what the dynamic checks measured: numbers in, issues with their evidence out. Pure.

The limits are here, beside nothing that a candidate can reach. A check that could not run is an issue as well; numbers
of the wrong form mean that the answer was not the adapter's.
"""

from __future__ import annotations

from collections.abc import Mapping

from cognition.records import JSON
from tasks.contract import Issue
from tasks.probed import JudgeOfNumbers, Numbers, failing, number

CHECKS = ("parameters", "shapes", "causality", "prefix", "batch", "gradients", "growth", "recurrent", "cost")
EXACT_GRADIENT = 0.0  # of early outputs with respect to late inputs, float64
MOST_CHANGE = 1e-12  # of early outputs when late inputs are replaced, float64
MOST_DIFFERENCE = 1e-9  # of a prefix alone from the same places of the whole, float64
PARITY = 1e-4  # forward against recurrent, relative, float64
PARITY_FLOAT32 = 1e-2  # rounding adds up over the tokens
MOST_EXPONENT = 1.25  # between T and 2T; linear is 1, quadratic 2
MOST_OPERATIONS = 3.0  # per token: more is a loop over time
MOST_RMS = 1e3


def issues(numbers: JSON, names: tuple[str, ...] = CHECKS) -> list[Issue]:
    """Every check that fails, in the order of the checks. Raises WrongForm."""
    return failing(numbers, names, JUDGES)


def _parameters(m: Numbers) -> str:
    return "" if number(m, "count") >= 1 else "the mixer has no parameters to train"


def _shapes(m: Numbers) -> str:
    return f"{m['count']} of the sizes tried fail, e.g. {'; '.join(map(str, m['wrong'][:2]))}" if m["count"] else ""


def _causality(m: Numbers) -> str:
    gradient, change, cut = number(m, "gradient"), number(m, "change"), m["cut"]
    where = f"({m['mode']} mode, T={m['length']}, float64)"
    if change > MOST_CHANGE:
        return f"y[:{cut}] changes by {change:.1e} when x[{cut}:] changes {where}"
    return f"dy[:{cut}]/dx[{cut}:] is {gradient:.1e}, not 0 {where}" if gradient > EXACT_GRADIENT else ""


def _prefix(m: Numbers) -> str:
    gap = number(m, "difference")
    problem = f"m(x[:, :{m['cut']}]) differs by {gap:.1e} from m(x)[:, :{m['cut']}] (T={m['length']}, float64)"
    return problem if gap > MOST_DIFFERENCE else ""


def _batch(m: Numbers) -> str:
    moved = number(m, "change")
    return f"y[0] changes by {moved:.1e} when x[1:] changes ({m['mode']} mode)" if moved > MOST_CHANGE else ""


def _gradients(m: Numbers) -> str:
    if not m["output_is_finite"]:
        return "the output is not finite"
    if m["missing"]:
        return f"no gradient reaches {', '.join(map(str, m['missing']))}"
    return f"the gradient of {', '.join(map(str, m['bad']))} is not finite" if m["bad"] else ""


def _growth(m: Numbers) -> str:
    if m["rms"] is None:
        return f"the output overflows at T={m['length']}"
    size = number(m, "rms")
    return f"the output's size is {size:.1e} at T={m['length']} for an input of size 1" if size > MOST_RMS else ""


def _recurrent(m: Numbers) -> str:
    gap, growth = number(m, "difference"), number(m, "state_growth")
    if gap > PARITY:
        return f"forward and recurrent differ by {gap:.1e} of the largest output (limit {PARITY:g})"
    if (single := number(m, "difference_float32")) > PARITY_FLOAT32:
        return f"forward and recurrent differ by {single:.1e} of the largest output (float32, limit {PARITY_FLOAT32:g})"
    if growth > 0:
        return f"the state grows with time, by {growth:.0f} numbers in {number(m, 'length') - 1:.0f} tokens"
    return "the state changes its types, keys or shapes from call to call" if number(m, "state_forms") > 1 else ""


def _cost(m: Numbers) -> str:
    at = f"from T={m['length']} to twice that (limit {MOST_EXPONENT})"
    for name, label in (("flop", "FLOPs grow"), ("tensor", "the largest tensor grows"), ("traffic", "traffic grows")):
        exponent = number(m, f"{name}_exponent")
        if exponent > MOST_EXPONENT:
            return f"{label} like T^{exponent:.2f} {at}"
    steps = number(m, "operations_per_token")
    return f"{steps:.1f} operations per token: a loop over time, not over chunks" if steps > MOST_OPERATIONS else ""


JUDGES: Mapping[str, JudgeOfNumbers] = {
    "parameters": _parameters,
    "shapes": _shapes,
    "causality": _causality,
    "prefix": _prefix,
    "batch": _batch,
    "gradients": _gradients,
    "growth": _growth,
    "recurrent": _recurrent,
    "cost": _cost,
}
