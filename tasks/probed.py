"""Numbers that a dynamic check measured inside the sandbox, read outside: each check has a judge, and its limit there.

What comes out of the sandbox is a claim. Numbers of the wrong form mean that the answer was not the adapter's. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from cognition.records import JSON
from tasks.contract import Issue

LONGEST = 400  # characters of a message: parts of it may be the candidate's words
Numbers = Mapping[str, JSON]
#: What speaks against the candidate, in words; "" if nothing does.
JudgeOfNumbers = Callable[[Numbers], str]


class WrongForm(ValueError):
    """The answer does not have the form that the adapter gives it."""


def failing(numbers: JSON, names: Sequence[str], judges: Mapping[str, JudgeOfNumbers]) -> list[Issue]:
    """Every check of `names` that fails, in their order; one that could not run fails. Raises WrongForm."""
    if not isinstance(numbers, dict) or set(numbers) != set(names):
        raise WrongForm("the answer does not hold the numbers of every check")
    found = []
    for name in names:
        measured = numbers[name]
        if not isinstance(measured, dict):
            raise WrongForm(f"check {name}: expected numbers, got {type(measured).__name__}")
        message = f"could not run: {measured['error']}" if "error" in measured else _judged(name, measured, judges)
        if message:
            found.append(Issue(name, f"{name}: {message}"[:LONGEST]))
    return found


def _judged(name: str, measured: Numbers, judges: Mapping[str, JudgeOfNumbers]) -> str:
    try:
        return judges[name](measured)
    except (KeyError, TypeError) as error:
        raise WrongForm(f"check {name}: {type(error).__name__}: {error}") from None


def number(measured: Numbers, name: str) -> float:
    """A finite number. Raises WrongForm."""
    value = measured[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongForm(f"{name} is a {type(value).__name__}: expected a number")
    try:
        result = float(value)
    except OverflowError:
        raise WrongForm(f"{name} is too large for a number") from None
    if not math.isfinite(result):
        raise WrongForm(f"{name} is {result}: expected a finite number")
    return result
