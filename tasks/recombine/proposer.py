"""The two proposers that need no language model: `Recombine`, and its control `RandomCombination`.

Both read nothing but the context and are deterministic given its seed and content. One attempt costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from pydantic import BaseModel, ConfigDict, Field

from cognition.records import Failure, FailureKind, Provenance
from tasks.proposal import Context, Proposal
from tasks.recombine.genome import Catalogue, Gene, Genome, catalogue, crossover, fresh_gene, jitter
from tasks.recombine.history import History, Tried, read_history
from tasks.recombine.render import LABEL, render

PROVEN_SHARE = 0.5  # how often a block comes with the constants of the best candidate that had it
MOST_DRAWS = 20  # tries to find a program that the context does not show already


class RecombineSettings(BaseModel):
    """How new combinations are made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jitter: float = Field(0.45, ge=0, description="weight of moving some constants of a known combination")
    swap: float = Field(0.30, ge=0, description="weight of putting another block into one slot")
    crossover: float = Field(0.15, ge=0, description="weight of mixing the slots of two known combinations")
    fresh: float = Field(0.10, ge=0, description="weight of choosing every block by Thompson sampling")
    jitter_width: float = Field(0.15, gt=0, le=1, description="standard deviation of a moved constant, in its range")
    first_rounds: int = Field(6, ge=0, description="combinations tried before any of them becomes a parent")
    basins: int = Field(5, ge=1, le=50, description="how many combinations are kept as parents")
    stale_rounds: int = Field(12, ge=1, description="rounds without a better candidate until parents are left behind")
    parent_share: float = Field(0.5, ge=0, le=1, description="how often the sampler's parent is used if it can be")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A combination, how it came about, and the candidates it was made from."""

    genome: Genome
    what: str
    built_on: tuple[str, ...] = ()


class Recombine:
    """Composes and tunes code blocks: Thompson sampling per slot, swap, crossover, jitter, reset when stale."""

    def __init__(self, settings: RecombineSettings | None = None) -> None:
        self.settings = settings or RecombineSettings()

    async def propose(self, context: Context, refused: tuple[Failure, ...]) -> Proposal | Failure:
        """One attempt; after a refusal another stream of random numbers is used."""
        return _propose(context, refused, "recombine", self._draw)

    def _draw(self, blocks: Catalogue, history: History, context: Context, rng: Random) -> Drawn:
        settings = self.settings
        basins = history.basins(settings.basins)
        if not basins or len(history.tried) < settings.first_rounds:
            return Drawn(
                _thompson(blocks, history, rng), "Few combinations are known yet: every block by Thompson sampling."
            )
        stale = history.rounds_without_gain
        if stale >= settings.stale_rounds and rng.random() < 0.5:
            return self._reset(blocks, history, basins, rng, stale)
        weights = (settings.jitter, settings.swap, settings.crossover, settings.fresh)
        move = rng.choices(("jitter", "swap", "crossover", "fresh"), weights)[0]
        if move == "fresh":
            return Drawn(
                _thompson(blocks, history, rng), "Every block chosen anew by Thompson sampling over past standings."
            )
        parent = self._parent(history, basins, context, rng)
        if move == "crossover" and len(basins) > 1:
            return _crossed(parent, basins, rng)
        if move == "jitter":
            return _jittered(parent, blocks, rng, settings.jitter_width)
        return _swapped(parent, blocks, history, rng)

    def _parent(self, history: History, basins: tuple[Tried, ...], context: Context, rng: Random) -> Tried:
        """The sampler's parent where it is made of blocks and scored; else a known basin, the better the likelier."""
        if context.parent is not None and rng.random() < self.settings.parent_share:
            for tried in history.scored:
                if tried.candidate.id == context.parent.id:
                    return tried
        return rng.choices(basins, [0.5**place for place in range(len(basins))])[0]

    def _reset(self, blocks: Catalogue, history: History, basins: tuple[Tried, ...], rng: Random, stale: int) -> Drawn:
        """Leave the best basin: go on from another one, or from nothing."""
        reason = f"No better candidate for {stale} rounds, so the best combination is left alone."
        if len(basins) > 1 and rng.random() < 0.5:
            drawn = _jittered(rng.choice(basins[1:]), blocks, rng, 2.0 * self.settings.jitter_width)
            return replace(drawn, what=f"{reason} {drawn.what}")
        return Drawn(_thompson(blocks, history, rng), f"{reason} Every block chosen anew by Thompson sampling.")


class RandomCombination:
    """The control: every block and every constant drawn uniformly, whatever happened before."""

    async def propose(self, context: Context, refused: tuple[Failure, ...]) -> Proposal | Failure:
        """One attempt."""
        return _propose(context, refused, "random", _random)


