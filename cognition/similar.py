"""When two texts say the same: normalised words, shingles of characters, and what must not differ. Pure, no model.

Near-duplicates are found by the Jaccard similarity of character shingles. That alone would merge "a higher gain helps"
with "a lower gain helps", so numbers and words of direction have to agree too, and where two things are compared
("slsqp instead of adam") the words have to come in the same order. It errs on the side of keeping both.
"""

from __future__ import annotations

import re
import unicodedata

from cognition.records import Item

SHINGLE_CHARS = 4
#: Two texts at least so similar say the same. Ours; a word of ten changed gives about 0.75.
SAME = 0.8

_DIRECTIONS = {
    "+": ("increas", "rais", "higher", "larg", "more", "greater", "widen", "wider", "longer", "most"),
    "-": ("decreas", "lower", "reduc", "small", "less", "fewer", "shrink", "narrow", "shorter", "least"),
    "!": ("not", "no", "never", "without", "avoid", "cannot", "unless", "don", "doesn", "neither"),
    "g": ("improv", "help", "better", "gain", "best", "outperform"),
    "b": ("hurt", "worse", "harm", "degrad", "fail", "worst"),
}
_ARTICLES = frozenset({"a", "an", "the"})
_WHOLE_WORDS = frozenset(_DIRECTIONS["!"])
_COMPARISONS = frozenset(
    ["instead", "rather", "than", "over", "before", "after", "replace", "replaces", "replacing", "from", "versus", "vs"]
)


def normal(text: str) -> str:
    """A text's words in lower case without articles, with one space between them.

    >>> normal("Gaps,  at the “Edges”!")
    'gaps at edges'
    """
    words = re.findall(r"\d+(?:\.\d+)?|[^\W_\d]+", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(word for word in words if word not in _ARTICLES)


def shingles(text: str) -> frozenset[str]:
    """All runs of SHINGLE_CHARS characters of a normalised text; a shorter text is its own."""
    if len(text) <= SHINGLE_CHARS:
        return frozenset({text})
    return frozenset(text[at : at + SHINGLE_CHARS] for at in range(len(text) - SHINGLE_CHARS + 1))


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of two texts' shingles.

    >>> similarity("Pack the corners first.", "pack the corners, first")
    1.0
    """
    a, b = shingles(normal(one)), shingles(normal(other))
    return len(a & b) / len(a | b)


def same_meaning(one: str, other: str) -> bool:
    """Whether one of the two texts is enough.

    >>> same_meaning("A higher gain improves the fitness.", "A higher gain improves fitness")
    True
    >>> same_meaning("A higher gain improves the fitness.", "A lower gain improves the fitness.")
    False
    """
    a, b = normal(one), normal(other)
    return _guarded(a) == _guarded(b) and similarity(a, b) >= SAME


def meaning(item: Item) -> str:
    """The words of an item that say what it means."""
    return " ".join(part for part in (item.insight, item.condition, item.guidance) if part)


def _guarded(text: str) -> tuple[object, ...]:
    """What has to be equal: directions, numbers, and the order of words where something is compared."""
    words = text.split()
    directions = sorted(sign for word in words for sign, stems in _DIRECTIONS.items() if _is(word, stems))
    numbers = sorted(word for word in words if word[0].isdigit())
    compared = tuple(words) if _COMPARISONS & set(words) else ()
    return directions, numbers, tuple(word for word in compared if len(word) > 3)


def _is(word: str, stems: tuple[str, ...]) -> bool:
    return word in stems if word in _WHOLE_WORDS else any(word.startswith(stem) for stem in stems if len(stem) > 3)
