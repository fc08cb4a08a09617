"""The parse gate: a candidate is parsed in the sandbox before any code of ours parses it in the engine's process.

Hostile source can exhaust memory or crash the parser; here it only ends a process of its own. What passes is small and
shallow enough for `ast.parse` and recursive visitors in our process. Of a candidate of several files every Python file
is parsed, in one process.
"""

from __future__ import annotations

from cognition import tree
from cognition.records import Failure, FailureKind
from tasks.sandbox.handle import Job, Limits, Sandbox
from tasks.sandbox.tiers import INSIDE

MAX_KB = 100
MAX_DEPTH = 150  # levels of the syntax tree; a visitor takes up to three Python frames for each, of 1,000
LIMITS = Limits(cpu_s=5.0, wall_s=60.0, memory_mb=512, processes=1, disk_mb=1, output_kb=16, answer_kb=16)


def parse(code: str, sandbox: Sandbox, max_kb: int = MAX_KB, *, is_tree: bool = False) -> Failure | None:
    """Why the code cannot be parsed safely, as a failure of kind SYNTAX, or None. Raises MachineFault.

    `is_tree`: the problem's candidates are trees, and one that is none is refused.
    """
    if problem := _size_problem(code, max_kb):
        return Failure(FailureKind.SYNTAX, problem)
    try:
        files = tree.read(code) if is_tree else None
    except tree.TreeError as error:
        return Failure(FailureKind.SYNTAX, f"files: {error}")
    python = None if files is None else {name: text for name, text in files.items() if name.endswith(".py")}
    result = sandbox.run(Job(code, INSIDE, "parse:measure", {"max_depth": MAX_DEPTH, "files": python}, LIMITS))
    if isinstance(result, Failure):
        return Failure(FailureKind.SYNTAX, f"parsing it fails: {result.reason}", result.trace)
    problem = result.answer["problem"]
    return Failure(FailureKind.SYNTAX, problem) if problem else None


def _size_problem(code: str, max_kb: int) -> str | None:
    try:
        size = len(code.encode("utf-8"))
    except UnicodeEncodeError as error:
        return f"not valid text: {error.reason} at character {error.start}"
    if "\0" in code:
        return "not valid text: it holds a null character"
    if size > max_kb * 1024:
        return f"{size / 1024:.0f} KB of source, allowed are {max_kb} KB"
    return None
