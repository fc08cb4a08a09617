"""Full-text search over the cognition items: SQLite's FTS5 or PostgreSQL's tsvector behind the same functions.

Both stem English and rank items by weighted fields. FTS5's BM25 weighs rare words more; `ts_rank` does not know how
rare a word is, so the order may differ between the two. Scores are comparable within one search only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Pool, select, text

from cognition.records import Item
from cognition.schema import from_json, items

#: Weights of triggers, insight, guidance, background.
WEIGHTS = (4.0, 2.0, 1.0, 0.5)
#: A query's further words are left out: analyses repeat themselves, and each word costs time.
MAX_WORDS = 200
#: Longer words are no words, and PostgreSQL refuses those beyond 2 kB.
MAX_WORD_CHARS = 100

#: Every item that has one of the words is ranked, so words that most items have cost most and tell least. Of a base
#: with more items than this, only so many are ranked: the query's rarest words are searched for.
MOST_RANKED = 500
#: Words that so few items have are counted first; a long query seldom has room for others.
FEW = 60

#: So few new items are no reason to merge the index.
LEAST_TIDIED = 32

_STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can did do does for from had has have if in into is it its more no not of on or
    so such than that the their then there these they this to was we were when which while will with would
    """.split()  # noqa: SIM905 - a list of quoted words is harder to read and to extend
)
# Ranked by row number alone, and only the best are looked up: reading all hits' rows costs more than ranking them.
_FTS5 = (
    f"SELECT rowid, -bm25(items_fts, {', '.join(map(str, WEIGHTS))}) AS score"
    " FROM items_fts WHERE items_fts MATCH ? ORDER BY score DESC, rowid"
)
#: The signs of plus keep SQLite from going through all items of the domain instead of these few.
_SHOWN = "SELECT row FROM items WHERE row IN ({rows}) AND +domain = ? AND (? OR +state = 'active')"
_READ = "SELECT row, version, content FROM items WHERE row IN ({rows})"
#: PostgreSQL names the weights D to A and wants none above 1.
_RANKS = ", ".join(str(weight / max(WEIGHTS)) for weight in reversed(WEIGHTS))
_TSVECTOR = text(
    f"SELECT items.row, ts_rank('{{{_RANKS}}}', items_fts.words, query) AS score"
    " FROM items_fts JOIN items ON items.row = items_fts.row, to_tsquery('english', :query) AS query"
    " WHERE items_fts.words @@ query AND items.domain = :domain AND (:every_state OR items.state = 'active')"
    " ORDER BY score DESC, items.row LIMIT :k"
)
#: Of many words PostgreSQL expects so many hits that it reads the whole table; they are MOST_RANKED at most. Until the
#: transaction ends, whose other statements look rows up by their keys.
_BY_INDEX = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)"
)
_INTO_FTS5 = text(
    "INSERT INTO items_fts (rowid, triggers, insight, guidance, background)"
    " VALUES (:row, :triggers, :insight, :guidance, :background)"
)
_INTO_TSVECTOR = text(
    "INSERT INTO items_fts (row, words) VALUES (:row,"
    " setweight(to_tsvector('english', :triggers), 'A') || setweight(to_tsvector('english', :insight), 'B') ||"
    " setweight(to_tsvector('english', :guidance), 'C') || setweight(to_tsvector('english', :background), 'D'))"
)


class Found(NamedTuple):
    """An item that has words of the query."""

    row: int
    version: int
    content: Item
    score: float


def find(tx: Connection, domain: str, query: str, k: int, *, every_state: bool = False) -> list[Found]:
    """The best k, the best first; active items. Any text is a valid query."""
    best = rank(tx, domain, query, k, every_state=every_state)
    contents = read(tx, [row for row, _ in best])
    return [Found(row, *contents[row], score) for row, score in best]


