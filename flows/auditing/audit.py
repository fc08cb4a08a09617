"""Runs the cheats through a problem's own check, train, benchmark and score, in the sandbox, and judges what they got.

Nothing is recorded and no server is needed. A domain may add cheats of its own: a method
`cheats() -> Mapping[str, str]` with programs that must not score above its seed program.
"""

from __future__ import annotations

import inspect
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from cognition.records import JSON, MachineFault
from flows import registry
from flows.auditing import cheats
from flows.auditing.cheats import Cheat, Targets
from flows.auditing.surgery import operable_in
from flows.config import ConfigError
from flows.trying import Attempt, judged
from tasks.artefacts import UriWorkspace
from tasks.contract import Domain, Failure, Measurements, Sandbox
from tasks.sandbox import open_sandbox

#: held: no score above the seed program's. scored, reached: the evaluator is broken. fault: our machine failed, or was
#: made to: a candidate that can do that is tried again and again. not tried: the seed program does not lend itself.
Result = Literal["held", "scored", "reached", "fault", "not tried"]
MOST_FILES = 200
DECOY = "NIGHTSHIFT_AUDIT_SECRET_TOKEN"
LATE = "the time of the short audit was over"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one cheat came to."""

    cheat: str
    kind: cheats.Kind
    result: Result
    fitness: float | None  # None: it got no score
    failure: str  # the kind of its failure, "" if it got a score
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of a problem's evaluator afterwards."""

    problem: str
    rung: str
    sandbox_tier: str
    seed_fitness: float
    repeats: bool  # whether the seed program scored the same twice on one seed
    findings: tuple[Finding, ...]
    seconds: float = 0.0  # of wall time

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The cheats that got what they wanted."""
        return tuple(finding for finding in self.findings if finding.result in ("scored", "reached"))

    @property
    def passed(self) -> bool:
        """True if every cheat was held, or could not be tried."""
        return all(finding.result in ("held", "not tried") for finding in self.findings)


def audit(problem: str, options: Mapping[str, JSON] | None = None, rung: str | None = None) -> Audit:
    """All cheats against one problem. Raises UnknownProblem, ConfigError, MachineFault."""
    domain = registry.load(registry.resolved(problem), options or {})
    if rung is not None and rung not in domain.rungs:
        raise ConfigError(f"{problem} has the rungs {', '.join(domain.rungs)}, not {rung}")
    with (
        tempfile.TemporaryDirectory(prefix="nightshift-audit-") as folder,
        open_sandbox(Path(folder, "scratch"), zygotes=at_once(), preload=domain.preload) as sandbox,
    ):
        domain.prepare(UriWorkspace(Path(folder, "prepared").as_uri()))
        return attacked(domain, rung or domain.rungs[0], sandbox, at_once())


def at_once() -> int:
    """How many cheats run side by side: one per core, up to four."""
    return min(4, len(os.sched_getaffinity(0)))


def attacked(domain: Domain, rung: str, sandbox: Sandbox, slots: int, budget_s: float | None = None) -> Audit:
    """All cheats against a prepared problem, `slots` at once; with `budget_s`, none is begun after so many seconds.

    Those that tell most come first. Raises ConfigError, MachineFault.
    """
    began = time.monotonic()
    with (
        _decoy(),
        socket.create_server(("127.0.0.1", 0)) as listener,
        tempfile.TemporaryDirectory(prefix="nightshift-audit-") as folder,
        ThreadPoolExecutor(slots) as pool,
    ):
        targets = Targets(hidden_files(domain), listener.getsockname()[1], domain.brief().metric)

        def run(code: str, baseline: Measurements | None = None) -> Attempt:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                return judged(domain, code, rung, 0, sandbox, Path(own), baseline)

        def is_late() -> bool:
            return budget_s is not None and time.monotonic() - began > budget_s

        honest = run(domain.brief().seed_program)
        against_seed = partial(run, baseline=honest.measured)  # scores may be relative, and a cheat is no baseline
        again = against_seed(domain.brief().seed_program)
        first, second = (_honest(each, domain.name) for each in (honest, again))
        bar = max(first, second) + 3.0 * abs(first - second) + 1e-9 * abs(first)
        tried = [*_own(domain), *_generic(domain, targets, against_seed)]
        jobs = [pool.submit(_result, one, bar, against_seed, is_late) for one in tried]
        found = tuple(job.result() for job in jobs)
    seconds = time.monotonic() - began
    return Audit(domain.name, rung, sandbox.tier, max(first, second), first == second, found, seconds)


def hidden_files(domain: Domain) -> tuple[Path, ...]:
    """The problem's files that a program must not read: all but those that its adapter shows it on purpose."""
    folder = Path(inspect.getfile(type(domain))).resolve().parent
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    shown = ("inside", "__pycache__")
    return tuple(f for f in files if not set(f.relative_to(folder).parts) & set(shown))[:MOST_FILES]


