"""What lm-eval calls for our code tasks: the share of programs that pass a problem's tests, run in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl.language import programs
from rl.language.programs import Problem


def humaneval(doc: Mapping[str, Any], responses: list[Any]) -> dict[str, float]:
    """Programs that go on with the prompt. Raises MachineFault."""
    return _passed(programs.humaneval(doc), responses, doc["prompt"])


def mbpp(doc: Mapping[str, Any], responses: list[Any]) -> dict[str, float]:
    """Whole programs. Raises MachineFault."""
    return _passed(programs.mbpp(doc), responses, "")


def _passed(problem: Problem, responses: list[Any], header: str) -> dict[str, float]:
    answers = [responses[0]] if isinstance(responses[0], str) else list(responses[0])
    sandbox = programs.current()
    ran = [programs.judged(programs.written(answer, header), problem, sandbox) for answer in answers]
    return {"right": sum(each.passed for each in ran) / len(ran)}
