"""Shortcuts for tests of the archive: a campaign on a real file, and rounds played by hand or by a sampler."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from cognition.archive import Archive, OpenRound, RoundResult, View
from cognition.randomness import derive
from cognition.records import (
    Cost,
    Evaluation,
    Failure,
    FailureKind,
    Grid,
    Measurements,
    Outcome,
    Provenance,
    Sample,
    Score,
)
from cognition.samplers import Sampler

NAME = "packing"
CRASH = Failure(FailureKind.CRASH, "divided by zero", "Traceback ...")
DUPLICATE = Failure(FailureKind.DUPLICATE, "the same as packing-0001")


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'archive.db'}"


def new_archive(folder: Path, campaign: str = NAME) -> Archive:
    archive = Archive.open(url(folder))
    add_campaign(archive, campaign)
    return archive


def add_campaign(archive: Archive, campaign: str = NAME) -> None:
    archive.create_campaign(campaign, "circle_packing", 0, {"rounds": 10}, "1")


def no_parent(view: View) -> Sample:
    return Sample(None, (), view.sequence, "none")


def opened(archive: Archive, index: int, parent: str | None = None, references: Sequence[str] = ()) -> OpenRound:
    """A round claimed for an hour, with a sample of our choice."""
    return archive.open_round(
        NAME, index, "me", 3600, lambda view: Sample(parent, tuple(references), view.sequence, "hand")
    )


def evaluation(seed: int = 1, rung: str = "explore", **metrics: float) -> Evaluation:
    return Evaluation(rung, seed, "1", Measurements(metrics or {"sum": 2.0}, cost=Cost(cpu_s=1.5, gpu_s=0.25)))


def result(claim: OpenRound, outcome: Outcome, code: str | None = None, **more: object) -> RoundResult:
    """What a round brought; its program is its own unless given."""
    program = code if code is not None else f"answer = '{claim.candidate_id}'"
    fields = {"motivation": "because", "provenance": Provenance("recombine"), "evaluations": (evaluation(),)} | more
    return RoundResult(claim.round_id, claim.token, outcome, program, **fields)  # type: ignore[arg-type]  # by name


def played(archive: Archive, index: int, outcome: Outcome | float, parent: str | None = None) -> str:
    """A round opened and recorded; returns its candidate's id."""
    claim = opened(archive, index, parent)
    archive.record(result(claim, Score(outcome) if isinstance(outcome, float) else outcome))
    return claim.candidate_id


def placed(archive: Archive, index: int, fitness: float, island: int, grid: Grid, **features: float) -> str:
    """A candidate recorded into a MAP-Elites island."""
    claim = archive.open_round(
        NAME, index, "me", 3600, lambda view: Sample(None, (), view.sequence, "hand", island, grid)
    )
    archive.record(result(claim, Score(fitness), features=features))
    return claim.candidate_id


def evolve(archive: Archive, sampler: Sampler, rounds: range, campaign: str = NAME) -> list[Sample]:
    """Play rounds with a sampler; a child is its parent with noise, and one in four fails."""
    samples = []
    for index in rounds:
        claim = archive.open_round(
            campaign,
            index,
            "me",
            3600,
            lambda view, index=index: sampler.sample(view, index, derive(0, index)) if index else no_parent(view),  # type: ignore[misc]  # mypy cannot see the default's type
        )
        samples.append(claim.sample)
        archive.record(_child(archive, claim, random.Random(index)))
    return samples


def _child(archive: Archive, claim: OpenRound, rng: random.Random) -> RoundResult:
    parent = claim.sample.parent
    base = (archive.candidate(parent).fitness or 0.0) if parent else 1.0
    features = {"complexity": rng.random(), "diversity": rng.random()}
    if parent and rng.random() < 0.25:
        return result(claim, CRASH, features=features)
    return result(claim, Score(base + rng.gauss(0, 0.1)), features=features)