def _result(one: Cheat | Finding, bar: float, run: Callable[[str], Attempt], is_late: Callable[[], bool]) -> Finding:
    if isinstance(one, Finding):
        return one
    return _untried(one, LATE) if is_late() else _finding(one, bar, run)


def _generic(domain: Domain, targets: Targets, run: Callable[[str], Attempt]) -> Iterator[Cheat | Finding]:
    """The cheats that fit this seed program, those that tell most first; and why others do not."""
    seed, whole = operable_in(domain.brief(), getattr(domain, "entry", None))
    if seed is None:
        reason = "no function of the seed's can be changed"
        yield Finding("all generic cheats", "claim", "not tried", None, "", reason)
        return
    why = _why_not(run(whole(cheats.control(seed, targets))))
    for cheat in sorted(cheats.generic(seed, targets), key=cheats.rank):
        yield _untried(cheat, why) if cheat.kind == "reach" and why else replace(cheat, code=whole(cheat.code))


def _honest(tried: Attempt, name: str) -> float:
    if tried.fitness is None:
        reason = tried.outcome.reason if isinstance(tried.outcome, Failure) else ""
        raise ConfigError(f"{name}: the seed program gets no score, so there is nothing to attack: {reason}")
    return tried.fitness


def _own(domain: Domain) -> list[Cheat]:
    programs = getattr(domain, "cheats", None)
    return cheats.own(programs()) if callable(programs) else []


def _why_not(control: Attempt) -> str:
    """Why a score of a cheat that reaches for something would say nothing; "" if it says something."""
    if isinstance(control.outcome, Failure):
        return f"the seed program gets no score with a cheat's tools beside it: {control.outcome.reason}"[:300]
    return ""


def _untried(cheat: Cheat, why: str) -> Finding:
    return Finding(cheat.name, cheat.kind, "not tried", None, "", why)


def _finding(cheat: Cheat, bar: float, run: Callable[[str], Attempt]) -> Finding:
    try:
        tried = run(cheat.code)
        if cheat.twice:
            tried = run(cheat.code)
    except MachineFault as error:
        return Finding(cheat.name, cheat.kind, "fault", None, "", str(error)[:300])
    if isinstance(tried.outcome, Failure):
        reason = tried.outcome.reason.splitlines()[0] if tried.outcome.reason else ""
        return Finding(cheat.name, cheat.kind, "held", None, str(tried.outcome.kind), reason[:300])
    fitness = tried.outcome.fitness
    if not tried.outcome.ranks:
        reason = f"it is in no ranking: {tried.outcome.unranked}"
        return Finding(cheat.name, cheat.kind, "held", fitness, "", reason[:300])
    if cheat.kind == "reach":
        return Finding(cheat.name, cheat.kind, "reached", fitness, "", cheats.REACHED)
    if fitness > bar:
        return Finding(cheat.name, cheat.kind, "scored", fitness, "", "it scored above the seed program")
    return Finding(cheat.name, cheat.kind, "held", fitness, "", "it scored no more than the seed program")


@contextmanager
def _decoy() -> Iterator[None]:
    """A secret in this process's environment, for cheats to look for."""
    os.environ[DECOY] = "not a secret"
    try:
        yield
    finally:
        del os.environ[DECOY]
