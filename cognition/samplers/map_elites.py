"""MAP-Elites islands (App. A): each round belongs to one island, whose cells hold the best candidate of their kind.

The cells' axes are the candidate's features: complexity and diversity from the engine, more from the domain. The
archive places candidates into cells and migrates elites between islands when it records (cognition/elites.py), by the
grid that this sampler stores with each sample; sampling reads those cells.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from cognition.records import Grid, Sample
from cognition.samplers.base import Frozen, drawn, nothing_scored
from cognition.samplers.view import Arm, View


class MapElitesSettings(Frozen):
    """App. A: 5 islands, migration every 10 at rate 0.1, exploration 0.2, exploitation 0.6, 10 bins."""

    islands: int = Field(5, ge=1, le=100)
    migration_every: int = Field(10, ge=1, description="Candidates of the campaign between two migrations")
    migration_rate: float = Field(0.1, ge=0, le=1, description="Share of an island's elites that also go to the next")
    exploration: float = Field(0.2, ge=0, le=1, description="How often the parent is of any cell, uniformly")
    exploitation: float = Field(0.6, ge=0, le=1, description="How often the parent is the island's best")
    bins: int = Field(10, ge=1, le=100, description="Cells per axis")

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.exploration + self.exploitation > 1 + 1e-9:
            raise ValueError("exploration + exploitation is more than 1; what is left draws cells by rank")
        return self

    @property
    def grid(self) -> Grid:
        """What the archive needs to place a candidate."""
        return Grid(self.islands, self.bins, self.migration_every, self.migration_rate)


@dataclass(frozen=True, slots=True)
class MapElites:
    """Islands take turns by round index, so that concurrent rounds work on different ones."""

    settings: MapElitesSettings
    population: int
    sampled: int

    def sample(self, view: View, index: int, rng: random.Random) -> Sample:
        """See Sampler. An island without elites starts from the baseline."""
        island = index % self.settings.islands
        elites = view.elites(island, self.population)
        arms = elites or _start(view)
        if not arms:
            first = nothing_scored(view, "map_elites")
            return Sample(None, (), first.sequence, first.sampler, island, self.settings.grid)
        parent = self._parent(arms, rng)
        references = self._references(view, arms, parent, rng)
        return Sample(parent, references, view.sequence, "map_elites", island, self.settings.grid)

    def _parent(self, arms: Sequence[Arm], rng: random.Random) -> str:
        chance = rng.random()
        if chance < self.settings.exploration:
            return rng.choice(arms).candidate
        if chance < self.settings.exploration + self.settings.exploitation:
            return arms[0].candidate
        by_rank = [len(arms) - rank for rank in range(len(arms))]
        return rng.choices(arms, by_rank)[0].candidate

    def _references(self, view: View, arms: Sequence[Arm], parent: str, rng: random.Random) -> tuple[str, ...]:
        """Other cells of the island; while there are too few of them, the campaign's best."""
        count = self.sampled - 1
        chosen = drawn(arms, parent, count, rng)
        if len(chosen) == count:
            return chosen
        best = (arm.candidate for arm in view.pool(self.sampled + count))
        more = [candidate for candidate in best if candidate != parent and candidate not in chosen]
        return (*chosen, *more[: count - len(chosen)])


def _start(view: View) -> list[Arm]:
    baseline = view.baseline()
    return [baseline] if baseline else view.pool(1)
