"""What a sampler may ask of an archive: a bounded, read-only window of one campaign up to a sequence number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Arm:
    """A scored candidate, as far as samplers care."""

    candidate: str
    fitness: float


class View(Protocol):
    """Implemented by cognition/view.py over the archive. No answer grows with the archive."""

    @property
    def sequence(self) -> int:
        """The newest candidate that may be seen."""

    def pool(self, limit: int) -> list[Arm]:
        """The campaign's best candidates, best first; of equals the older first."""

    def visits(self, candidates: Sequence[str]) -> dict[str, int]:
        """How many rounds were started with each candidate as parent, whatever became of them."""

    def elites(self, island: int, limit: int) -> list[Arm]:
        """The best candidate of each occupied cell of an island, best first."""

    def baseline(self) -> Arm | None:
        """The baseline, if it has a score."""
