"""Does a program that a model wrote pass a data set's tests? Both run in the sandbox, and never in the same process.

Tests and program take turns: the tests are run with stand-ins for the program's functions and say which calls they
make; the program is given those calls and answers with values; the tests are run again on the values, until all is
known. So a program never holds what is expected of it, and nothing in its process could say "passed". A program that
fails, hangs, grows or answers with what is no data has not passed; where tests cannot be run at all, or the machine is
to blame, MachineFault is raised and nothing becomes a score. Whether tests can be run is found out without a program,
so a problem that is passed over for it is so for every model.

Differences to running both together: arguments are copied, so a test that looks at what the program did to them fails,
and the same call has the same answer.
"""

from __future__ import annotations

import atexit
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.contract import JSON, Failure, FailureKind, Job, Limits, MachineFault, Sandbox

INSIDE = Path(__file__).parent / "inside"
LIMITS = Limits(cpu_s=10.0, wall_s=60.0, memory_mb=1024)
MOST_ROUNDS = 20
MOST_CALLS = 2_000
LONGEST_PROGRAM = 50_000  # characters
BLOCK = re.compile(r"```[ \t]*(?:python3?|py)[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
BARE_BLOCK = re.compile(r"```[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
BEGINS = re.compile(r"^(?:def|class|import|from)\b", re.MULTILINE)
INDENTED = re.compile(r"(?:[ \t]*\r?\n)*[ \t]+\S")


class BadTests(MachineFault):
    """A data set's tests cannot be run, whatever the program is; the message says why."""

    may_pass = False


@dataclass(frozen=True, slots=True)
class Problem:
    """What a program is held against. `names` are functions that the tests call; `check` is called with the first."""

    prelude: str  # code that tests may use beside the program: imports, helpers of the question
    tests: str
    names: tuple[str, ...]
    has_check: bool


@dataclass(frozen=True, slots=True)
class Ran:
    """Whether the tests hold, and in a few words why not."""

    passed: bool
    why: str = ""


def humaneval(row: Mapping[str, Any]) -> Problem:
    """From HumanEval's columns. Raises KeyError."""
    return Problem(row["prompt"], row["test"], (row["entry_point"],), has_check=True)


def mbpp(row: Mapping[str, Any]) -> Problem:
    """From the columns of MBPP, sanitized; its names are those of the reference solution that the tests call."""
    tests = "\n".join(row["test_list"])
    defined = re.findall(r"^def\s+(\w+)", row["code"], re.MULTILINE)
    names = tuple(name for name in defined if re.search(rf"\b{name}\s*\(", tests))
    return Problem("\n".join(row["test_imports"]), tests, names, has_check=False)


def written(answer: str, header: str = "") -> str:
    """The program in a model's answer: its first block of Python, or else what comes before a closing fence.

    Where that is no code, a block without a language counts.

    `header` is code that the answer goes on with; where it writes a whole function anew, that one counts.

    >>> written("    return a + b\\n```\\nIt adds.", "def add(a, b):\\n")
    'def add(a, b):\\n    return a + b\\n'
    """
    before = answer.partition("```")[0]
    is_code = BEGINS.search(before) or INDENTED.match(before)
    block = BLOCK.search(answer) or (None if is_code else BARE_BLOCK.search(answer))
    code = block[1] if block else before
    is_whole = not code[:1].isspace() and BEGINS.search(code)
    return f"{header}    pass\n\n{code}" if header and is_whole else header + code


def judged(program: str, problem: Problem, sandbox: Sandbox) -> Ran:
    """Whether a program passes. Raises BadTests, and MachineFault where the sandbox does."""
    known: list[JSON] = []
    for _ in range(MOST_ROUNDS):
        found = _one_pass(problem, known, sandbox)
        if len(program) > LONGEST_PROGRAM or not _is_text(program):
            return Ran(False, "no program")
        if isinstance(found, Failure):  # the tests went astray on this program's values
            return Ran(False, f"tests: {found.kind}")
        asked = found["asked"]
        if not asked:
            return Ran(not found["why"], found["why"])
        if len(known) + len(asked) > MOST_CALLS:
            break
        answers = _answers(program, asked, sandbox)
        if isinstance(answers, Failure):
            return Ran(False, str(answers.kind))
        known += [[call, answer] for call, answer in zip(asked, answers, strict=True)]
    return Ran(False, "the tests ask without end")


def _one_pass(problem: Problem, known: list[JSON], sandbox: Sandbox) -> dict[str, Any] | Failure:
    """Of the tests. Raises BadTests where they cannot be run before any value of a program is known."""
    request: JSON = {
        "prelude": problem.prelude, "names": list(problem.names), "check": problem.has_check, "known": known,
    }  # fmt: skip
    done = sandbox.run(Job(problem.tests, INSIDE, "asserting:judge", request, LIMITS))
    if isinstance(done, Failure):
        if known:
            return done
        raise BadTests(f"the tests of {_title(problem)} cannot be run: {done.reason[:200]}")
    found = done.answer
    assert isinstance(found, dict)
    if not known and not found["asked"]:
        raise BadTests(f"the tests of {_title(problem)} ask nothing of a program: {found['why'] or 'no call'}")
    return found


def _answers(program: str, calls: JSON, sandbox: Sandbox) -> list[JSON] | Failure:
    """A claim, as everything that comes from a program: looked at for its form alone."""
    done = sandbox.run(Job(program, INSIDE, "answering:answers", {"calls": calls}, LIMITS))
    if isinstance(done, Failure):
        return done
    answers = done.answer.get("answers") if isinstance(done.answer, dict) else None
    assert isinstance(calls, list)
    if not isinstance(answers, list) or len(answers) != len(calls) or not all(map(_is_answer, answers)):
        return Failure(FailureKind.INVALID, "the program's process did not answer every call")
    return answers


def _is_answer(answer: JSON) -> bool:
    return isinstance(answer, dict) and (set(answer) == {"value"} or _is_raised(answer))


def _is_raised(answer: Mapping[str, JSON]) -> bool:
    return set(answer) == {"raised"} and isinstance(answer["raised"], str)


def _is_text(program: str) -> bool:
    try:
        return b"\0" not in program.encode()
    except UnicodeEncodeError:
        return False


def _title(problem: Problem) -> str:
    return ", ".join(problem.names) or "a problem without a function"


PassedOver = dict[str, list[str]]  # by data set, why the tests of which problem cannot be run
_current: list[Sandbox] = []
_passed_over: list[PassedOver] = []


@contextmanager
def judging(sandbox: Sandbox) -> Iterator[PassedOver]:
    """What lm-eval's tasks run programs in, for as long as this lasts; and the problems that they passed over."""
    found: PassedOver = {}
    _current.append(sandbox)
    _passed_over.append(found)
    try:
        yield found
    finally:
        _current.remove(sandbox)
        _passed_over.pop()


def pass_over(name: str, problem: BadTests) -> None:
    """Note a problem of a data set. Raises it where nobody would count what was passed over."""
    if not _passed_over:
        raise problem
    _passed_over[-1].setdefault(name, []).append(str(problem))


def current() -> Sandbox:
    """The sandbox for lm-eval's tasks; where nobody has opened one, a confined one until this process ends."""
    if not _current:
        from tasks.sandbox import open_sandbox

        stack = ExitStack()
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nightshift-programs-"))
        _current.append(stack.enter_context(open_sandbox(Path(folder), zygotes=1)))
        atexit.register(stack.close)
    return _current[-1]
