"""The live objects that the steps work with, opened once per process by flows/engines.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.randomness import derive
from cognition.records import STEPS, round_id
from cognition.samplers import Sampler
from tasks.agents import Debugger, Judge, Novelty, OffJudge, Reviewer
from tasks.analyzer import Analyzer
from tasks.contract import Brief, Domain, Sandbox
from tasks.embedding import Embedder
from tasks.proposal import Proposer
from tasks.settings import CheckSettings, EvaluateSettings, ProposeSettings, RetrieveSettings

__all__ = ["STEPS", "Engine", "Round"]


@dataclass(frozen=True, slots=True)
class Engine:
    """One campaign's tools. Everything in it may be used from several threads."""

    campaign: str
    seed: int
    domain: Domain
    brief: Brief
    archive: Archive
    items: ItemStore
    sampler: Sampler
    sandbox: Sandbox
    proposer: Proposer
    analyzer: Analyzer
    reviewer: Reviewer
    novelty: Novelty
    debugger: Debugger
    artefact_root: str
    retrieve: RetrieveSettings
    propose: ProposeSettings
    check: CheckSettings
    evaluate: EvaluateSettings
    cognition: str  # the domain of the items and lessons that this campaign reads and writes
    embedder: Embedder | None = None
    judge: Judge = field(default_factory=OffJudge)
    judge_weight: float = 0.0  # by how much its points may raise or lower a fitness
    researchers: tuple[str, ...] = ()  # models that the bandit chooses from, if there are several
    exploration: float = 0.0  # of the bandit

    def seed_of(self, index: int, *purpose: str | int) -> int:
        """A seed that depends on the campaign's seed, the round and the purpose, and on nothing else."""
        return derive(self.seed, index, *purpose).getrandbits(31)

    def evaluation_seeds(self) -> tuple[int, ...]:
        """The seeds every candidate is evaluated on: the same for all, so that comparisons are paired."""
        return tuple(derive(self.seed, "evaluate", k).getrandbits(31) for k in range(self.evaluate.replicates))


@dataclass(frozen=True, slots=True)
class Round:
    """One round as its steps see it: identity, claim and the sample drawn for it."""

    campaign: str
    index: int
    token: int  # the lease's fencing token; a stale one cannot record
    candidate_id: str
    parent: str | None
    references: tuple[str, ...]
    sequence: int
    sampler: str
    island: int | None
    revision: dict[str, int]

    @property
    def id(self) -> str:
        """The round id."""
        return round_id(self.campaign, self.index)

    @property
    def is_baseline(self) -> bool:
        """Round 0 measures the seed program."""
        return self.index == 0
