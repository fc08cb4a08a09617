"""Brings sources into the cognition base: read, cut into chunks, ask the librarian (or cut out excerpts), judge, store.

Every chunk is stored as soon as it is done, and answers are in the ledger before that, so an ingestion that was
interrupted is simply run again: what was paid for is not asked again, and what is stored stays as it is. Each call's
worst case is reserved before it is made. No campaign is involved; the ledger keeps the calls under no campaign's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cognition.ingest import excerpts
from cognition.ingest.documents import Chunk, Document, chunks
from cognition.ingest.quotes import normalised
from cognition.ingest.refused import Refused
from cognition.ingest.sources import NotASource, Reader, Source, resolve
from cognition.items import ItemStore
from cognition.records import Failure
from tasks.librarian import (
    PROMPT_TOKENS,
    Judged,
    Provenience,
    extracted,
    item_id,
    judged,
    refusal,
)
from tasks.llm import Budget, BudgetExhausted, Model

#: So many chunks are asked about at once; `[rate]` may allow fewer requests.
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one source."""

    name: str
    title: str = ""
    refused: str = ""  # why nothing was read
    chunks: int = 0
    new: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()  # say what an item says that is there already
    unchanged: int = 0
    quarantined: tuple[tuple[str, str], ...] = ()  # id and reason
    failed: tuple[tuple[str, str], ...] = ()  # place and reason of chunks without a usable answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """All sources, and what was spent on them now."""

    sources: tuple[Told, ...]
    librarian: str  # the model's name, or "none: plain excerpts"
    calls: int = 0
    dollars: float = 0.0
    stopped: str = ""  # why it ended early

    @property
    def is_complete(self) -> bool:
        """Every source was read and every chunk has a usable answer."""
        return not self.stopped and not any(told.refused or told.failed for told in self.sources)


@dataclass(frozen=True, slots=True)
class Job:
    """What is needed to work on documents."""

    store: ItemStore
    domain: str
    goal: str
    model: Model | None = None
    budget: Budget | None = None
    tries: int = 2
    advance: Callable[[int, float], None] = field(default=lambda done, dollars: None)


def found(named: Iterable[str]) -> tuple[list[Source], list[Told]]:
    """What the arguments stand for, each once, and what of them leads nowhere."""
    sources, nowhere = dict[Source, None](), list[Told]()
    for argument in named:
        for each in resolve(argument):
            if isinstance(each, NotASource):
                nowhere.append(Told(each.name, refused=each.reason))
            else:
                sources[each] = None
    return list(sources), nowhere


def read(reader: Reader, source: Source) -> Document | Told:
    """A source's text, or why there is none."""
    try:
        return reader.read(source)
    except Refused as refused:
        return Told(source.name, refused=str(refused))
    except OSError as error:
        return Told(source.name, refused=f"cannot read it: {error.strerror or error}")


def worst_usd(documents: Sequence[Document], model: Model) -> float | None:
    """What the librarian may cost at most, each chunk asked once at the token limits; None: no price is known."""
    settings = model.settings_of("librarian")
    each = settings.price_usd(PROMPT_TOKENS, settings.max_tokens)
    return None if each is None else each * sum(len(chunks(document.parts)) for document in documents)


async def work(job: Job, documents: Sequence[Document]) -> Outcome:
    """All documents, in order, several chunks at once. Raises as Model.ask, except that an empty budget ends it."""
    told, stopped = list[Told](), ""
    for document in documents:
        one, stopped = await _document(job, document) if job.model else (_plain(job, document), "")
        told.append(one)
        if stopped:
            break
    spent = job.budget.spent if job.budget else None
    name = job.model.settings_of("librarian").model if job.model else "none: plain excerpts"
    return Outcome(tuple(told), name, spent.calls if spent else 0, spent.dollars if spent else 0.0, stopped)


async def _document(job: Job, document: Document) -> tuple[Told, str]:
    """One document, and why it could not be finished."""
    source, turns = normalised(document.text), asyncio.Semaphore(AT_ONCE)

    async def one(chunk: Chunk) -> Told:
        async with turns:
            return await _chunk(job, document, chunk, source)

    pieces = chunks(document.parts)
    results = await asyncio.gather(*(one(chunk) for chunk in pieces), return_exceptions=True)
    total, stopped = Told(document.name, document.title, chunks=len(pieces)), ""
    for result in results:
        if isinstance(result, BudgetExhausted):
            stopped = stopped or str(result)
        elif isinstance(result, BaseException):
            raise result  # what the other chunks brought is stored already
        else:
            total = _together(total, result)
    return total, stopped


async def _chunk(job: Job, document: Document, chunk: Chunk, source: str) -> Told:
    assert job.model is not None
    origin = Provenience(job.domain, document.name, document.title, chunk.place)
    answer = await extracted(job.model, job.goal, origin, chunk, job.tries)
    if isinstance(answer, Failure):
        result = Told(document.name, failed=((chunk.place, answer.reason),))
    else:
        made_by = f"the model {job.model.settings_of('librarian').model}"
        result = stored(job.store, document.name, judged(answer, origin, source, made_by))
    job.advance(1, job.budget.spent.dollars if job.budget else 0.0)
    return result


def _plain(job: Job, document: Document) -> Told:
    """The document as excerpts, without a model."""
    source, made = normalised(document.text), list[Judged]()
    for place, text in excerpts.excerpts(document):
        origin = Provenience(job.domain, document.name, document.title, place)
        item = excerpts.as_item(item_id(job.domain, document.name, text), job.domain, origin.source, place, text)
        made.append(Judged(item, refusal(item, source) or ""))
    count = len(chunks(document.parts))
    job.advance(count, 0.0)
    return replace(stored(job.store, document.name, made), title=document.title, chunks=count)


def stored(store: ItemStore, name: str, items: Iterable[Judged]) -> Told:
    """Put items into the base: what is known is left out, what was refused goes into quarantine."""
    new, twins, quarantined, unchanged = list[str](), list[str](), list[tuple[str, str]](), 0
    for judgement in items:
        item, reason = judgement.item, judgement.reason
        added = store.add_unless_known([item], state="quarantined" if reason else "active", reason=reason)
        if added.twins:
            twins.append(item.id)
        elif not added.new:
            unchanged += 1
        elif reason:
            quarantined.append((item.id, reason))
        else:
            new.append(item.id)
    return Told(name, new=tuple(new), twins=tuple(twins), unchanged=unchanged, quarantined=tuple(quarantined))


def _together(one: Told, other: Told) -> Told:
    return replace(
        one,
        new=one.new + other.new,
        twins=one.twins + other.twins,
        unchanged=one.unchanged + other.unchanged,
        quarantined=one.quarantined + other.quarantined,
        failed=one.failed + other.failed,
    )
