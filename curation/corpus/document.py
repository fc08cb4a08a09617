"""A document while noise is put into it: lines, each with its truth; and the finished document with its truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from curation.corpus.real_text import Passage
from curation.labels import Quality


@dataclass(slots=True)
class Line:
    """A line as it is shown, and as it should be; truth None: it should go."""

    text: str
    truth: str | None


@dataclass(slots=True)
class Draft:
    """A document in the making."""

    lines: list[Line]
    private: list[str] = field(default_factory=list)  # planted names, addresses, numbers

    def clean_places(self, fewest_chars: int = 30) -> list[int]:
        """Lines that carry real text of some length."""
        return [i for i, line in enumerate(self.lines) if line.truth is not None and len(line.truth) >= fewest_chars]

    def insert(self, place: int, *texts: str) -> None:
        """Put lines of noise before `place`."""
        self.lines[place:place] = [Line(text, None) for text in texts]


@dataclass(frozen=True, slots=True)
class Noisy:
    """A finished document. `truth`, `private` and `families` stay in trusted code."""

    text: str
    truth: str
    category: str
    quality: str
    private: tuple[str, ...] = ()
    families: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spike:
    """A known passage among the lines of a real document: clean, so it should stay, or noise, so it should go."""

    document: int
    text: str
    is_clean: bool


Family = Callable[[Draft, Random], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The families of noise of a set of documents, and its junk: documents that should be dropped as a whole."""

    families: Mapping[str, Family]
    junk: Callable[[Random], str]
    junk_share: float = 0.06
    #: How many families hit a document of either quality.
    counts: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {"high": (1, 3), "low": (3, 7)})


def spoil(passage: Passage, recipe: Recipe, rng: Random, only: Quality | None = None) -> Noisy:
    """A passage with noise of some families; now and then junk in its place, which is of low quality."""
    quality = rng.choice(("high", "low"))
    quality = only or quality
    if rng.random() < recipe.junk_share and only != "high":
        return Noisy(recipe.junk(rng), "", passage.category, "low", (), ("junk",))
    draft = Draft([Line(text, text) for text in passage.text.split("\n")])
    names = sorted(recipe.families)
    low, high = (min(count, len(names)) for count in recipe.counts[quality])
    taken = set(rng.sample(names, rng.randint(low, high)))
    chosen = [name for name in names if name in taken]
    for name in chosen:
        recipe.families[name](draft, rng)
    text = "\n".join(line.text for line in draft.lines)
    truth = "\n".join(line.truth for line in draft.lines if line.truth is not None)
    return Noisy(text, truth, passage.category, quality, tuple(draft.private), tuple(chosen))
