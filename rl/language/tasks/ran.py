"""What lm-eval calls for our code tasks: the share of programs that pass a problem's tests, run in the sandbox.

A problem whose tests cannot be run has no share; rl/language/evaluate.py says how many there may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl.language import programs
from rl.language.programs import BadTests, Problem


def humaneval(doc: Mapping[str, Any], responses: list[Any]) -> dict[str, float]:
    """Programs that go on with the prompt. Raises MachineFault."""
    return _passed("humaneval", programs.humaneval(doc), responses, doc["prompt"])


def mbpp(doc: Mapping[str, Any], responses: list[Any]) -> dict[str, float]:
    """Whole programs. Raises MachineFault."""
    return _passed("mbpp", programs.mbpp(doc), responses, "")


def _passed(name: str, problem: Problem, responses: list[Any], header: str) -> dict[str, float]:
    answers = [responses[0]] if isinstance(responses[0], str) else list(responses[0])
    sandbox = programs.current()
    try:
        ran = [programs.judged(programs.written(answer, header), problem, sandbox) for answer in answers]
    except BadTests as error:
        programs.pass_over(name, error)
        return {}
    return {"right": sum(each.passed for each in ran) / len(ran)}
