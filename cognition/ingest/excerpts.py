"""Items without a model: a source cut into plain excerpts. They are marked as such and claim to be nothing more. Pure.

An excerpt's first sentence is its insight and its quote; the rest is background. Symptoms are nobody's guess: its only
trigger is the heading it stands under.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cognition.ingest.documents import Document, without_references
from cognition.records import Item

KIND = "plain excerpt"
MARK = "Plain excerpt, not summarised: "
#: About a long paragraph.
EXCERPT_CHARS = 1_200
LEAST_CHARS = 120
_SENTENCE_CHARS = 400


def excerpts(document: Document) -> Iterator[tuple[str, str]]:
    """Place and text of every excerpt: paragraphs joined up to EXCERPT_CHARS, longer ones cut after a sentence."""
    for part in without_references(document.parts):
        for text in _joined(_paragraphs(part.text)):
            if len(text) >= LEAST_CHARS:
                yield part.place, text


def as_item(id: str, domain: str, source: str, place: str, text: str) -> Item:
    """An excerpt as an item that says what it is."""
    first, rest = _first_sentence(text)
    return Item(
        id=id,
        domain=domain,
        insight=MARK + first,
        triggers=(place,) if place and not re.match(r"page \d", place) else (),
        background=rest,
        source=f"{source}; cut out without a model",
        kind=KIND,
        quote=first,
    )


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(line for line in paragraph.split("\n") if not line.startswith("#"))
        rest = " ".join(flat.split())
        while len(rest) > EXCERPT_CHARS:
            at = rest.rfind(". ", EXCERPT_CHARS // 2, EXCERPT_CHARS)
            cut = at + 1 if at > 0 else EXCERPT_CHARS
            yield rest[:cut]
            rest = rest[cut:].strip()
        if rest:
            yield rest


def _joined(paragraphs: Iterator[str]) -> Iterator[str]:
    kept = ""
    for paragraph in paragraphs:
        if kept and len(kept) + len(paragraph) + 1 > EXCERPT_CHARS:
            yield kept
            kept = ""
        kept = f"{kept} {paragraph}".strip()
    if kept:
        yield kept


def _first_sentence(text: str) -> tuple[str, str]:
    end = re.compile(r"[.!?](?=\s)").search(text, 40)
    cut = min(end.end() if end else len(text), _SENTENCE_CHARS)
    if cut < len(text) and end is None:
        cut = text.rfind(" ", 0, cut) if " " in text[:cut] else cut
    return text[:cut].strip(), text[cut:].strip()
