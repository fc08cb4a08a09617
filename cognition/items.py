"""The cognition base: pieces of knowledge, recalled by their symptoms.

The query is what was observed (the parents' analyses and failures), and an item's trigger patterns weigh most: symptom
to remedy. Full text is the database's own (cognition/search.py); vectors are optional (cognition/vectors.py);
cognition/recall.py joins the two. Items keep their earlier versions, so that a retried step reads what it read before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import Connection, Row, delete, func, select

from cognition import lessons, recall, search
from cognition.database import Database
from cognition.errors import ArchiveError
from cognition.item_writes import State, find_twin, put_items, set_state
from cognition.lessons import Standing
from cognition.recall import Ranked, Recalled, Rule
from cognition.records import Item
from cognition.schema import item_vectors, item_versions, items
from cognition.similar import meaning
from cognition.uplift import Uplift, uplifts
from cognition.view import newest_sequence

if TYPE_CHECKING:
    from cognition.vectors import Spaces, Vector

#: So many times k are looked at, so that diversity has a choice.
POOL = 4
#: Of each ranking so many times that are fused: what is second to both may stand far down in either.
DEPTH = 2


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was found; a higher score is a better match, comparable within one search only."""

    item: Item
    score: float


@dataclass(frozen=True, slots=True)
class Kept:
    """An item with what the base knows about it."""

    item: Item
    version: int
    state: State
    reason: str  # why it is not active
    updated_at: str
    standing: Standing
    uplift: Uplift | None


