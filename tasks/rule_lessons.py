"""Lessons by rules, without a model: the one thing that differs from the parent, and whether the fitness rose or fell.

Only a single difference is read: another block in one slot, another value of one constant of a block, or one number
in one line of a program. Where more changed at once, nobody can tell which of it mattered, and there is no lesson.
A winner is supported and the opposite claim, if somebody made it, is contradicted. A lesson by rules is an observation
of one pair of runs with its two fitnesses, not an explanation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cognition.records import JSON, Candidate, Lesson, Score

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Change:
    """The one thing that is different: `old` and `new` sit at `place`."""

    kind: str  # block or constant
    place: str  # the slot, or the block and slot that the constant belongs to
    name: str  # the constant's; "" for a block
    old: str | float | int | bool
    new: str | float | int | bool


def rule_lessons(domain: str, code: str, genome: JSON, outcome: Score, parent: Candidate | None) -> tuple[Lesson, ...]:
    """What the comparison with the candidate it was made from says; nothing if it cannot be told."""
    if parent is None or not isinstance(parent.outcome, Score) or not _differs(outcome, parent.outcome):
        return ()
    if not (outcome.ranks and parent.outcome.ranks):  # of another size: a gain says nothing about the change
        return ()
    change = only_change(parent, code, genome)
    if change is None:
        return ()
    numbers = f"fitness {outcome.fitness:.8g} against {parent.outcome.fitness:.8g} of {parent.id}; {_told(change)}"
    is_gain = outcome.fitness > parent.outcome.fitness
    return (
        _lesson(domain, change, numbers, new_is_better=is_gain, supports=True),
        _lesson(domain, change, numbers, new_is_better=not is_gain, supports=False),
    )


def only_change(parent: Candidate, code: str, genome: JSON) -> Change | None:
    """The one difference, read from the genomes where both have one, else from the lines."""
    old = parent.provenance.genome
    if isinstance(genome, Mapping) and isinstance(old, Mapping):
        return _in_genomes(old, genome)
    return _in_lines(parent.code, code)


def _in_genomes(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Change | None:
    slots = [slot for slot in new if old.get(slot) != new[slot]]
    if len(slots) != 1 or set(old) != set(new):
        return None
    slot, before, after = slots[0], old[slots[0]], new[slots[0]]
    if before["block"] != after["block"]:
        return Change("block", slot, "", before["block"], after["block"])
    names = [name for name, value in after["constants"].items() if before["constants"].get(name) != value]
    if len(names) != 1 or names[0] not in before["constants"]:
        return None
    return Change(
        "constant",
        f"{after['block']} (slot {slot})",
        names[0],
        before["constants"][names[0]],
        after["constants"][names[0]],
    )


def _in_lines(old: str, new: str) -> Change | None:
    before, after = old.rstrip().split("\n"), new.rstrip().split("\n")
    lines = [pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]]
    if len(before) != len(after) or len(lines) != 1:
        return None
    was, now = lines[0]
    pairs = list(zip(NUMBER.finditer(was), NUMBER.finditer(now), strict=False))
    different = [(a, b) for a, b in pairs if a.group() != b.group()]
    if NUMBER.split(was) != NUMBER.split(now) or len(different) != 1:
        return None
    number, other = different[0]
    named = re.search(r"(\w+)\s*(?::[^=]*)?[=(]\s*-?$", was[: number.start()])
    name = named.group(1) if named else " ".join(was.split())[:60]
    return Change("constant", "the program", name, float(number.group()), float(other.group()))


def _differs(outcome: Score, parent: Score) -> bool:
    """Beyond one standard error of the difference; a millionth where fitness is exact."""
    errors = [score.standard_error for score in (outcome, parent) if score.standard_error is not None]
    noise = math.hypot(*errors) if errors else 1e-6 * max(1.0, abs(parent.fitness))
    return abs(outcome.fitness - parent.fitness) > noise


def _lesson(domain: str, change: Change, numbers: str, *, new_is_better: bool, supports: bool) -> Lesson:
    winner, loser = (change.new, change.old) if new_is_better else (change.old, change.new)
    key = f"{change.kind}/{change.place}/{change.name}"
    if change.kind == "block":
        claim, condition = f"In slot {change.place}, the block {winner} does better than {loser}.", "all else equal"
        return Lesson(domain, claim, condition, supports, numbers, "rules", f"{key}/{winner}>{loser}")
    if _is_number(change.old) and _is_number(change.new):
        higher, region = float(winner) > float(loser), _region(float(change.old))
        claim = f"A {'higher' if higher else 'lower'} {change.name} of {change.place} does better."
        condition = f"around {change.name} = {region}, all else equal"
        return Lesson(domain, claim, condition, supports, numbers, "rules", f"{key}/{higher}/{region}")
    claim = f"For {change.name} of {change.place}, {winner!r} does better than {loser!r}."
    return Lesson(domain, claim, "all else equal", supports, numbers, "rules", f"{key}/{winner!r}>{loser!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _region(value: float) -> str:
    """Half an order of magnitude: what holds at 0.01 need not hold at 10.

    >>> _region(0.9), _region(-4.0), _region(0.0)
    ('1', '-3', '0')
    """
    if value == 0 or not math.isfinite(value):
        return "0"
    return f"{math.copysign(10 ** (round(2 * math.log10(abs(value))) / 2), value):.1g}"


def _told(change: Change) -> str:
    what = change.name or f"slot {change.place}"
    return f"{what} {change.old!r} -> {change.new!r}"
