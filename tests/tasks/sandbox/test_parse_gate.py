"""Hostile sources end as SYNTAX; what passes can be parsed in our own process."""

from __future__ import annotations

import ast

import pytest

from cognition import tree
from cognition.records import Failure, FailureKind
from tasks.sandbox import Pool, parse_gate
from tasks.sandbox.inside.parse import depth_of
from tests.tasks.sandbox.jail import cases

HOSTILE = {
    "not Python": "def main(:",
    "minus signs": "-" * 100_000 + "1",
    "parentheses": "(" * 5000 + ")" * 5000,
    "brackets": "x = " + "[" * 90 + "]" * 90 + "+1" * 2000,
    "attributes": "x" + ".a" * 40_000,
    "calls": "f" + "()" * 40_000,
    "comparisons": "not " * 20_000 + "x",
    "lambdas": "lambda:" * 10_000 + "1",
    "indentation": "".join(" " * level + "if 1:\n" for level in range(300)),
    "else if": "if x: pass\n" + "elif x: pass\n" * 5000,
    "null": "a = 1\0",
    "half a surrogate": "a = '\ud800'",
    "unknown encoding": "# coding: no-such-codec\na = 1",
    "encoding that hides code": "# coding: utf-7\n+AGkAbQBwAG8AcgB0ACAAbwBz-",
    "too large": "a = 1\n" * 20_000,
    "long number": "9" * 50_000,
    "f-strings": "f'{" * 200 + "1" + "}'" * 200,
    "return outside": "return 1",
}


@pytest.mark.parametrize("code", cases(HOSTILE, "minus signs", "unknown encoding", "null", "attributes"))
def test_hostile_source(sandbox: Pool, code: str) -> None:
    failure = parse_gate.parse(code, sandbox)
    assert isinstance(failure, Failure)
    assert failure.kind == FailureKind.SYNTAX


def test_reason_names_the_line(sandbox: Pool) -> None:
    assert parse_gate.parse("a = 1\nb = = 2\n", sandbox) == Failure(FailureKind.SYNTAX, "line 2: invalid syntax")


def test_ordinary_source_passes_without_running(sandbox: Pool) -> None:
    assert parse_gate.parse("raise SystemExit(1)\n" + "a = 1 + 2\n" * 2000, sandbox) is None


def test_the_deepest_that_passes_is_safe_here(sandbox: Pool) -> None:
    """The module, the assignment, and one level for each sum but the last, whose operands are the deepest."""
    code = "a = " + "1+" * (parse_gate.MAX_DEPTH - 3) + "1"
    tree = ast.parse(code)
    assert depth_of(tree) == parse_gate.MAX_DEPTH
    assert parse_gate.parse(code, sandbox) is None
    assert parse_gate.parse(code + "+1", sandbox) is not None
    ast.NodeVisitor().visit(tree)


@pytest.mark.parametrize(
    "code",
    cases({name: code for name, code in HOSTILE.items() if name not in ("null", "half a surrogate")}, "brackets"),
)
def test_a_hostile_file_of_a_tree_ends_the_same(sandbox: Pool, code: str) -> None:
    text = tree.write({"a.py": "x = 1\n", "pkg/b.py": code})
    failure = parse_gate.parse(text, sandbox, is_tree=True)
    assert isinstance(failure, Failure)
    assert failure.kind == FailureKind.SYNTAX


def test_every_python_file_of_a_tree_is_parsed_and_others_are_not(sandbox: Pool) -> None:
    good = {"a.py": "x = 1\n", "pkg/b.py": "y = 2\n", "notes.txt": "def (\n"}
    assert parse_gate.parse(tree.write(good), sandbox, is_tree=True) is None
    failure = parse_gate.parse(tree.write(good | {"pkg/b.py": "y = 2\ndef (\n"}), sandbox, is_tree=True)
    assert failure is not None
    assert failure.reason.startswith("pkg/b.py: line 2: ")


def test_a_tree_is_no_program_and_a_program_is_no_tree(sandbox: Pool) -> None:
    for code, is_tree in ((tree.write({"a.py": "x = 1\n"}), False), ("x = 1\n", True)):
        failure = parse_gate.parse(code, sandbox, is_tree=is_tree)
        assert failure is not None
        assert failure.kind == FailureKind.SYNTAX
