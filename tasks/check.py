"""Step 3, check: refuse a wrong program before it costs anything, or let the debugger repair it.

The order is cheapest first: parse inside the sandbox (hostile source can crash a parser), the domain's static rules,
then its dynamic probes in the sandbox.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cognition.records import Failure, FailureKind
from tasks.contract import Domain, Issue, Sandbox
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
    failure = await examine(engine, proposed.code)
    return Checked(proposed.code) if failure is None else await _mended(engine, round, Checked(proposed.code), failure)


async def repair(engine: Engine, round: Round, checked: Checked, failure: Failure) -> Checked | Failure:
    """After a crash in training: another program from the debugger, checked; or the original failure."""
    mended = await _mended(engine, round, checked, failure)
    return mended if isinstance(mended, Checked) else failure


async def _mended(engine: Engine, round: Round, checked: Checked, failure: Failure) -> Checked | Failure:
    """A program that passes the checks, within the tries that are left; else what is wrong with the last one."""
    while checked.repairs < engine.check.repairs:
        repaired = await engine.debugger.repair(checked.code, failure, engine.brief, round.id, checked.repairs)
        if isinstance(repaired, Failure):
            return failure
        checked = Checked(repaired, checked.repairs + 1)
        found = await examine(engine, repaired)
        if found is None:
            return checked
        failure = found
    return failure


async def examine(engine: Engine, code: str) -> Failure | None:
    """The first thing wrong with a program, or None.

    The sandbox is waited for in a thread. The static rules run in this one: CPython counts the depth of the syntax
    trees it builds per interpreter, so two threads in `ast.parse` at once can fail with a SystemError.
    """
    failure = await static_faults(engine.domain, engine.sandbox, engine.check.max_code_kb, code)
    if failure is not None:
        return failure
    issues = await asyncio.to_thread(engine.domain.probe, code, engine.sandbox)
    return _failure_of(issues) if issues else None


async def static_faults(domain: Domain, sandbox: Sandbox, max_code_kb: int, code: str) -> Failure | None:
    """What is wrong with a program before any of it runs: it does not parse, or breaks one of the domain's rules."""
    is_tree = domain.brief().tree is not None
    unparsed = await asyncio.to_thread(parse, code, sandbox, max_kb=max_code_kb, is_tree=is_tree)
    if unparsed is not None:
        return unparsed
    issues = domain.check(code)
    return _failure_of(issues) if issues else None


def _failure_of(issues: list[Issue]) -> Failure:
    lines = [f"{issue.rule}{f' (line {issue.line})' if issue.line else ''}: {issue.message}" for issue in issues[:10]]
    return Failure(FailureKind.CHECK, "; ".join(lines))
