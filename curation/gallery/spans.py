"""Which rule took which characters: each rule's text is compared with the one before, and places are traced back.

The comparison goes by lines, and inside changed lines by words and signs. It finds a shortest account of a change,
which need not be what the rule did letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from curation.gallery.trace import Stage

PART = re.compile(r"\w+|\s+|[^\w\s]")
LARGEST_PRODUCT = 4_000_000  # of the numbers of words on both sides; above it a block counts as replaced as a whole
MANY_LINES = 2_000
Change = tuple[bool, int, int, int, int]  # whether equal; from and to in the old text; from and to in the new one


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters with one fate. `rule` None: it stays as it was (left), or was there before (right)."""

    text: str
    rule: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The original with what was removed, the cleaned text with what is new, and characters removed per rule."""

    left: tuple[Piece, ...]
    right: tuple[Piece, ...]
    removed: dict[str, int]


def compared(original: str, stages: Sequence[Stage]) -> Compared:
    """Follow the text through the stages.

    >>> compared("one <b>two", [Stage("markup", "one two")]).left
    (Piece(text='one ', rule=None), Piece(text='<b>', rule='markup'), Piece(text='two', rule=None))
    """
    taken: list[str | None] = [None] * len(original)
    text, origin = original, list(range(len(original)))  # where in the original a character stands, or -1
    maker: list[str | None] = [None] * len(original)
    for stage in stages:
        new = stage.text or ""
        new_origin = [-1] * len(new)
        new_maker: list[str | None] = [stage.rule] * len(new)
        for is_equal, a, b, c, d in changes(text, new):
            if is_equal:
                new_origin[c:d], new_maker[c:d] = origin[a:b], maker[a:b]
            else:
                for place in origin[a:b]:
                    if place >= 0:
                        taken[place] = stage.rule
        text, origin, maker = new, new_origin, new_maker
    removed: dict[str, int] = {}
    for rule in taken:
        if rule is not None:
            removed[rule] = removed.get(rule, 0) + 1
    return Compared(tuple(_runs(original, taken)), tuple(_runs(text, maker)), removed)


def changes(old: str, new: str) -> Iterator[Change]:
    """What is equal and what is not, by characters, in order."""
    if old == new:
        yield True, 0, len(old), 0, len(new)
        return
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    junk = max(len(before), len(after)) > MANY_LINES
    place_a, place_b = _starts(before), _starts(after)
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=junk).get_opcodes():
        a, b, c, d = place_a[i], place_a[j], place_b[k], place_b[m]
        if tag == "replace":
            yield from _within(old, new, a, b, c, d)
        else:
            yield tag == "equal", a, b, c, d


def _within(old: str, new: str, a: int, b: int, c: int, d: int) -> Iterator[Change]:
    before, after = PART.findall(old[a:b]), PART.findall(new[c:d])
    if len(before) * len(after) > LARGEST_PRODUCT:
        yield False, a, b, c, d
        return
    place_a, place_b = _starts(before, a), _starts(after, c)
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        yield tag == "equal", place_a[i], place_a[j], place_b[k], place_b[m]


def _starts(parts: Sequence[str], first: int = 0) -> list[int]:
    places = [first]
    for part in parts:
        places.append(places[-1] + len(part))
    return places


def _runs(text: str, rules: Sequence[str | None]) -> Iterator[Piece]:
    start = 0
    for rule, group in groupby(rules):
        end = start + sum(1 for _ in group)
        yield Piece(text[start:end], rule)
        start = end
