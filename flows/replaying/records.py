"""A cassette: everything that a campaign was told from outside, in which order, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from cognition.records import JSON, Item, ModelCall, Recall
from flows.trust_settings import Prompts

#: Raised when older cassettes cannot be read any more.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Header:
    """Which campaign, and what it was measured by."""

    format: int
    campaign: str
    problem: str
    source: str  # hash of the problem's files
    contract_version: str
    seed: int
    settings: JSON
    prompts: Prompts
    made_by: str  # the program's version


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changed what later rounds see."""

    kind: Literal["draw", "record", "demote", "reinstate"]
    round: int | None = None  # of a draw and a record
    candidate: str | None = None  # of a demotion, with its rung and numbers
    rung: str = ""
    gain: float = 0.0
    replicates: int = 0


@dataclass(frozen=True, slots=True)
class RecalledItem:
    """A cognition item as a round saw it."""

    version: int
    item: Item


@dataclass(frozen=True, slots=True)
class Picture:
    """A campaign in the archive without ids of rows, times, places and costs (docs/replay.md lists what is in)."""

    rounds: Mapping[int, Mapping[str, JSON]]  # by index
    cells: tuple[JSON, ...]  # entries into MAP-Elites cells, in their order
    ranking: tuple[str, ...]  # every scored candidate, best first


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recorded campaign."""

    header: Header
    events: tuple[Event, ...]
    recalls: Mapping[int, tuple[Recall, ...]]  # by round, best first
    items: tuple[RecalledItem, ...]  # that are named there
    base: tuple[Item, ...]  # the cognition base at the start: what lessons may speak about
    blocks: tuple[Item, ...]  # that the recombining proposers may use
    calls: tuple[ModelCall, ...]
    picture: Picture

    @property
    def recorded(self) -> tuple[int, ...]:
        """The rounds that were recorded, by index."""
        return tuple(sorted(event.round for event in self.events if event.kind == "record" and event.round is not None))


#: Told after each round: how many are over, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay came to. `stopped`: why it could not go on, "" if it came to its end."""

    picture: Picture
    rounds: int
    stopped: str
    sandbox_tier: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What another sampler came to."""

    rounds: int
    best: str | None
    fitness: float | None
    stopped: str
