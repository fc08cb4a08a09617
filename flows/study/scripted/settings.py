"""What is planted in the scripted researcher: chances of a good answer, a ladder of programs, rates of faults."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cognition.records import JSON
from tasks.settings import Frozen


class Chances(Frozen):
    """The chance of a good answer: `base`, and what is added for what the prompt holds. Kept between 0 and 1."""

    base: float = Field(0.3, ge=0, le=1)
    knowledge: float = Field(0.0, ge=-1, le=1, description="The prompt has a block of knowledge")
    analysis: float = Field(0.0, ge=-1, le=1, description="The parent comes with an analysis")
    best_parent: float = Field(0.0, ge=-1, le=1, description="No other candidate shown is better than the parent")

    def of(self, *, knowledge: bool, analysis: bool, best_parent: bool) -> float:
        """The chance for one prompt.

        >>> Chances(base=0.2, knowledge=0.3, analysis=0.0).of(knowledge=True, analysis=True, best_parent=False)
        0.5
        """
        added = knowledge * self.knowledge + analysis * self.analysis + best_parent * self.best_parent
        return min(1.0, max(0.0, self.base + added))


class Faults(Frozen):
    """Shares of requests that go wrong, and how."""

    http_429: float = Field(0.0, ge=0, le=1)
    http_500: float = Field(0.0, ge=0, le=1)
    slow: float = Field(0.0, ge=0, le=1, description="The answer comes, `slow_s` later")
    not_json: float = Field(0.0, ge=0, le=1, description="Prose instead of the form that was asked for")
    slow_s: float = Field(0.5, ge=0, le=60)

    @model_validator(mode="after")
    def _at_most_one_each(self) -> Self:
        if sum(self.rates().values()) > 0.9:
            raise ValueError("the rates of faults sum to more than 0.9: no cell would ever end")
        return self

    def rates(self) -> dict[str, float]:
        """By name."""
        return {name: getattr(self, name) for name in ("http_429", "http_500", "slow", "not_json")}


class Scripted(Frozen):
    """The scripted researcher. The same seed and prompt always give the same answer."""

    seed: int = Field(0, ge=0)
    chances: Chances = Chances()
    faults: Faults = Faults()
    ladder: tuple[dict[str, str | dict[str, JSON]], ...] = Field(
        min_length=2,
        description="Programs from bad to good: for each slot of the problem a block's name, or a table with `block` "
        "and constants other than its author's",
    )
    width: float = Field(0.05, gt=0, le=1, description="How far constants move, in their ranges: no program twice")
    fall: float = Field(0.5, ge=0, le=1, description="How often an answer that is not good is a step down")