Draw = Callable[[Catalogue, History, Context, Random], Drawn]


def _propose(context: Context, refused: tuple[Failure, ...], proposer: str, draw: Draw) -> Proposal | Failure:
    template = context.brief.template
    if template is None:
        return Failure(FailureKind.UNUSABLE, f"`{proposer}` needs a template in the domain's brief; it has none")
    blocks = catalogue(template, context.blocks or context.brief.items)
    empty = [slot for slot, known in blocks.slots.items() if not known]
    if empty or not blocks.slots:
        return Failure(FailureKind.UNUSABLE, f"`{proposer}` needs a usable code block for every slot; none for {empty}")
    rng = Random(f"{context.seed}/{len(refused)}")
    history = read_history(context, blocks)
    known = {candidate.code for candidate in (*context.elites, *context.recent)}
    for _ in range(MOST_DRAWS):
        drawn = draw(blocks, history, context, rng)
        code = render(
            drawn.genome, template, blocks, LABEL if proposer == "recombine" else "random combination of blocks"
        )
        if code not in known:
            return Proposal(code, _motivation(drawn, proposer), _provenance(drawn, blocks, proposer))
    return Failure(FailureKind.DUPLICATE, f"{MOST_DRAWS} combinations in a row were already tried")


def _provenance(drawn: Drawn, blocks: Catalogue, proposer: str) -> Provenance:
    sources = tuple(blocks.slots[slot][gene.block].id for slot, gene in drawn.genome.genes)
    genome = drawn.genome.to_json()
    return Provenance(proposer=proposer, form="blocks", sources=sources, genome=genome, built_on=drawn.built_on)


def _motivation(drawn: Drawn, proposer: str) -> str:
    head = "Recombined" if proposer == "recombine" else "Combined at random"
    parts = "; ".join(f"{slot}: {gene}" for slot, gene in drawn.genome.genes)
    return f"{head} from code blocks, no language model involved. {drawn.what} {parts}."


def _random(blocks: Catalogue, history: History, context: Context, rng: Random) -> Drawn:
    chosen = {slot: blocks.block(slot, rng.choice(list(known))) for slot, known in blocks.slots.items()}
    genes = tuple((slot, fresh_gene(block, rng, default_share=0.0)) for slot, block in chosen.items())
    return Drawn(Genome(genes), "Every block and constant was drawn uniformly (control).")


def _thompson(blocks: Catalogue, history: History, rng: Random) -> Genome:
    names = {slot: history.thompson(slot, blocks, rng) for slot in blocks.slots}
    return Genome(tuple((slot, _gene(blocks, history, slot, name, rng)) for slot, name in names.items()))


def _gene(blocks: Catalogue, history: History, slot: str, name: str, rng: Random) -> Gene:
    """A block for a slot: half of the time with the constants that did best with it, where it was tried."""
    proven = history.best_gene(slot, name)
    return proven if proven and rng.random() < PROVEN_SHARE else fresh_gene(blocks.block(slot, name), rng)


def _jittered(parent: Tried, blocks: Catalogue, rng: Random, width: float) -> Drawn:
    genome = jitter(parent.genome, blocks, rng, width)
    changes = [
        f"{old.block}.{name} {before!r} -> {after!r}"
        for (slot, old) in parent.genome.genes
        for (name, before), (_, after) in zip(old.constants, genome[slot].constants, strict=True)
        if before != after
    ]
    return Drawn(
        genome, f"Constants of {_named(parent)} moved: {', '.join(changes) or 'none'}.", (parent.candidate.id,)
    )


def _swapped(parent: Tried, blocks: Catalogue, history: History, rng: Random) -> Drawn:
    slot = rng.choice([slot for slot, _ in parent.genome.genes])
    name = history.thompson(slot, blocks, rng)
    genome = parent.genome.replace(slot, _gene(blocks, history, slot, name, rng))
    what = f"In {_named(parent)}, slot {slot}: {parent.genome[slot]} -> {genome[slot]}."
    return Drawn(genome, what, (parent.candidate.id,))


def _crossed(parent: Tried, basins: tuple[Tried, ...], rng: Random) -> Drawn:
    others = [tried for tried in basins if tried.candidate.id != parent.candidate.id]
    other = rng.choice(others)
    genome = crossover(parent.genome, other.genome, rng)
    built_on = (parent.candidate.id, other.candidate.id)
    return Drawn(genome, f"Slots of {_named(parent)} and of {_named(other)} mixed.", built_on)


def _named(tried: Tried) -> str:
    return f"candidate {tried.candidate.id} (fitness {tried.candidate.fitness:.6f})"
