"""Lessons: what experiments say about a claim, kept as items of provenance "experience".

A round's lessons are written in the transaction that records the round, so a lesson and its evidence are there once or
not at all; recording a rerun takes the evidence of the earlier run back first. A claim that is known already gets one
more piece of evidence instead of a second item; what speaks against it is counted too. A lesson expires when it is
contradicted at least twice and as often as it is supported, when nothing supports it any more, or when the archive has
grown by IDLE_CANDIDATES without anything new about it. Evidence in favour brings it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, func, insert, select, update

from cognition.database import now_iso
from cognition.hostile import hostile
from cognition.item_writes import find_twin, put_items, set_state
from cognition.records import Item, Lesson
from cognition.schema import item_evidence, items
from cognition.similar import normal

KIND = "lesson"
#: A lesson without new evidence while so many candidates were recorded is old. Ours.
IDLE_CANDIDATES = 1_000
#: So many of the newest pieces of evidence are told with a lesson.
TOLD = 5
#: So many of the oldest idle lessons expire with one round: its work must not grow.
EXPIRING_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """How a lesson stands."""

    supports: int
    contradicts: int

    @property
    def is_refuted(self) -> bool:
        """Contradicted at least twice, and as often as supported."""
        return self.contradicts >= 2 and self.contradicts >= self.supports


def keep(tx: Connection, round_id: str, candidate: str | None, seq: int, lessons: Sequence[Lesson]) -> None:
    """Write a round's lessons, in place of those of an earlier recording of it; retire what is old."""
    query = select(item_evidence.c.item).where(item_evidence.c.round_id == round_id)
    touched = dict.fromkeys(tx.execute(query).scalars())
    tx.execute(delete(item_evidence).where(item_evidence.c.round_id == round_id))
    for lesson in lessons:
        id = _item_of(tx, lesson)
        if id is not None:
            _add_evidence(tx, id, round_id, candidate, seq, lesson)
            touched[id] = None
    for id in touched:
        _tell(tx, id, round_id)
    for domain in {lesson.domain for lesson in lessons}:
        expire_idle(tx, domain, seq, EXPIRING_AT_ONCE)


def expire_idle(tx: Connection, domain: str, newest: int, most: int, idle: int = IDLE_CANDIDATES) -> list[str]:
    """Retire the lessons that nothing was heard of for long, the oldest first; returns their ids."""
    query = select(items.c.id).where(
        items.c.domain == domain, items.c.state == "active", items.c.refreshed < newest - idle
    )
    old = list(tx.execute(query.order_by(items.c.refreshed).limit(most)).scalars())
    for id in old:
        set_state(tx, id, "expired", f"no new evidence while {idle} candidates were recorded")
    return old


def standing(tx: Connection, id: str) -> Standing:
    """How often a lesson was supported and contradicted, each round once."""
    query = select(item_evidence.c.supports, func.count()).where(item_evidence.c.item == id)
    counts = {supports: count for supports, count in tx.execute(query.group_by(item_evidence.c.supports)).tuples()}
    return Standing(counts.get(True, 0), counts.get(False, 0))


def lesson_id(lesson: Lesson) -> str:
    """The same claim of the same domain has the same id."""
    words = lesson.key or normal(f"{lesson.claim} {lesson.condition}")
    return f"{lesson.domain}-lesson-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def _item_of(tx: Connection, lesson: Lesson) -> str | None:
    """The item that a lesson is about; a new one for a new claim. None: it contradicts what nobody claims."""
    id = lesson.item or lesson_id(lesson)
    if tx.execute(select(items.c.domain).where(items.c.id == id)).scalar() == lesson.domain:
        return id
    if lesson.item is not None:
        return None
    item = Item(
        id=id,
        domain=lesson.domain,
        insight=lesson.claim,
        condition=lesson.condition,
        kind=KIND,
        provenance="experience",
        source="made by rules" if lesson.made_by == "rules" else f"made by the model {lesson.made_by}",
    )
    twin = None if lesson.key else find_twin(tx, item)
    if twin is not None and _is_lesson(tx, twin):
        return twin
    if not lesson.supports:
        return None
    put_items(tx, [item])
    return id


def _is_lesson(tx: Connection, id: str) -> bool:
    content: Item = tx.execute(select(items.c.content).where(items.c.id == id)).scalar_one()
    return content.kind == KIND


def _add_evidence(tx: Connection, id: str, round_id: str, candidate: str | None, seq: int, lesson: Lesson) -> None:
    key = (item_evidence.c.item == id, item_evidence.c.round_id == round_id)
    if tx.execute(select(item_evidence.c.item).where(*key)).one_or_none() is not None:
        return  # a round speaks once about a claim
    values = {"item": id, "round_id": round_id, "candidate": candidate, "supports": lesson.supports, "seq": seq}
    more = {"numbers": lesson.numbers, "made_by": lesson.made_by, "created_at": now_iso()}
    tx.execute(insert(item_evidence).values(**values, **more))


def _tell(tx: Connection, id: str, round_id: str) -> None:
    """Bring the item up to date with its evidence."""
    content: Item = tx.execute(select(items.c.content).where(items.c.id == id)).scalar_one()
    if content.kind != KIND:
        return  # an item with a source of its own is not rewritten; its evidence is counted beside it
    found = standing(tx, id)
    query = select(item_evidence).where(item_evidence.c.item == id)
    newest = tx.execute(query.order_by(item_evidence.c.seq.desc(), item_evidence.c.round_id).limit(TOLD)).all()
    told = [f"{'+' if row.supports else '-'} {row.candidate or row.round_id}: {row.numbers}" for row in newest]
    head = f"Supported by {found.supports} of this system's own runs, contradicted by {found.contradicts}."
    evidence = tuple(row.candidate for row in newest if row.candidate)
    put_items(tx, [replace(content, background="\n".join([head, *told]), evidence=evidence)])
    tx.execute(update(items).where(items.c.id == id).values(refreshed=newest[0].seq if newest else None))
    words = hostile(content)  # a model wrote it, after reading what candidates say
    if words is not None:
        set_state(tx, id, "quarantined", f"speaks to the model: {words!r}")
    elif not found.supports:
        set_state(tx, id, "expired", "nothing supports it any more")
    elif found.is_refuted:
        set_state(tx, id, "expired", f"contradicted by {found.contradicts} runs, supported by {found.supports}")
    else:
        set_state(tx, id, "active")
