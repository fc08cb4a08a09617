"""What a proposer gets and gives. One call is one attempt; the propose step (tasks/propose.py) loops over attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cognition.records import Candidate, Failure, Item, Provenance
from tasks.contract import Brief


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a proposer may know. Bounded: it does not grow with the archive."""

    round_id: str
    seed: int  # derived from campaign seed and round index; all randomness of the attempt comes from it
    brief: Brief
    parent: Candidate | None
    references: tuple[Candidate, ...] = ()
    items: tuple[Item, ...] = ()  # retrieved for this round, best first
    blocks: tuple[Item, ...] = ()  # every item of the domain that carries a code block
    elites: tuple[Candidate, ...] = ()  # best scored candidates, best first
    recent: tuple[Candidate, ...] = ()  # newest candidates, failed ones too, newest first
    researcher: str = ""  # the model that the bandit chose (tasks/bandit.py); "": there is no choice
    not_run: tuple[Failure, ...] = ()  # proposals of earlier rounds that were not run, vetoed ones too, newest first


@dataclass(frozen=True, slots=True)
class Proposal:
    """A program that can be tried, and why."""

    code: str
    motivation: str
    provenance: Provenance


class Proposer(Protocol):
    """The Researcher's role, with a model or without."""

    async def propose(self, context: Context, refused: tuple[Failure, ...]) -> Proposal | Failure:
        """One attempt. `refused` holds the failures of the earlier attempts of this round, oldest first."""
