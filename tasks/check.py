"""Step 3, check: refuse a wrong program before it costs anything, or let the debugger repair it.

The order is cheapest first: parse inside the sandbox (hostile source can crash a parser), the domain's static rules,
then its dynamic probes in the sandbox.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cognition.records import Failure, FailureKind
from tasks.contract import Issue
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.sandbox.parse_gate import parse


@dataclass(frozen=True, slots=True)
class Checked:
    """A program that may be run, and how often it was repaired to get there."""

    code: str
    repairs: int = 0


async def check(engine: Engine, round: Round, proposed: Proposed) -> Checked | Failure:
    """The program as it will run, or why it will not."""
    code = proposed.code
    failure = await examine(engine, code)
    repairs = 0
    while failure is not None and repairs < engine.check.repairs:
        repaired = await engine.debugger.repair(code, failure, engine.brief, round.id, repairs)
        if isinstance(repaired, Failure):
            return failure
        code, repairs = repaired, repairs + 1
        failure = await examine(engine, code)
    return failure or Checked(code, repairs)


async def repair(engine: Engine, round: Round, checked: Checked, failure: Failure) -> Checked | Failure:
    """After a crash in training: another program from the debugger, checked; or the original failure."""
    if checked.repairs >= engine.check.repairs:
        return failure
    repaired = await engine.debugger.repair(checked.code, failure, engine.brief, round.id, checked.repairs)
    if isinstance(repaired, Failure) or await examine(engine, repaired) is not None:
        return failure
    return Checked(repaired, checked.repairs + 1)


async def examine(engine: Engine, code: str) -> Failure | None:
    """The first thing wrong with a program, or None.

    The sandbox is waited for in a thread. The static rules run in this one: CPython counts the depth of the syntax
    trees it builds per interpreter, so two threads in `ast.parse` at once can fail with a SystemError.
    """
    is_tree, max_kb = engine.brief.tree is not None, engine.check.max_code_kb
    unparsed = await asyncio.to_thread(parse, code, engine.sandbox, max_kb=max_kb, is_tree=is_tree)
    if unparsed is not None:
        return unparsed
    issues = engine.domain.check(code) or await asyncio.to_thread(engine.domain.probe, code, engine.sandbox)
    return _failure_of(issues) if issues else None


def _failure_of(issues: list[Issue]) -> Failure:
    lines = [f"{issue.rule}{f' (line {issue.line})' if issue.line else ''}: {issue.message}" for issue in issues[:10]]
    return Failure(FailureKind.CHECK, "; ".join(lines))
