"""A combination of code blocks: which block sits in which slot, with which constants. Pure; randomness is passed in."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from cognition.records import JSON, CodeBlock, Item, Tunable
from tasks.contract import Template

Value = float | int | str | bool
MOST_BLOCKS_PER_SLOT = 64
LONGEST_SOURCE = 20_000  # characters; a longer block is ignored
DEFAULT_SHARE = 0.3  # how often a new block comes with the constants that its author chose


@dataclass(frozen=True, slots=True)
class Gene:
    """One block with its constants, in the order of its tunables."""

    block: str
    constants: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        """As a call: `hexagonal_rows(jitter=0.05)`."""
        return f"{self.block}({', '.join(f'{name}={value!r}' for name, value in self.constants)})"


@dataclass(frozen=True, slots=True)
class Genome:
    """A gene per slot, in the order of the template's slots."""

    genes: tuple[tuple[str, Gene], ...]

    def __getitem__(self, slot: str) -> Gene:
        """The gene in a slot. Raises KeyError."""
        return dict(self.genes)[slot]

    @property
    def basin(self) -> tuple[str, ...]:
        """The combination without its constants: genomes that differ in constants only share it."""
        return tuple(gene.block for _, gene in self.genes)

    def replace(self, slot: str, gene: Gene) -> Genome:
        """The same genome with another gene in one slot."""
        return Genome(tuple((name, gene if name == slot else old) for name, old in self.genes))

    def to_json(self) -> JSON:
        """As stored in the provenance."""
        return {slot: {"block": gene.block, "constants": dict(gene.constants)} for slot, gene in self.genes}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The blocks to choose from: per slot, by name, in a fixed order."""

    slots: Mapping[str, Mapping[str, Item]]

    def block(self, slot: str, name: str) -> CodeBlock:
        """The code block of that name. Raises KeyError."""
        block = self.slots[slot][name].block
        if block is None:
            raise KeyError(name)
        return block

    def read(self, stored: JSON) -> Genome | None:
        """The genome in a provenance, or None if it is not one of this catalogue."""
        genes = []
        for slot in self.slots:
            gene = self._read_gene(slot, stored)
            if gene is None:
                return None
            genes.append((slot, gene))
        return Genome(tuple(genes))

    def _read_gene(self, slot: str, stored: JSON) -> Gene | None:
        try:
            name, constants = stored[slot]["block"], stored[slot]["constants"]
            tunables = self.block(slot, name).tunables
            return Gene(name, tuple((tunable.name, _legal(tunable, constants[tunable.name])) for tunable in tunables))
        except (KeyError, TypeError, ValueError):
            return None


def catalogue(template: Template, items: Iterable[Item]) -> Catalogue:
    """The usable blocks for each slot of the template; blocks that do not parse or lack their function are left out."""
    slots: dict[str, dict[str, Item]] = {slot.name: {} for slot in template.slots}
    for item in sorted(items, key=lambda item: item.id):
        block = item.block
        if block is not None and block.slot in slots and is_usable(block):
            chosen = slots[block.slot]
            if len(chosen) < MOST_BLOCKS_PER_SLOT:
                chosen.setdefault(block.name, item)
    return Catalogue(slots)


@lru_cache(maxsize=1024)
def is_usable(block: CodeBlock) -> bool:
    """Whether the source parses and defines the block's function with the declared tunables as arguments."""
    if len(block.source) > LONGEST_SOURCE:
        return False
    try:
        body = ast.parse(block.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == block.name:
            accepted = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            return all(tunable.name in accepted for tunable in block.tunables)
    return False


def fresh_gene(block: CodeBlock, rng: Random, default_share: float = DEFAULT_SHARE) -> Gene:
    """The block with its author's constants, or (more often) with constants drawn from their ranges."""
    default = rng.random() < default_share
    values = tuple((t.name, t.default if default else _draw(t, rng)) for t in block.tunables)
    return Gene(block.name, values)


def jitter(genome: Genome, blocks: Catalogue, rng: Random, width: float) -> Genome:
    """One to three constants moved by about `width` of their range. The same genome if it has no constants."""
    places = [(slot, name) for slot, gene in genome.genes for name, _ in gene.constants]
    chosen = set(rng.sample(places, min(len(places), rng.choice((1, 1, 2, 3)))))
    genes = []
    for slot, gene in genome.genes:
        tunables = {tunable.name: tunable for tunable in blocks.block(slot, gene.block).tunables}
        constants = tuple(
            (name, _moved(tunables[name], value, rng, width) if (slot, name) in chosen else value)
            for name, value in gene.constants
        )
        genes.append((slot, Gene(gene.block, constants)))
    return Genome(tuple(genes))


def crossover(one: Genome, other: Genome, rng: Random) -> Genome:
    """Each slot, constants included, from either parent; at least one slot from each if there are two slots."""
    slots = [slot for slot, _ in one.genes]
    taken = set(rng.sample(slots, rng.randint(1, max(1, len(slots) - 1))))
    return Genome(tuple((slot, other[slot] if slot in taken else gene) for slot, gene in one.genes))


def _legal(tunable: Tunable, value: Value) -> Value:
    if tunable.choices or isinstance(tunable.default, bool | str):
        return value if value in (*tunable.choices, tunable.default) else tunable.default
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{tunable.name} is {value!r}: expected a finite number")
    low = number if tunable.low is None else tunable.low
    high = number if tunable.high is None else tunable.high
    return _rounded(tunable, min(max(number, low), high))


def _rounded(tunable: Tunable, number: float) -> Value:
    """Whole where the default is whole; else four significant digits, which are enough and read well."""
    return round(number) if tunable.is_integer else float(f"{number:.4g}")


def _draw(tunable: Tunable, rng: Random) -> Value:
    if tunable.choices:
        return rng.choice(tunable.choices)
    if isinstance(tunable.default, bool):
        return rng.random() < 0.5
    if isinstance(tunable.default, str) or tunable.low is None or tunable.high is None:
        return tunable.default
    return _legal(tunable, _from_unit(tunable, rng.random()))


def _moved(tunable: Tunable, value: Value, rng: Random, width: float) -> Value:
    if tunable.choices or isinstance(value, bool | str) or tunable.low is None or tunable.high is None:
        return _draw(tunable, rng)
    place = _to_unit(tunable, float(value)) + rng.gauss(0.0, width)
    moved = _legal(tunable, _from_unit(tunable, min(max(place, 0.0), 1.0)))
    if moved == value and tunable.is_integer:
        moved = _legal(tunable, value + rng.choice((-1, 1)))
    return moved


def _from_unit(tunable: Tunable, place: float) -> float:
    low, high = float(tunable.low or 0.0), float(tunable.high or 0.0)
    if tunable.log and low > 0.0:
        return low * math.exp(place * math.log(high / low))
    return low + (high - low) * place


def _to_unit(tunable: Tunable, value: float) -> float:
    low, high = float(tunable.low or 0.0), float(tunable.high or 0.0)
    if high <= low:
        return 0.0
    if tunable.log and low > 0.0:
        return math.log(max(value, low) / low) / math.log(high / low)
    return (value - low) / (high - low)
