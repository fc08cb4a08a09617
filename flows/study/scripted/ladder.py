"""The programs of the scripted researcher: combinations of the problem's own code blocks, from bad to good.

Constants are moved a little each time, so that no program comes twice and programs of one step differ in score. Each
says in a comment which step it is; that is how the step of a parent is read from a prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from cognition.records import JSON
from flows.config import ConfigError
from flows.study.scripted.settings import Scripted
from tasks.contract import Brief, Template
from tasks.recombine.genome import Catalogue, Gene, Genome, catalogue, jitter
from tasks.recombine.render import render

_MARK = re.compile(r"^# scripted step (\d+)", re.MULTILINE)
#: How many times constants are moved to make a program.
_MOVES = 3


@dataclass(frozen=True, slots=True)
class Ladder:
    """Genomes from bad to good, and how to make programs of them."""

    genomes: tuple[Genome, ...]
    template: Template
    blocks: Catalogue
    width: float
    topic: str  # the problem in words: motivations and reports repeat it, so that knowledge is found by either alike

    @property
    def top(self) -> int:
        """The best step."""
        return len(self.genomes) - 1

    def program(self, step: int, rng: Random) -> str:
        """A program of that step; another generator state, other constants."""
        genome = self.genomes[step]
        for _ in range(_MOVES):
            genome = jitter(genome, self.blocks, rng, self.width)
        label = f"scripted step {step} of {self.top}:"
        return render(genome, self.template, self.blocks, label)


def step_of(program: str) -> int | None:
    """Which step a program is; None for one that is not of the ladder, such as the seed program.

    >>> step_of("# scripted step 2 of 5: ..."), step_of("x = 1")
    (2, None)
    """
    found = _MARK.search(program)
    return int(found.group(1)) if found else None


def ladder_of(script: Scripted, brief: Brief) -> Ladder:
    """The ladder of a study's file, over the problem's blocks. Raises ConfigError."""
    if brief.template is None:
        raise ConfigError("scripted: the problem has no code blocks to make programs of")
    blocks = catalogue(brief.template, brief.items)
    genomes = tuple(_genome(blocks, names, number) for number, names in enumerate(script.ladder))
    if not all(any(gene.constants for _, gene in genome.genes) for genome in genomes):
        raise ConfigError("scripted.ladder: every step needs a block with constants, or its programs would be equal")
    return Ladder(genomes, brief.template, blocks, script.width, " ".join(brief.goal.split())[:300])


def _genome(blocks: Catalogue, step: dict[str, str | dict[str, JSON]], number: int) -> Genome:
    where = f"scripted.ladder.{number}"
    if set(step) != set(blocks.slots):
        raise ConfigError(f"{where}: the problem's slots are {', '.join(blocks.slots)}, not {', '.join(step)}")
    return Genome(tuple((slot, _gene(blocks, slot, step[slot], where)) for slot in blocks.slots))


def _gene(blocks: Catalogue, slot: str, wanted: str | dict[str, JSON], where: str) -> Gene:
    given: dict[str, JSON] = {"block": wanted} if isinstance(wanted, str) else dict(wanted)
    name = str(given.pop("block", "nothing"))
    if name not in blocks.slots[slot]:
        raise ConfigError(f"{where}: slot {slot} has the blocks {', '.join(blocks.slots[slot])}, not {name}")
    tunables = blocks.block(slot, name).tunables
    if unknown := sorted(set(given) - {tunable.name for tunable in tunables}):
        raise ConfigError(f"{where}: {name} has no constant {', '.join(unknown)}")
    return Gene(name, tuple((t.name, given.get(t.name, t.default)) for t in tunables))