class Unembedded(NamedTuple):
    """An item that has no vector, and what is to be embedded of it."""

    id: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of items that were brought: new, changed, or the same as one that is there (id -> its id)."""

    new: tuple[str, ...]
    twins: Mapping[str, str]


class HasDatabase(Protocol):
    """What an item store needs of an archive."""

    @property
    def database(self) -> Database:
        """The opened database."""


class ItemStore:
    """The cognition base of an archive. Thread-safe; several processes may write."""

    def __init__(self, archive: HasDatabase) -> None:
        """Over the same database as the archive."""
        self.database = archive.database
        self._spaces: Spaces | None = None

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

    def add_unless_known(self, new: Iterable[Item], *, state: State = "active", reason: str = "") -> Added:
        """Add or replace items, but not those that say what another item says already. `state`: of new ones."""
        added, twins = list[str](), dict[str, str]()
        with self.database.write() as tx:
            for item in new:
                is_known = bool(_known_ids(tx, [item.id]))
                twin = None if is_known else find_twin(tx, item, quarantined=state != "active")
                if twin is not None:
                    twins[item.id] = twin
                elif put_items(tx, [item]):
                    added.append(item.id)
                    if not is_known and state != "active":
                        set_state(tx, item.id, state, reason)
        return Added(tuple(added), twins)

    def search(self, domain: str, query: str, k: int = 5) -> list[Hit]:
        """The k items of a domain whose words match best (App. A: top-k 5). Any text is a valid query."""
        with self.database.read() as tx:
            return [Hit(row.content, row.score) for row in search.find(tx, domain, query, k)]

    def recall(
        self, domain: str, query: str, k: int = 5, vector: Vector | None = None, rule: Rule | None = None
    ) -> list[Recalled]:
        """The k items worth showing, best first: text and vectors fused, near-repetitions left out, uplift counted.

        Raises VectorMismatch for a vector that does not belong to the items' own.
        """
        rule, pool = rule or Rule(), max(20, POOL * k)
        if vector is not None and self.database.is_postgres:
            from cognition import pgvector  # numpy: only where there are vectors

            pgvector.catch_up(self.database, domain, vector.model)
        depth = pool if vector is None else DEPTH * pool
        with self.database.read() as tx:
            by_text = [Ranked(row, score) for row, score in search.rank(tx, domain, query, depth)]
            texts = recall.above_share(by_text, rule.least_share)
            near = [] if vector is None else self._near(tx, domain, vector, depth, rule.least_cosine)
            scores = recall.fused((texts, 1.0), (near, rule.vector_weight))
            best = sorted(scores, key=lambda row: -scores[row])[:pool]
            contents = search.read(tx, best)
            found = {contents[row][1].id: contents[row][::-1] for row in best}
            known = {id: uplift.shrunk for id, uplift in uplifts(tx, list(found)).items()}
        by_id = {contents[row][1].id: scores[row] for row in best}
        return recall.chosen(found, by_id, known, k, rule)

    def all(self, domain: str) -> tuple[Item, ...]:
        """Every active item of a domain, oldest first."""
        query = select(items.c.content).where(items.c.domain == domain, items.c.state == "active")
        with self.database.read() as tx:
            return tuple(tx.execute(query.order_by(items.c.row)).scalars())

    def blocks(self, domain: str) -> tuple[Item, ...]:
        """The active items of a domain that carry a code block, oldest first."""
        query = select(items.c.content).where(
            items.c.domain == domain, items.c.has_block.is_(True), items.c.state == "active"
        )
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

    def at_versions(self, wanted: Sequence[tuple[str, int]]) -> tuple[Item, ...]:
        """Items as they were at these versions, in this order. Raises ArchiveError."""
        with self.database.read() as tx:
            return tuple(_at_version(tx, id, version) for id, version in wanted)

    def find_many(self, ids: Sequence[str]) -> tuple[Item, ...]:
        """Those of these items that are there, in no order: for reports, which may name one that never was."""
        found: list[Item] = []
        with self.database.read() as tx:
            for start in range(0, len(ids), 500):  # SQLite limits the parameters of a statement
                found += tx.execute(select(items.c.content).where(items.c.id.in_(ids[start : start + 500]))).scalars()
        return tuple(found)

    def version(self, id: str) -> int:
        """How often an item was written. Raises ArchiveError."""
        return self.kept(id).version

    def kept(self, id: str) -> Kept:
        """One item with all that is known about it, active or not. Raises ArchiveError."""
        with self.database.read() as tx:
            row = tx.execute(select(items).where(items.c.id == id)).one_or_none()
            if row is None:
                raise ArchiveError(f"there is no cognition item {id}")
            return _kept(tx, row)

    def kept_all(self, domain: str | None = None, state: State | None = None) -> list[Kept]:
        """Every item with what is known about it, oldest first. For reports: it reads the whole base."""
        query = select(items).order_by(items.c.row)
        query = query if domain is None else query.where(items.c.domain == domain)
        query = query if state is None else query.where(items.c.state == state)
        with self.database.read() as tx:
            return [_kept(tx, row) for row in tx.execute(query).all()]

    def states(self) -> list[tuple[str, str, int]]:
        """Domain, state and how many items."""
        query = select(items.c.domain, items.c.state, func.count()).group_by(items.c.domain, items.c.state)
        with self.database.read() as tx:
            return [(row[0], row[1], row[2]) for row in tx.execute(query.order_by(items.c.domain, items.c.state))]

    def vector_spaces(self) -> list[tuple[str, str, int, int]]:
        """Domain, model, dimension and how many items."""
        columns = (item_vectors.c.domain, item_vectors.c.model, item_vectors.c.dimension)
        with self.database.read() as tx:
            rows = tx.execute(select(*columns, func.count()).group_by(*columns).order_by(*columns))
            return [(row[0], row[1], row[2], row[3]) for row in rows]

    def retire(self, ids: Iterable[str], reason: str) -> int:
        """Take items out of recall, e.g. by hand; they stay readable. Returns how many changed."""
        changed = 0
        with self.database.write() as tx:
            for id in ids:
                state = tx.execute(select(items.c.state).where(items.c.id == id)).scalar()
                if state == "active":
                    set_state(tx, id, "expired", reason)
                    changed += 1
        return changed

    def release(self, ids: Iterable[str]) -> int:
        """Take items out of quarantine, after a person has looked at them. Returns how many changed."""
        changed = 0
        with self.database.write() as tx:
            for id in ids:
                if tx.execute(select(items.c.state).where(items.c.id == id)).scalar() == "quarantined":
                    set_state(tx, id, "active")
                    changed += 1
        return changed

    def expire_idle(self, domain: str, idle: int = lessons.IDLE_CANDIDATES) -> list[str]:
        """Retire all lessons of a domain without new evidence for that many candidates; returns their ids."""
        with self.database.write() as tx:
            return lessons.expire_idle(tx, domain, newest_sequence(tx), 1_000_000, idle)

    def without_vector(self, domain: str, model: str, limit: int) -> list[Unembedded]:
        """Active items that have no vector of that model yet, oldest first."""
        has = select(item_vectors.c.id).where(item_vectors.c.row == items.c.row, item_vectors.c.model == model)
        query = select(items.c.version, items.c.content)
        query = query.where(items.c.domain == domain, items.c.state == "active", ~has.exists())
        with self.database.read() as tx:
            found = tx.execute(query.order_by(items.c.row).limit(limit)).all()
            return [Unembedded(row.content.id, row.version, embedded_text(row.content)) for row in found]

    def store_vectors(
        self, domain: str, vectors: Mapping[str, Vector], versions: Mapping[str, int] | None = None
    ) -> int:
        """Keep vectors by item id; returns how many. Raises VectorMismatch.

        `versions`: what was embedded. An item that has changed meanwhile gets no vector of its old words.
        """
        from cognition.vectors import store

        with self.database.write() as tx:
            return store(tx, domain, vectors, versions)

    def drop_vectors(self) -> int:
        """Forget all vectors; returns how many."""
        with self.database.write() as tx:
            return int(tx.execute(delete(item_vectors)).rowcount)

    def _near(self, tx: Connection, domain: str, vector: Vector, k: int, least: float) -> list[int]:
        """Row numbers, nearest first, of active items as they are now."""
        from cognition import pgvector, vectors

        near = pgvector.nearest(tx, domain, vector, k, least) if self.database.is_postgres else None
        if near is None:
            self._spaces = self._spaces or vectors.Spaces()
            near = self._spaces.nearest(tx, domain, vector, k, least)
        query = select(items.c.row, items.c.version).where(items.c.row.in_([row for row, _, _ in near]))
        current = {(row, version) for row, version in tx.execute(query.where(items.c.state == "active"))}
        return [row for row, version, _ in near if (row, version) in current]


def embedded_text(item: Item) -> str:
    """What is embedded: the symptoms first, as the query is made of symptoms."""
    return "\n".join(part for part in ("; ".join(item.triggers), meaning(item)) if part)


def _known_ids(tx: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), 500):  # SQLite limits the parameters of a statement
        found |= set(tx.execute(select(items.c.id).where(items.c.id.in_(ids[start : start + 500]))).scalars())
    return found


def _at_version(tx: Connection, id: str, version: int) -> Item:
    now: Item | None = tx.execute(select(items.c.content).where(items.c.id == id, items.c.version == version)).scalar()
    if now is None:
        older = item_versions
        now = tx.execute(select(older.c.content).where(older.c.item == id, older.c.version == version)).scalar()
    if now is None:
        raise ArchiveError(f"there is no cognition item {id} of version {version}")
    return now


def _kept(tx: Connection, row: Row[tuple[Any, ...]]) -> Kept:
    content: Item = row.content
    found = uplifts(tx, [content.id])
    has_evidence = content.kind == lessons.KIND
    return Kept(
        item=content,
        version=row.version,
        state=row.state,
        reason=row.reason,
        updated_at=row.updated_at,
        standing=lessons.standing(tx, content.id) if has_evidence else Standing(0, 0),
        uplift=found.get(content.id),
    )
