"""How items are written, inside a transaction of the caller: versions kept, the index kept up, twins found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from sqlalchemy import Connection, delete, insert, select, update

from cognition import search
from cognition.database import now_iso
from cognition.errors import ArchiveError
from cognition.records import Item
from cognition.schema import item_vectors, item_versions, items
from cognition.similar import meaning, same_meaning

State = Literal["active", "expired", "quarantined"]
#: Of so many items that match its words best, one is the twin or there is none.
TWIN_CANDIDATES = 20


def put_items(tx: Connection, new: Iterable[Item]) -> int:
    """Add or replace items inside a transaction; returns how many changed. Raises ArchiveError for a stolen id."""
    changed, added, newest = 0, 0, 0
    for item in new:
        row = tx.execute(select(items).where(items.c.id == item.id)).one_or_none()
        if row is None:
            newest = key = _insert(tx, item)
            added += 1
        elif row.domain != item.domain:
            raise ArchiveError(f"the item id {item.id!r} belongs to {row.domain}; {item.domain} needs another id")
        elif row.content == item:
            continue
        else:
            key = row.row
            _replace(tx, key, row.content, row.version, item)
        search.add(tx, key, item)
        changed += 1
    search.tidy(tx, newest, added)
    return changed


def find_twin(tx: Connection, item: Item, *, quarantined: bool = True) -> str | None:
    """The id of an item that says the same, expired ones too; its own id does not count.

    Code blocks are the same or items differ. `quarantined`: whether one in quarantine counts; a claim that was made up
    once must not keep out the same claim with evidence.
    """
    for row in search.find(tx, item.domain, meaning(item), TWIN_CANDIDATES, every_state=True):
        other: Item = row.content
        same_block = (item.block and item.block.source) == (other.block and other.block.source)
        if other.id == item.id or not same_block or not same_meaning(meaning(item), meaning(other)):
            continue
        if quarantined or _state(tx, other.id) != "quarantined":
            return other.id
    return None


def set_state(tx: Connection, id: str, state: State, reason: str = "") -> None:
    """Retire an item, or bring it back. One that is not active is never recalled."""
    tx.execute(update(items).where(items.c.id == id).values(state=state, reason=reason, updated_at=now_iso()))


def _state(tx: Connection, id: str) -> str:
    return str(tx.execute(select(items.c.state).where(items.c.id == id)).scalar_one())


def _insert(tx: Connection, item: Item) -> int:
    now = now_iso()
    values = {"id": item.id, "domain": item.domain, "version": 1, "content": item, "created_at": now, "updated_at": now}
    result = tx.execute(insert(items).values(**values, has_block=item.block is not None))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def _replace(tx: Connection, key: int, old: Item, version: int, item: Item) -> None:
    kept = {"item": item.id, "version": version, "content": old, "replaced_at": now_iso()}
    tx.execute(insert(item_versions).values(kept))
    values = {"content": item, "version": version + 1, "has_block": item.block is not None, "updated_at": now_iso()}
    tx.execute(update(items).where(items.c.row == key).values(values))
    tx.execute(delete(item_vectors).where(item_vectors.c.row == key))  # it embeds other words
    search.remove(tx, key)
