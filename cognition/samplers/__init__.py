"""Samplers: which candidates a round builds on (§3). One file each, behind one Protocol; they read and never write."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cognition.samplers.base import Frozen, Sampler
from cognition.samplers.baseline import FromBaseline
from cognition.samplers.greedy import Greedy
from cognition.samplers.map_elites import MapElites, MapElitesSettings
from cognition.samplers.top_k import TopK, TopKSettings
from cognition.samplers.ucb1 import UCB1, UCB1Settings
from cognition.samplers.uniform import Uniform
from cognition.samplers.view import Arm, View

__all__ = [
    "UCB1",
    "Arm",
    "FromBaseline",
    "Greedy",
    "MapElites",
    "MapElitesSettings",
    "Sampler",
    "SamplerSettings",
    "TopK",
    "TopKSettings",
    "UCB1Settings",
    "Uniform",
    "View",
    "make_sampler",
]


class SamplerSettings(Frozen):
    """Which sampler, how much it sees, how many it takes. Defaults are the paper's (App. A)."""

    kind: Literal["ucb1", "greedy", "random", "map_elites", "top_k", "baseline"] = "ucb1"
    population: int = Field(70, ge=1, le=500, description="How many of the best candidates take part (App. A: 70)")
    sampled: int = Field(3, ge=1, le=50, description="Parent and references together (App. A: n = 3)")
    ucb1: UCB1Settings = UCB1Settings()
    map_elites: MapElitesSettings = MapElitesSettings()
    top_k: TopKSettings = TopKSettings()


def make_sampler(settings: SamplerSettings) -> Sampler:
    """The sampler that the settings name."""
    population, sampled = settings.population, settings.sampled
    if settings.kind == "ucb1":
        return UCB1(settings.ucb1, population, sampled)
    if settings.kind == "greedy":
        return Greedy(sampled)
    if settings.kind == "baseline":
        return FromBaseline()
    if settings.kind == "random":
        return Uniform(population, sampled)
    if settings.kind == "map_elites":
        return MapElites(settings.map_elites, population, sampled)
    return TopK(settings.top_k, sampled)
