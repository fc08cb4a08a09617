"""The Librarian: reads a chunk of a source and extracts typed items, each with the words of the source it rests on.

A model proposes, and what it proposes is judged here: an item whose quote is not in the source, that is empty, or that
speaks to a model instead of about the subject is kept in quarantine with the reason, for a person to look at. Whether
the claim follows from its quote is not checked. One call per chunk and try; the ledger keeps answers by the hash of
the chunk, so a chunk is never paid for twice by the same question to the same model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, Field

from cognition.hostile import hostile
from cognition.ingest.documents import Chunk
from cognition.ingest.quotes import missing
from cognition.records import Failure, Item
from tasks.llm import Message, Model
from tasks.prompts import CHARS_PER_TOKEN, Fence, render, shorten

MOST_ITEMS = 6
MOST_GOAL_CHARS = 4_000
MAX_TITLE_CHARS = 300
#: A longer chunk is cut in the prompt; chunks are made shorter (cognition/ingest/documents.py).
MAX_PASSAGE_CHARS = 12_000
#: Tokens of a prompt at most, the description of the answer included.
PROMPT_TOKENS = (MOST_GOAL_CHARS + MAX_TITLE_CHARS + MAX_PASSAGE_CHARS) // CHARS_PER_TOKEN + 1_500


class FoundItem(BaseModel):
    """One item as the model gives it."""

    insight: str = Field(description="one sentence: the claim or rule")
    symptoms: list[str] = Field(default=[], description="up to 6 short phrases: what results show when it is needed")
    condition: str = Field(default="", description="when it holds, or empty")
    background: str = Field(default="", description="one to three sentences: why it holds")
    guidance: str = Field(default="", description="one to four sentences: what to do, concretely")
    kind: str = Field(default="", description="two words, such as: design principle, method, pitfall, engineering rule")
    quote: str = Field(description="one contiguous sentence of the passage that says it, copied exactly")


class LibrarianAnswer(BaseModel):
    """What the model answers."""

    items: list[FoundItem] = Field(default=[], description="the items, best first; may be empty")


@dataclass(frozen=True, slots=True)
class Provenience:
    """Where a chunk comes from, as its items say it."""

    domain: str
    name: str  # of the source: arXiv id, address, file
    title: str
    place: str  # section or page

    @property
    def source(self) -> str:
        """In one line.

        >>> Provenience("toy", "arXiv:2401.00001", "A title", "page 3").source
        'A title (arXiv:2401.00001), page 3'
        """
        where = f"{self.title} ({self.name})" if self.title and self.title != self.name else self.name
        return f"{where}, {self.place}" if self.place else where


@dataclass(frozen=True, slots=True)
class Judged:
    """An item, and why it must not be recalled; "" if it may."""

    item: Item
    reason: str = ""


async def extracted(
    model: Model, goal: str, origin: Provenience, chunk: Chunk, tries: int
) -> tuple[FoundItem, ...] | Failure:
    """What the model finds in a chunk; a Failure if no try gave a usable answer. Raises as Model.ask."""
    failure: Failure | None = None
    for attempt in range(tries):
        messages = librarian_messages(goal, origin, chunk)
        answer = await model.ask("librarian", call_id(origin.domain, chunk), attempt, messages, LibrarianAnswer)
        if not isinstance(answer, Failure):
            return tuple(answer.value.items[:MOST_ITEMS])
        failure = answer
    assert failure is not None
    return failure


def call_id(domain: str, chunk: Chunk) -> str:
    """Under which name the ledger keeps a chunk's answers."""
    return f"ingest/{domain}/{chunk.digest}"


def librarian_messages(goal: str, origin: Provenience, chunk: Chunk) -> list[Message]:
    """The prompt for one chunk."""
    fence = Fence.of("librarian", chunk.digest)
    user = render(
        "librarian_user.j2",
        goal=shorten(goal, MOST_GOAL_CHARS),
        title=fence.wrap("title", origin.title or origin.name, MAX_TITLE_CHARS),
        place=re.sub(r"[^\w .,:-]", "_", origin.place)[:80],
        passage=fence.wrap("passage", chunk.text, MAX_PASSAGE_CHARS),
        most=MOST_ITEMS,
    )
    return [Message("system", render("librarian_system.j2")), Message("user", user)]


def judged(found: Iterable[FoundItem], origin: Provenience, normal_source: str, made_by: str) -> Iterator[Judged]:
    """The items with the verdict on each. `normal_source`: the whole source, as quotes.normalised gives it."""
    for each in found:
        item = as_item(each, origin, made_by)
        if item.insight:  # without one there is nothing to keep
            yield Judged(item, refusal(item, normal_source) or "")


def refusal(item: Item, normal_source: str) -> str | None:
    """Why an item must not be recalled."""
    words = hostile(item)
    return f"speaks to the model: {words!r}" if words is not None else missing(item.quote, normal_source)


def as_item(found: FoundItem, origin: Provenience, made_by: str) -> Item:
    """A record whose id depends on what it says, so that reading a source again changes nothing."""
    symptoms = tuple(_line(symptom, 100) for symptom in found.symptoms[:6] if symptom.strip())
    insight, quote = _line(found.insight, 600), found.quote.strip()[:2_000]
    return Item(
        id=item_id(origin.domain, origin.name, f"{insight}\n{quote}"),
        domain=origin.domain,
        insight=insight,
        triggers=symptoms,
        background=_line(found.background, 1_500),
        guidance=_line(found.guidance, 1_500),
        condition=_line(found.condition, 300),
        kind=_line(found.kind, 60),
        source=f"{origin.source}; extracted by {made_by}",
        quote=quote,
    )


def item_id(domain: str, name: str, words: str) -> str:
    """Readable in front, exact behind.

    >>> item_id("toy", "arXiv:2401.00001", "x")
    'toy-arxiv-2401-00001-2d711642b7'
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower().rsplit("://", 1)[-1]).strip("-")[-40:].strip("-")
    return f"{domain}-{slug}-{hashlib.sha256(words.encode('utf-8', 'replace')).hexdigest()[:10]}"


def _line(text: str, most_chars: int) -> str:
    return shorten(" ".join(text.split()), most_chars)