def rank(tx: Connection, domain: str, query: str, k: int, *, every_state: bool = False) -> list[tuple[int, float]]:
    """Row numbers and scores of what `find` finds: what nobody will look at need not be decoded."""
    wanted = useful_words(query)
    if not wanted or k < 1:
        return []
    wanted = _rarest(tx, wanted)
    if _is_sqlite(tx):
        return _rank_fts5(tx, domain, fts5_expression(wanted), k, every_state)
    tx.execute(_BY_INDEX)
    values = {"query": tsquery_expression(wanted), "domain": domain, "k": k, "every_state": every_state}
    return [(row, score) for row, score in tx.execute(_TSVECTOR, values)]


def read(tx: Connection, rows: Sequence[int]) -> dict[int, tuple[int, Item]]:
    """Versions and contents of a few items by their row numbers."""
    if not rows:
        return {}
    if not _is_sqlite(tx):
        query = select(items.c.row, items.c.version, items.c.content).where(items.c.row.in_(rows))
        return {row: (version, content) for row, version, content in tx.execute(query)}
    cursor = tx.connection.cursor()  # the driver's own, as in _counts_fts5
    cursor.execute(_READ.format(rows=_listed(rows)))
    found = {row: (version, from_json(Item, content)) for row, version, content in cursor.fetchall()}
    cursor.close()
    return found


def _listed(rows: Iterable[int]) -> str:
    return ",".join(str(int(row)) for row in rows)


def _rank_fts5(tx: Connection, domain: str, expression: str, k: int, every_state: bool) -> list[tuple[int, float]]:
    """From the best hit on, a few at a time, until k of them are of this domain and may be shown."""
    found: list[tuple[int, float]] = []
    ranking, reading = tx.connection.cursor(), tx.connection.cursor()
    ranking.execute(_FTS5, (expression,))
    batch = k
    while len(found) < k and (hits := ranking.fetchmany(batch)):
        reading.execute(_SHOWN.format(rows=_listed(row for row, _ in hits)), (domain, every_state))
        shown = {row for (row,) in reading.fetchall()}
        found += [(row, score) for row, score in hits if row in shown]
        batch = 500
    ranking.close()
    reading.close()
    return found[:k]


def add(tx: Connection, row: int, item: Item) -> None:
    """Index an item under its row number."""
    fields = {
        "triggers": "\n".join((*item.triggers, item.condition)),
        "insight": item.insight,
        "guidance": item.guidance,
        "background": item.background,
    }
    if _is_sqlite(tx):  # the driver refuses half surrogate pairs
        clean = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
        tx.execute(_INTO_FTS5, {"row": row, **clean})
        return
    # PostgreSQL's parser would keep numpy.linalg or a/b whole; words are cut here, as queries' are.
    tx.execute(_INTO_TSVECTOR, {"row": row, **{name: " ".join(words(value)) for name, value in fields.items()}})


def remove(tx: Connection, row: int) -> None:
    """Forget what is indexed under a row number."""
    column = "rowid" if _is_sqlite(tx) else "row"
    tx.execute(text(f"DELETE FROM items_fts WHERE {column} = :row"), {"row": row})


def tidy(tx: Connection, newest: int, added: int) -> None:
    """After items were added, of which the last has the row number `newest`: merge FTS5's index where it is time to.

    Each transaction leaves a piece of index, and each word of a query is looked up in every piece. Merging them all
    takes 0.1 s for 10,000 items. It is done each time when the base has grown by a few hundredths, and in between FTS5
    is told to merge small pieces by fours instead of by sixteens.
    """
    every = max(LEAST_TIDIED, 1 << max(0, newest.bit_length() - 6))
    if _is_sqlite(tx) and newest // every != (newest - added) // every:
        tx.execute(text("INSERT INTO items_fts(items_fts, rank) VALUES ('crisismerge', 4)"))
        tx.execute(text("INSERT INTO items_fts(items_fts) VALUES ('optimize')"))


def words(content: str) -> list[str]:
    """The words of a text, in lower case.

    >>> words('gaps at the "edges" of np.linalg')
    ['gaps', 'at', 'the', 'edges', 'of', 'np', 'linalg']
    """
    return [word.lower() for word in re.findall(r"[^\W_]+", content) if len(word) <= MAX_WORD_CHARS]


def useful_words(query: str) -> list[str]:
    """A query's words worth searching for, each once.

    >>> useful_words('gaps at the "edges" AND (corners, corners')
    ['gaps', 'edges', 'corners']
    """
    return [word for word in dict.fromkeys(words(query)) if len(word) > 1 and word not in _STOP_WORDS][:MAX_WORDS]


