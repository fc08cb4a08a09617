"""Full-text search over the cognition items: SQLite's FTS5 or PostgreSQL's tsvector behind the same three functions.

Both stem English and rank items by weighted fields. FTS5's BM25 weighs rare words more; `ts_rank` does not know how
rare a word is, so the order may differ between the two. Scores are comparable within one search only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Pool, TextClause, text

from cognition.records import Item
from cognition.schema import items

#: Weights of triggers, insight, guidance, background.
WEIGHTS = (4.0, 2.0, 1.0, 0.5)
#: A query's further words are left out: analyses repeat themselves, and each word costs time.
MAX_WORDS = 200
#: Longer words are no words, and PostgreSQL refuses those beyond 2 kB.
MAX_WORD_CHARS = 100

#: FTS5 ranks every item that has one of the words, so words that most items have cost most and tell least. Of a base
#: with more items than this, only so many are ranked: the query's rarest words are searched for.
MOST_RANKED = 500

_STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can did do does for from had has have if in into is it its more no not of on or
    so such than that the their then there these they this to was we were when which while will with would
    """.split()  # noqa: SIM905 - a list of quoted words is harder to read and to extend
)
_COLUMNS = (items.c.row, items.c.version, items.c.content)
# Ranked by row number first: sorting whole contents would cost more than the search.
_FTS5 = text(
    "SELECT items.row, items.version, items.content, hits.score FROM"
    f" (SELECT items_fts.rowid AS row, -bm25(items_fts, {', '.join(map(str, WEIGHTS))}) AS score"
    "  FROM items_fts JOIN items ON items.row = items_fts.rowid WHERE items_fts MATCH :query"
    "  AND items.domain = :domain AND (:every_state OR items.state = 'active')"
    "  ORDER BY score DESC, items_fts.rowid LIMIT :k) AS hits"
    " JOIN items ON items.row = hits.row ORDER BY hits.score DESC, items.row"
).columns(*_COLUMNS)
#: PostgreSQL names the weights D to A and wants none above 1.
_RANKS = ", ".join(str(weight / max(WEIGHTS)) for weight in reversed(WEIGHTS))
_TSVECTOR = text(
    f"SELECT items.row, items.version, items.content, ts_rank('{{{_RANKS}}}', items_fts.words, query) AS score"
    " FROM items_fts JOIN items ON items.row = items_fts.row, to_tsquery('english', :query) AS query"
    " WHERE items_fts.words @@ query AND items.domain = :domain AND (:every_state OR items.state = 'active')"
    " ORDER BY score DESC, items.row LIMIT :k"
).columns(*_COLUMNS)
_INTO_FTS5 = text(
    "INSERT INTO items_fts (rowid, triggers, insight, guidance, background)"
    " VALUES (:row, :triggers, :insight, :guidance, :background)"
)
_INTO_TSVECTOR = text(
    "INSERT INTO items_fts (row, words) VALUES (:row,"
    " setweight(to_tsvector('english', :triggers), 'A') || setweight(to_tsvector('english', :insight), 'B') ||"
    " setweight(to_tsvector('english', :guidance), 'C') || setweight(to_tsvector('english', :background), 'D'))"
)


def find(tx: Connection, domain: str, query: str, k: int, *, every_state: bool = False) -> Sequence[Any]:
    """Rows of `row`, `version`, `content` and `score`, the best first; active items. Any text is a valid query."""
    wanted = useful_words(query)
    if not wanted or k < 1:
        return []
    is_fts5 = _is_sqlite(tx)
    wanted = _rarest(tx, wanted) if is_fts5 else wanted
    statement: TextClause | Any = _FTS5 if is_fts5 else _TSVECTOR
    expression = fts5_expression(wanted) if is_fts5 else tsquery_expression(wanted)
    return tx.execute(statement, {"query": expression, "domain": domain, "k": k, "every_state": every_state}).all()


def add(tx: Connection, row: int, item: Item) -> None:
    """Index an item under its row number."""
    fields = {
        "triggers": "\n".join((*item.triggers, item.condition)),
        "insight": item.insight,
        "guidance": item.guidance,
        "background": item.background,
    }
    if _is_sqlite(tx):
        tx.execute(_INTO_FTS5, {"row": row, **fields})
        return
    # PostgreSQL's parser would keep numpy.linalg or a/b whole; words are cut here, as queries' are.
    tx.execute(_INTO_TSVECTOR, {"row": row, **{name: " ".join(words(value)) for name, value in fields.items()}})


def remove(tx: Connection, row: int) -> None:
    """Forget what is indexed under a row number."""
    column = "rowid" if _is_sqlite(tx) else "row"
    tx.execute(text(f"DELETE FROM items_fts WHERE {column} = :row"), {"row": row})


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
    """How many items have a word, at most MOST_RANKED, as of when the base had about its present size."""

    def __init__(self, newest: int) -> None:
        self.newest = newest  # row number of the newest item
        self.counts: dict[str, int] = {}


_FREQUENCIES: WeakKeyDictionary[Pool, _Frequencies] = WeakKeyDictionary()
_NEWEST = text("SELECT max(row) FROM items")
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM items_fts WHERE items_fts MATCH ? LIMIT ?)"
#: Counts are kept for so many words, and until the base has grown or shrunk by a tenth.
_MOST_COUNTED = 50_000


def _rarest(tx: Connection, wanted: list[str]) -> list[str]:
    """The rarest of the words, as many as together rank at most MOST_RANKED items, one at least, in their order."""
    newest: int = tx.execute(_NEWEST).scalar() or 0
    if newest <= MOST_RANKED:
        return wanted
    known = _FREQUENCIES.get(tx.engine.pool)
    if known is None or abs(newest - known.newest) > known.newest / 10 or len(known.counts) > _MOST_COUNTED:
        known = _FREQUENCIES[tx.engine.pool] = _Frequencies(newest)
    cursor = tx.connection.cursor()  # the driver's own: two hundred statements through SQLAlchemy take 20 ms
    for word in wanted:
        if word not in known.counts:
            cursor.execute(_COUNT, (fts5_expression([word]), MOST_RANKED + 1))
            known.counts[word] = int(cursor.fetchall()[0][0])
    cursor.close()
    kept, ranked = set[str](), 0
    for word in sorted(wanted, key=lambda word: known.counts[word]):
        ranked += known.counts[word]
        if kept and ranked > MOST_RANKED:
            break
        if known.counts[word]:
            kept.add(word)
    return [word for word in wanted if word in kept] or wanted[:1]


def _is_sqlite(tx: Connection) -> bool:
    return tx.dialect.name == "sqlite"
