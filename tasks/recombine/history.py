"""What a context tells about combinations: how each did, which basins are known, which block is worth a try.

Everything is computed from the bounded context of one round; nothing is kept between rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from cognition.records import Candidate
from tasks.proposal import Context
from tasks.recombine.genome import Catalogue, Gene, Genome


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate whose genome could be read. `standing`: the share of the others that it beats, 0 if it failed."""

    candidate: Candidate
    genome: Genome
    standing: float


@dataclass(frozen=True, slots=True)
class History:
    """Everything the context shows about combinations, best first; failures last."""

    tried: tuple[Tried, ...]

    @property
    def scored(self) -> tuple[Tried, ...]:
        """Those with a fitness, best first."""
        return tuple(tried for tried in self.tried if tried.candidate.fitness is not None)

    def basins(self, most: int) -> tuple[Tried, ...]:
        """The best candidate of each combination of blocks, best first."""
        best: dict[tuple[str, ...], Tried] = {}
        for tried in self.scored:
            best.setdefault(tried.genome.basin, tried)
        return tuple(best.values())[:most]

    def best_gene(self, slot: str, name: str) -> Gene | None:
        """The block with the constants of the best scored candidate that had it in this slot, if any had."""
        return next((tried.genome[slot] for tried in self.scored if tried.genome[slot].block == name), None)

    @property
    def rounds_without_gain(self) -> int:
        """How many candidates came after the best one."""
        if not self.scored:
            return 0
        return max(tried.candidate.seq for tried in self.tried) - self.scored[0].candidate.seq

    def thompson(self, slot: str, blocks: Catalogue, rng: Random) -> str:
        """A block for the slot, drawn by Thompson sampling: Beta posteriors over the standings of its candidates."""
        draws = {}
        for name in blocks.slots[slot]:
            standings = [tried.standing for tried in self.tried if tried.genome[slot].block == name]
            wins = sum(standings)
            draws[name] = rng.betavariate(1.0 + wins, 1.0 + len(standings) - wins)
        return max(draws, key=lambda name: draws[name])


def read_history(context: Context, blocks: Catalogue) -> History:
    """The candidates of the context whose genomes fit the catalogue, without repetitions."""
    shown = (*context.elites, *context.recent, *context.references, *([context.parent] if context.parent else []))
    genomes: dict[str, tuple[Candidate, Genome]] = {}
    for candidate in shown:
        genome = blocks.read(candidate.provenance.genome)
        if genome is not None:
            genomes[candidate.id] = (candidate, genome)
    pairs = sorted(genomes.values(), key=lambda pair: _order(pair[0]))
    fitnesses = [candidate.fitness for candidate, _ in pairs]
    return History(tuple(Tried(c, genome, _standing(c.fitness, fitnesses)) for c, genome in pairs))


def _order(candidate: Candidate) -> tuple[bool, float, int]:
    """Best first; of equals, the first that reached it; failures last."""
    fitness = candidate.fitness
    return (fitness is None, -(fitness or 0.0), candidate.seq)


def _standing(fitness: float | None, fitnesses: list[float | None]) -> float:
    """The share of the others that it beats; ties count half.

    >>> _standing(2.0, [2.0, 1.0, None])
    1.0
    """
    if fitness is None:
        return 0.0
    beaten = sum(1.0 if other is None or other < fitness else 0.5 * (other == fitness) for other in fitnesses)
    return (beaten - 0.5) / (len(fitnesses) - 1) if len(fitnesses) > 1 else 0.5
