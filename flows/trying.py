"""Tries one program on a problem: every check, train, benchmark and score, in the sandbox, and nothing recorded.

`nightshift try PROBLEM [PROGRAM]` is for whoever writes a problem or a program; it needs no server and no campaign.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cognition import tree
from cognition.records import JSON, Outcome, Score
from flows import registry
from flows.config import ConfigError
from tasks import trees
from tasks.artefacts import UriWorkspace
from tasks.contract import JUDGE_LOG, Domain, Failure, FailureKind, Measurements, Sandbox
from tasks.sandbox import open_sandbox, parse_gate


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one program."""

    outcome: Outcome
    measured: Measurements | None = None  # what the score was made of
    logs: str = ""
    cpu_s: float = 0.0
    sandbox_tier: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """All of them; none if it was not measured."""
        return {} if self.measured is None else self.measured.metrics

    @property
    def fitness(self) -> float | None:
        """The fitness; None if it failed."""
        return self.outcome.fitness if isinstance(self.outcome, Score) else None


def program_at(path: Path) -> str:
    """A program's text, or a folder's as one text. Raises ConfigError, OSError."""
    if not path.is_dir():
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    try:
        return trees.of_folder(path)
    except tree.TreeError as error:
        raise ConfigError(f"{path}: {error}") from None


def attempt(
    problem: str,
    code: str | None = None,
    *,
    options: Mapping[str, JSON] | None = None,
    rung: str | None = None,
    seed: int = 0,
    unsafe_no_sandbox: bool = False,
) -> Attempt:
    """One program, the seed program if none is given. Raises UnknownProblem, MachineFault."""
    domain = registry.load(registry.resolved(problem), options or {})
    if rung is not None and rung not in domain.rungs:
        raise registry.UnknownProblem(f"{problem} has the rungs {', '.join(domain.rungs)}, not {rung}")
    program = domain.brief().seed_program if code is None else code
    with (
        tempfile.TemporaryDirectory(prefix="nightshift-try-") as folder,
        open_sandbox(Path(folder, "scratch"), unsafe=unsafe_no_sandbox, preload=domain.preload) as sandbox,
    ):
        domain.prepare(UriWorkspace(Path(folder, "prepared").as_uri()))
        return judged(domain, program, rung or domain.rungs[0], seed, sandbox, Path(folder))


def judged(
    domain: Domain,
    code: str,
    rung: str,
    seed: int,
    sandbox: Sandbox,
    folder: Path,
    baseline: Measurements | None = None,
) -> Attempt:
    """The engine's order of things, without the engine; the domain is prepared. Raises MachineFault.

    Without the seed program's measurements as `baseline` a program is scored as round 0 is: against itself, if at all.
    """
    problem = parse_gate.parse(code, sandbox, is_tree=domain.brief().tree is not None)
    if problem is not None:
        return Attempt(problem, sandbox_tier=sandbox.tier)
    workspace = UriWorkspace(folder.joinpath("workspace").as_uri())
    if issues := domain.check(code) or domain.probe(code, sandbox):
        reasons = "; ".join(f"{issue.rule}: {issue.message}" for issue in issues)
        return Attempt(Failure(FailureKind.CHECK, reasons), sandbox_tier=sandbox.tier)
    trained = domain.train(code, rung, seed, sandbox, workspace)
    if isinstance(trained, Failure):
        return Attempt(trained, sandbox_tier=sandbox.tier)
    measured = domain.benchmark(code, trained, rung, seed, sandbox, workspace)
    if isinstance(measured, Failure):
        said = workspace.read(JUDGE_LOG).decode() if workspace.exists(JUDGE_LOG) else ""
        return Attempt(measured, logs=said, sandbox_tier=sandbox.tier)
    outcome = domain.score([measured], None if baseline is None else [baseline])
    return Attempt(outcome, measured, measured.logs, measured.cost.cpu_s, sandbox.tier)
