"""What lm-eval calls for our tasks with a final answer in a box: the share of right answers to a problem.

Mathematics is compared in a process of its own, a letter here.
"""

from __future__ import annotations

import atexit
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rl.verifying import Verifier
from rl.verifying.process import final_answer

ANSWERS = ("answer", "Answer", "final_answer")


def results(doc: Mapping[str, Any], responses: list[Any]) -> dict[str, float]:
    """Of all answers to one problem. Raises VerifierFault, KeyError where a problem has no answer."""
    texts = [responses[0]] if isinstance(responses[0], str) else list(responses[0])
    gold = right_answer(doc)
    return {"right": sum(_verifier().judge(gold, text).right for text in texts) / len(texts)}


def chosen(doc: Mapping[str, Any], responses: list[Any]) -> dict[str, float]:
    """Of all letters given to one question with choices. Raises KeyError where a question has no answer."""
    texts = [responses[0]] if isinstance(responses[0], str) else list(responses[0])
    return {"right": sum(letter(text) == doc["answer"] for text in texts) / len(texts)}


def letter(text: str) -> str | None:
    """The one letter in the last box; None: there is none, or more than a letter.

    >>> letter(r"so \\boxed{\\text{(B)}}"), letter(r"\\boxed{A or B}"), letter("B")
    ('B', None, None)
    """
    box = final_answer(text) or ""
    found = re.fullmatch(r"(?:\\(?:text|textbf|mathrm|mathbf)\s*\{)?\s*\(?([A-Z])\)?[.:]?\s*\}?", box)
    return found[1] if found else None


def right_answer(doc: Mapping[str, Any]) -> str:
    """As text; several of a list are one answer.

    >>> right_answer({"final_answer": ["$3$", "$5$"]}), right_answer({"Answer": 56})
    ('3, 5', '56')
    """
    value = next(doc[name] for name in ANSWERS if name in doc)
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(each).strip().strip("$") for each in values)


def from_file(path: str, split: str, **_: Any) -> dict[str, Any]:
    """A file of problems in the place of a data set of the hub."""
    from datasets import Dataset

    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return {split: Dataset.from_list([json.loads(line) for line in lines if line.strip()])}


@cache
def _verifier() -> Verifier:
    made = Verifier()
    atexit.register(made.close)
    return made
