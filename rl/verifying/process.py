"""The process that compares answers with math-verify. It reads questions from stdin and writes verdicts to stdout.

Answers are foreign text, and math-verify makes sympy compute with them: what one may cost is bounded by the kernel,
which ends this process (SIGXCPU) in the middle of a computation too. Started anew by verifier.py; holds one question at
a time, opens no file and knows nothing of training.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import sys
import time
from typing import IO, Any

LONGEST_ANSWER = 2_000  # characters; what is longer is no answer
BOXES = ("\\boxed{", "\\fbox{")
FULL_STOP = re.compile(r"(?<!\\right)(?<!\.)\.$")  # of a sentence that ends with the answer
#: A word, which would else be read as a product of letters, some of them numbers (e, i).
WORD = re.compile(r"(?:\\(?:text|textbf|mathrm|mathbf)\s*\{)?\s*([a-zA-Z][a-zA-Z ]*[a-zA-Z])\s*\}?")
#: Of which nothing depends: the size of fractions and brackets, thin spaces, spaces but between digits.
SPELLING = ((r"\\[dt]frac", r"\\frac"), (r"\\(?:left|right)(?![a-zA-Z])|\\[,;:! ]", ""), (r"(?<!\d)\s+|\s+(?!\d)", ""))
HEDGE = re.compile(r"\\(text|mathrm|textrm|mbox)\s*\{[^{}]*\bor\b[^{}]*\}|\\lor\b|\\vee\b")


def main() -> None:
    """Serve until stdin ends."""
    memory_bytes, cpu_s = (int(value) for value in sys.argv[1:3])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # what a library prints is no verdict
    logging.disable(logging.CRITICAL)
    import math_verify  # noqa: F401 - a second of CPU time, before the limits

    from rl.verifying import worked_out  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _write(answers, {"ready": True})
    for line in sys.stdin:
        _allow(cpu_s)
        _write(answers, _judged(json.loads(line)))


def _allow(cpu_s: int) -> None:
    """So much CPU time from now on, to a second."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + cpu_s, hard))


def _write(answers: IO[str], verdict: dict[str, Any]) -> None:
    answers.write(json.dumps(verdict) + "\n")
    answers.flush()


def _judged(question: dict[str, str]) -> dict[str, Any]:
    """Whether a text ends in the right answer, and if not, why it was not even compared."""
    from math_verify import verify

    gold = _parsed(question["gold"])
    if not gold:
        return {"error": "the right answer cannot be parsed"}
    given = final_answer(question["text"])
    if given is None:
        return {"right": False, "why": "no answer"}
    given = FULL_STOP.sub("", given)
    if len(given) > LONGEST_ANSWER:
        return {"right": False, "why": "too long"}
    if HEDGE.search(given) or "$" in given.replace(r"\$", "").strip("$"):
        return {"right": False, "why": "more than one answer"}
    if _spelled(given) == _spelled(question["gold"]):  # math-verify reads the one and not the other now and then
        return {"right": True, "why": ""}
    try:
        parsed = _parsed(given)
        if _is_undone((question["gold"], gold), (given, parsed)):
            return {"right": False, "why": "not worked out"}
        return {"right": bool(verify(gold, parsed, timeout_seconds=None)), "why": ""}
    except MemoryError:
        return {"right": False, "why": "memory"}
    except (RecursionError, ArithmeticError, ValueError, TypeError, AttributeError):  # of sympy, on odd expressions
        return {"right": False, "why": "not comparable"}


def _spelled(answer: str) -> str:
    r"""In one way of several.

    >>> _spelled(r"$\left( \dfrac{-1 \pm \sqrt 5}{2}, 1 \right)$")
    '(\\frac{-1\\pm\\sqrt5}{2},1)'
    """
    for pattern, instead in SPELLING:
        answer = re.sub(pattern, instead, answer)
    return answer.strip("$")


def _is_undone(gold: tuple[str, list[Any]], given: tuple[str, list[Any]]) -> bool:
    """Whether work is left in an answer that the right one does not leave.

    Where the right answer is rational, a root and pi are work too: they would have to come out or to cancel. Where it
    is a value, letters would have to cancel.
    """
    from rl.verifying import worked_out

    word = WORD.fullmatch(given[0])
    if word and (right := WORD.fullmatch(gold[0])) and word[1].casefold() == right[1].casefold():
        return False
    (right_text, right_tree), (text, tree) = ((text, _tree(parsed)) for text, parsed in (gold, given))
    allowed = worked_out.work(right_text, right_tree)
    if right_tree is None or not worked_out.is_rational(right_tree):
        allowed |= {worked_out.ROOT, worked_out.CONSTANT}
    is_value = right_tree is not None and not worked_out.letters(right_tree)
    return not worked_out.work(text, tree) <= allowed or (is_value and worked_out.letters(tree))


def _tree(parsed: list[Any]) -> Any:
    """What was read as mathematics; None: a text, or nothing."""
    return parsed[0] if parsed and not isinstance(parsed[0], str) else None


def _parsed(answer: str) -> list[Any]:
    """As LaTeX alone: math-verify's other way, for plain expressions, hands text to Python's `eval`."""
    from math_verify import LatexExtractionConfig, parse

    inner = answer.strip().strip("$").strip()
    parsed: list[Any] = parse(f"${inner}$", [LatexExtractionConfig()], parsing_timeout=None)
    return parsed


def final_answer(text: str) -> str | None:
    """The content of the last box; None: there is none, or it was never closed.

    One answer only: a text that names several, each in a box, is judged by its last. A number without a box is no
    answer, else a text that was cut off would be right by chance.

    >>> final_answer(r"so \\boxed{1} or \\boxed{\\frac{1}{2}}.")
    '\\\\frac{1}{2}'
    """
    place, box = max((text.rfind(box), box) for box in BOXES)
    return None if place < 0 else _to_closing_brace(text[place + len(box) :])


def _to_closing_brace(text: str) -> str | None:
    """What stands before the brace that closes; None: the box was never closed."""
    depth = 0
    for place, letter in enumerate(text):
        if letter == "{":
            depth += 1
        elif letter == "}" and depth == 0:
            return text[:place].strip() or None
        elif letter == "}":
            depth -= 1
    return None


if __name__ == "__main__":
    main()