def fts5_expression(wanted: Sequence[str]) -> str:
    """Any of these words, as FTS5 wants it.

    >>> fts5_expression(["gaps", "edges"])
    '"gaps" OR "edges"'
    """
    return " OR ".join(f'"{word}"' for word in wanted)


def tsquery_expression(wanted: Sequence[str]) -> str:
    """Any of these words, as PostgreSQL's to_tsquery wants it.

    >>> tsquery_expression(["gaps", "edges"])
    "'gaps' | 'edges'"
    """
    return " | ".join(f"'{word}'" for word in wanted)


class _Frequencies:
    """How many items have a word, as of when the base had about its present size. Counting stops where it may."""

    def __init__(self, newest: int) -> None:
        self.newest = newest  # row number of the newest item
        self.few: dict[str, int] = {}  # at most FEW + 1
        self.counts: dict[str, int] = {}  # of words that more than FEW items have, at most MOST_RANKED + 1

    def count(self, tx: Connection, words: Sequence[str], known: dict[str, int], most: int) -> None:
        """Count those that are not known yet, each up to one more than `most`."""
        if new := [word for word in words if word not in known]:
            known.update(
                zip(new, (_counts_fts5 if _is_sqlite(tx) else _counts_tsvector)(tx, new, most + 1), strict=True)
            )


_FREQUENCIES: WeakKeyDictionary[Pool, _Frequencies] = WeakKeyDictionary()
_NEWEST = text("SELECT max(row) FROM items")
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM items_fts WHERE items_fts MATCH ? LIMIT ?)"
_COUNT_TSVECTOR = text(
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM items_fts"
    " WHERE words @@ to_tsquery('english', word) LIMIT :limit) AS hits)"
    " FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS each (word, place) ORDER BY place"
)
#: Counts are kept for so many words, and until the base has grown or shrunk by a tenth.
_MOST_COUNTED = 50_000


def _counts_fts5(tx: Connection, words: Sequence[str], limit: int) -> list[int]:
    cursor, found = tx.connection.cursor(), list[int]()
    for word in words:  # with the driver's own cursor: two hundred statements through SQLAlchemy take 20 ms
        cursor.execute(_COUNT, (fts5_expression([word]), limit))
        found.append(int(cursor.fetchall()[0][0]))
    cursor.close()
    return found


def _counts_tsvector(tx: Connection, words: Sequence[str], limit: int) -> list[int]:
    values = {"words": [tsquery_expression([word]) for word in words], "limit": limit}
    return [int(count) for count in tx.execute(_COUNT_TSVECTOR, values).scalars()]


def _rarest(tx: Connection, wanted: list[str]) -> list[str]:
    """The rarest of the words, as many as together rank at most MOST_RANKED items, one at least, in their order."""
    newest: int = tx.execute(_NEWEST).scalar() or 0
    if newest <= MOST_RANKED:
        return wanted
    known = _FREQUENCIES.get(tx.engine.pool)
    if known is None or abs(newest - known.newest) > known.newest / 10 or len(known.few) > _MOST_COUNTED:
        known = _FREQUENCIES[tx.engine.pool] = _Frequencies(newest)
    known.count(tx, wanted, known.few, FEW)
    counts = {word: known.few[word] for word in wanted if known.few[word] <= FEW}
    if sum(counts.values()) <= MOST_RANKED:  # there is room for words that more items have, which cost more to count
        common = [word for word in wanted if word not in counts]
        known.count(tx, common, known.counts, MOST_RANKED)
        counts |= {word: known.counts[word] for word in common}
    kept, ranked = set[str](), 0
    for word in sorted((word for word in wanted if word in counts), key=lambda word: counts[word]):
        ranked += counts[word]
        if kept and ranked > MOST_RANKED:
            break
        if counts[word]:
            kept.add(word)
    return [word for word in wanted if word in kept] or wanted[:1]


def _is_sqlite(tx: Connection) -> bool:
    return tx.dialect.name == "sqlite"
