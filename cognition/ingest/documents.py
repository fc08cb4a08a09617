"""A document as it was read, and its chunks: pieces small enough for one question, cut where the text pauses. Pure.

A chunk's identity is the hash of its words, so a source that is read again, or has grown, gives the same chunks for
what has not changed, and what was paid for them counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

#: About 2,000 tokens: large enough for an argument, small enough to be read closely.
CHUNK_CHARS = 8_000
#: A book or a data dump is not a source of a few items.
MOST_CHARS = 2_000_000

_HEADING = re.compile(r"^#{1,6}\s+(.*\S)\s*$")
_REFERENCES = re.compile(r"^#*\s*(?:\d+\.?\s*)?(?:references|bibliography|literature cited)\s*$", re.IGNORECASE)
_AFTER_THEM = re.compile(r"^#*\s*(?:[A-Z0-9]+\.?\s+)?(?:appendix|appendices|supplement\w*)\b", re.IGNORECASE)
#: A list of references comes late; the word alone on a line may come earlier too.
_LATE = 0.3


@dataclass(frozen=True, slots=True)
class Part:
    """A page or a section: where it stands, and what it says."""

    place: str  # e.g. "page 3", or a heading; "" for the beginning
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One source that was read."""

    name: str  # as reports call it: the file, the address, the arXiv id
    title: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All of it: quotes are looked for here."""
        return "\n\n".join(part.text for part in self.parts)

    @property
    def digest(self) -> str:
        """Hash of the words."""
        return _hash(self.text)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document."""

    place: str
    text: str

    @property
    def digest(self) -> str:
        """The same words, the same chunk."""
        return _hash(self.text)


def sections(text: str) -> tuple[Part, ...]:
    """A text with Markdown headings as its sections.

    >>> [part.place for part in sections("Before.\\n# One\\nA.\\n## Two\\nB.")]
    ['', 'One', 'Two']
    """
    found: list[tuple[str, list[str]]] = [("", [])]
    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if heading:
            found.append((heading.group(1)[:120], []))
        found[-1][1].append(line)
    parts = (Part(place, "\n".join(lines).strip()) for place, lines in found)
    return tuple(part for part in parts if part.text)


def chunks(parts: Sequence[Part], most_chars: int = CHUNK_CHARS) -> tuple[Chunk, ...]:
    """The parts, joined while they fit and cut where they do not; the list of references is left out."""
    made: list[tuple[list[str], list[str]]] = []
    room = 0
    for part in without_references(parts):
        for piece in _pieces(part.text, most_chars):
            if not made or len(piece) > room:
                made.append(([], []))
                room = most_chars
            made[-1][0].append(part.place)
            made[-1][1].append(piece)
            room -= len(piece) + 2
    return tuple(Chunk(_places(places), "\n\n".join(texts)) for places, texts in made)


def without_references(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts without the lines of a list of references, which costs tokens and holds no knowledge."""
    total, seen, inside = sum(len(part.text) for part in parts), 0, False
    for part in parts:
        kept: list[str] = []
        for line in part.text.split("\n"):
            seen += len(line) + 1
            if _REFERENCES.match(line.strip()) and seen > _LATE * total:
                inside = True
            elif inside and _AFTER_THEM.match(line.strip()):
                inside = False
            if not inside:
                kept.append(line)
        text = "\n".join(kept).strip()
        if text:
            yield Part(part.place, text)


def _pieces(text: str, most_chars: int) -> Iterator[str]:
    """A text in pieces of at most that many characters: cut at paragraphs, else lines, sentences, anywhere."""
    rest = text.strip()
    while len(rest) > most_chars:
        cut = _last_pause(rest, most_chars)
        yield rest[:cut].strip()
        rest = rest[cut:].strip()
    if rest:
        yield rest


def _last_pause(text: str, most_chars: int) -> int:
    for pause in ("\n\n", "\n", ". ", " "):
        at = text.rfind(pause, most_chars // 2, most_chars)
        if at > 0:
            return at + len(pause)
    return most_chars


def _places(places: Iterable[str]) -> str:
    known = [place for place in dict.fromkeys(places) if place]
    if not known:
        return ""
    return known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]
