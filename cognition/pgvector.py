"""Vectors searched inside PostgreSQL, where the extension pgvector is installed in the archive's database.

An administrator installs it once (`CREATE EXTENSION vector`); nothing here does. The table of vectors stays the truth
(cognition/schema.py). Beside it stands a copy in the extension's own type, which whoever searches first brings up to
date: what a process otherwise does with its copy in memory (cognition/vectors.py), once for all processes and machines.
The search is exact, as it is in memory; an approximate index is not built. Without the extension nothing here is used.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, text

from cognition.database import Database
from cognition.vectors import Floats, Vector, expect_dimension

#: What pgvector's type takes.
MAX_DIMENSION = 16_000
#: So many are copied in one transaction, because it keeps all other writers waiting.
BATCH = 2_000

#: By the type, because an extension outside the search path is of no use.
_HAS_TYPE = text("SELECT to_regtype('vector') IS NOT NULL")
#: By the column, because a dropped extension takes it along and leaves the table.
_HAS_TABLE = text(
    "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('item_vectors_near')"
    " AND attname = 'embedding' AND NOT attisdropped)"
)
_MAKE = (
    "DROP TABLE IF EXISTS item_vectors_near",
    'CREATE TABLE item_vectors_near (id integer PRIMARY KEY REFERENCES item_vectors ON DELETE CASCADE, "row" integer'
    " NOT NULL, version integer NOT NULL, domain text NOT NULL, model text NOT NULL, embedding vector NOT NULL)",
    "CREATE INDEX item_vectors_near_by_space ON item_vectors_near (domain, model, id)",
)
_NEWEST = text(
    "SELECT (SELECT max(id) FROM item_vectors WHERE domain = :domain AND model = :model),"
    " (SELECT max(id) FROM item_vectors_near WHERE domain = :domain AND model = :model)"
)
_NEWER = text(
    'SELECT id, "row", version, vector FROM item_vectors WHERE domain = :domain AND model = :model'
    f" AND dimension <= {MAX_DIMENSION} AND id > coalesce("
    "(SELECT max(id) FROM item_vectors_near WHERE domain = :domain AND model = :model), 0) ORDER BY id LIMIT :batch"
)
_COPY = text(
    'INSERT INTO item_vectors_near (id, "row", version, domain, model, embedding)'
    " VALUES (:id, :row, :version, :domain, :model, CAST(:embedding AS vector))"
)
#: Of vectors of length one the negative inner product is the negative cosine.
_NEAREST = text(
    'SELECT "row", version, embedding <#> CAST(:query AS vector) AS distance FROM item_vectors_near'
    ' WHERE domain = :domain AND model = :model ORDER BY distance, "row" LIMIT :k'
)


def catch_up(database: Database, domain: str, model: str) -> None:
    """Copy what is newer than the copy, where there is pgvector. Ids grow in the order of commits, as writers queue."""
    with database.read() as tx:
        if _is_current(tx, domain, model) is not False:
            return
    copied = True
    while copied:
        with database.write() as tx:
            if not _has_table(tx):
                for statement in _MAKE:
                    tx.execute(text(statement))
            copied = _copy_some(tx, domain, model) > 0


def nearest(tx: Connection, domain: str, query: Vector, k: int, least: float) -> list[tuple[int, int, float]] | None:
    """See cognition.vectors.Space.nearest; None where memory has to be searched. Raises VectorMismatch."""
    if query.dimension > MAX_DIMENSION or not _is_current(tx, domain, query.model):
        return None
    expect_dimension(tx, domain, query)
    values = {"query": _literal(query.values_D), "domain": domain, "model": query.model, "k": max(0, k)}
    found = [(int(row), int(version), -float(distance)) for row, version, distance in tx.execute(_NEAREST, values)]
    return [(row, version, cosine) for row, version, cosine in found if cosine >= least]


def _is_current(tx: Connection, domain: str, model: str) -> bool | None:
    """Whether all of a space is copied; None: there is no pgvector."""
    if not tx.execute(_HAS_TYPE).scalar_one():
        return None
    if not _has_table(tx):
        return False
    newest, copied = tx.execute(_NEWEST, {"domain": domain, "model": model}).one()
    return bool(newest == copied)


def _has_table(tx: Connection) -> bool:
    return bool(tx.execute(_HAS_TABLE).scalar_one())


def _copy_some(tx: Connection, domain: str, model: str) -> int:
    space = {"domain": domain, "model": model}
    rows = tx.execute(_NEWER, {**space, "batch": BATCH}).all()
    values = [
        {"id": id, "row": row, "version": version, **space, "embedding": _literal(np.frombuffer(vector, dtype="<f4"))}
        for id, row, version, vector in rows
    ]
    if values:
        tx.execute(_COPY, values)
    return len(values)


def _literal(values_D: Floats) -> str:
    """A vector as pgvector reads it; nine digits give every float32 back."""
    return f"[{','.join(map('%.9g'.__mod__, values_D.tolist()))}]"
