"""The cognition base: pieces of knowledge, recalled by their symptoms.

The query is what was observed (the parents' analyses and failures), and an item's trigger patterns weigh most: symptom
to remedy. Search is the database's full-text index (cognition/search.py). Vectors are not built yet; they would be
fused inside `search`, and nothing else would change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, insert, select, update

from cognition import search
from cognition.database import now_iso
from cognition.errors import ArchiveError
from cognition.records import Item
from cognition.schema import items

if TYPE_CHECKING:
    from cognition.archive import Archive


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was recalled; a higher score is a better match, comparable within one search only."""

    item: Item
    score: float


class ItemStore:
    """The cognition base of an archive. Thread-safe; several processes may write."""

    def __init__(self, archive: Archive) -> None:
        """Over the same database as the archive."""
        self.database = archive.database

    def add_missing(self, new: Iterable[Item]) -> int:
        """Add the items whose id is not there yet; returns how many. Items that are there stay as they are."""
        wanted = list(new)
        with self.database.read() as tx:
            known = _known_ids(tx, [item.id for item in wanted])
        missing = [item for item in wanted if item.id not in known]
        if not missing:
            return 0
        with self.database.write() as tx:
            known = _known_ids(tx, [item.id for item in missing])
            return put_items(tx, [item for item in missing if item.id not in known])

    def upsert(self, new: Iterable[Item]) -> int:
        """Add items, or replace those of the same id under a higher version; returns how many changed."""
        with self.database.write() as tx:
            return put_items(tx, new)

    def search(self, domain: str, query: str, k: int = 5) -> list[Hit]:
        """The k items of a domain that match best (App. A: top-k 5). Any text is a valid query."""
        with self.database.read() as tx:
            return [Hit(row.content, row.score) for row in search.find(tx, domain, query, k)]

    def all(self, domain: str) -> tuple[Item, ...]:
        """Every item of a domain, oldest first."""
        query = select(items.c.content).where(items.c.domain == domain).order_by(items.c.row)
        with self.database.read() as tx:
            return tuple(tx.execute(query).scalars())

    def blocks(self, domain: str) -> tuple[Item, ...]:
        """The items of a domain that carry a code block, oldest first."""
        query = select(items.c.content).where(items.c.domain == domain, items.c.has_block.is_(True))
        with self.database.read() as tx:
            return tuple(tx.execute(query.order_by(items.c.row)).scalars())

    def get_many(self, ids: Sequence[str]) -> tuple[Item, ...]:
        """These items, in this order. Raises ArchiveError for an id that is not there."""
        with self.database.read() as tx:
            rows = tx.execute(select(items.c.id, items.c.content).where(items.c.id.in_(ids))).all()
        found: dict[str, Item] = {row.id: row.content for row in rows}
        missing = [id for id in ids if id not in found]
        if missing:
            raise ArchiveError(f"there is no cognition item {', '.join(missing)}")
        return tuple(found[id] for id in ids)

    def find_many(self, ids: Sequence[str]) -> tuple[Item, ...]:
        """Those of these items that are there, in no order: for reports, which may name one that never was."""
        found: list[Item] = []
        with self.database.read() as tx:
            for start in range(0, len(ids), 500):  # SQLite limits the parameters of a statement
                found += tx.execute(select(items.c.content).where(items.c.id.in_(ids[start : start + 500]))).scalars()
        return tuple(found)

    def version(self, id: str) -> int:
        """How often an item was written. Raises ArchiveError."""
        with self.database.read() as tx:
            found: int | None = tx.execute(select(items.c.version).where(items.c.id == id)).scalar()
        if found is None:
            raise ArchiveError(f"there is no cognition item {id}")
        return found


def put_items(tx: Connection, new: Iterable[Item]) -> int:
    """Add or replace items inside a transaction; returns how many changed. Raises ArchiveError for a stolen id."""
    changed = 0
    for item in new:
        row = tx.execute(select(items).where(items.c.id == item.id)).one_or_none()
        if row is None:
            key = _insert(tx, item)
        elif row.domain != item.domain:
            raise ArchiveError(f"the item id {item.id!r} belongs to {row.domain}; {item.domain} needs another id")
        elif row.content == item:
            continue
        else:
            key = row.row
            _replace(tx, key, item, row.version + 1)
        search.add(tx, key, item)
        changed += 1
    return changed


def load_jsonl(path: Path, domain: str | None = None) -> tuple[Item, ...]:
    """Items from a file with one JSON object per line; `domain` fills in what the lines leave out.

    Raises ArchiveError with the line's number for broken JSON, an unknown key, a wrong type or a repeated id.
    """
    found: dict[str, Item] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        item = _parse(line, f"{path}:{number}", domain)
        if item.id in found:
            raise ArchiveError(f"{path}:{number}: the id {item.id!r} is used twice")
        found[item.id] = item
    return tuple(found.values())


def _known_ids(tx: Connection, ids: Sequence[str]) -> set[str]:
    return set(tx.execute(select(items.c.id).where(items.c.id.in_(ids))).scalars())


def _insert(tx: Connection, item: Item) -> int:
    now = now_iso()
    values = {"id": item.id, "domain": item.domain, "version": 1, "content": item, "created_at": now, "updated_at": now}
    result = tx.execute(insert(items).values(**values, has_block=item.block is not None))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def _replace(tx: Connection, key: int, item: Item, version: int) -> None:
    values = {"content": item, "version": version, "has_block": item.block is not None, "updated_at": now_iso()}
    tx.execute(update(items).where(items.c.row == key).values(values))
    search.remove(tx, key)


def _parse(line: str, place: str, domain: str | None) -> Item:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ArchiveError(f"{place}: not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ArchiveError(f"{place}: expected an object with id and insight, got {type(fields).__name__}")
    unknown = sorted(set(fields) - set(Item.__dataclass_fields__))
    if unknown:
        raise ArchiveError(f"{place}: unknown key {unknown[0]!r}; known: {', '.join(Item.__dataclass_fields__)}")
    if domain is not None:
        fields.setdefault("domain", domain)
    try:
        return TypeAdapter(Item).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ArchiveError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
