"""Embeddings of items: stored with model and dimension, searched by exact cosine in memory. Spaces are never mixed.

One space is one domain under one model. A process loads a space once and then only what is newer, so a search costs one
matrix product. Vectors come from outside (tasks/embedding.py); nothing here asks a server. PostgreSQL may search them
itself (cognition/pgvector.py). An approximate index is not built: at 100,000 items the exact product is fast enough
(docs/cognition.md).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from cognition.errors import ArchiveError
from cognition.schema import item_vectors, items

Floats = NDArray[np.float32]


class VectorMismatch(ArchiveError):
    """A vector that does not belong to the space: another dimension, a zero, or not finite."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One embedding; `of` makes it a unit vector."""

    model: str
    values_D: Floats  # D: dimension

    @staticmethod
    def of(model: str, values: object) -> Vector:
        """A unit vector. Raises VectorMismatch for what has no direction."""
        given_D = np.asarray(values, dtype=np.float32)
        length = float(np.linalg.norm(given_D)) if given_D.ndim == 1 and given_D.size else 0.0
        if not np.isfinite(length) or length == 0.0:
            raise VectorMismatch(f"{model} gave a vector without a direction (empty, zero or not finite)")
        return Vector(model, given_D / np.float32(length))

    @property
    def dimension(self) -> int:
        """How many numbers it has."""
        return int(self.values_D.size)


@dataclass(slots=True)
class Space:
    """The vectors of one domain under one model, in memory. Mutable: it grows with the base."""

    matrix_ND: Floats = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))  # N: room for items
    rows_N: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    versions_N: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    place: dict[int, int] = field(default_factory=dict)  # item's row -> index into the arrays
    newest: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, row: int, version: int, values_D: Floats) -> None:
        """Add a vector, or replace that of the same item."""
        if self.place and self.matrix_ND.shape[1] != values_D.size:  # all were dropped and made anew
            self.matrix_ND, self.place = np.empty((0, 0), dtype=np.float32), {}
            self.rows_N = self.versions_N = np.empty(0, dtype=np.int64)
        at = self.place.setdefault(row, len(self.place))
        if at >= len(self.rows_N):
            self._grow(values_D.size)
        self.matrix_ND[at], self.rows_N[at], self.versions_N[at] = values_D, row, version

    def nearest(self, query: Vector, k: int, least: float) -> list[tuple[int, int, float]]:
        """Row, version and cosine of the k nearest that are at least so near, nearest first."""
        count = len(self.place)
        if not count or k < 1:
            return []
        if self.matrix_ND.shape[1] != query.dimension:
            raise VectorMismatch(_mismatch(query.model, self.matrix_ND.shape[1], query.dimension))
        cosines_N = self.matrix_ND[:count] @ query.values_D
        best = np.argpartition(-cosines_N, min(k, count) - 1)[:k]
        order = sorted(best.tolist(), key=lambda at: (-float(cosines_N[at]), int(self.rows_N[at])))
        near = [at for at in order if cosines_N[at] >= least]
        return [(int(self.rows_N[at]), int(self.versions_N[at]), float(cosines_N[at])) for at in near]

    def _grow(self, dimension: int) -> None:
        room = max(64, 2 * len(self.rows_N))
        matrix_ND = np.zeros((room, dimension), dtype=np.float32)
        matrix_ND[: len(self.matrix_ND)] = self.matrix_ND if len(self.matrix_ND) else 0.0
        self.matrix_ND = matrix_ND
        self.rows_N = np.resize(self.rows_N, room) if len(self.rows_N) else np.zeros(room, dtype=np.int64)
        self.versions_N = np.resize(self.versions_N, room) if len(self.versions_N) else np.zeros(room, dtype=np.int64)


class Spaces:
    """All spaces that a process has loaded. Thread-safe."""

    def __init__(self) -> None:
        self._spaces: dict[tuple[str, str], Space] = {}
        self._lock = threading.Lock()

    def nearest(self, tx: Connection, domain: str, query: Vector, k: int, least: float) -> list[tuple[int, int, float]]:
        """See Space.nearest. Reads what is new first; what was removed since is for the caller to notice."""
        with self._lock:
            space = self._spaces.setdefault((domain, query.model), Space())
        with space.lock:
            _catch_up(tx, space, domain, query.model)
            return space.nearest(query, k, least)


def store(tx: Connection, domain: str, vectors: Mapping[str, Vector], versions: Mapping[str, int] | None = None) -> int:
    """Keep the vectors of items, by id; returns how many. Raises VectorMismatch.

    `versions`: of the items as they were embedded, None: as they are. Another version by now keeps the vector out.
    """
    found = tx.execute(select(items.c.id, items.c.row, items.c.version).where(items.c.id.in_(list(vectors)))).all()
    current = [row for row in found if versions is None or versions[row.id] == row.version]
    for row in current:
        vector = vectors[row.id]
        expect_dimension(tx, domain, vector)
        same = (item_vectors.c.row == row.row, item_vectors.c.model == vector.model)
        tx.execute(delete(item_vectors).where(*same))
        values = {"row": row.row, "domain": domain, "version": row.version, "model": vector.model}
        stored = vector.values_D.astype("<f4").tobytes()
        tx.execute(insert(item_vectors).values(**values, dimension=vector.dimension, vector=stored))
    return len(current)


def expect_dimension(tx: Connection, domain: str, vector: Vector) -> None:
    """Raises VectorMismatch for a vector that has another dimension than those of its space."""
    expected = dimension_of(tx, domain, vector.model)
    if expected is not None and expected != vector.dimension:
        raise VectorMismatch(_mismatch(vector.model, expected, vector.dimension))


def dimension_of(tx: Connection, domain: str, model: str) -> int | None:
    """The dimension of a space; None if it is empty."""
    query = select(item_vectors.c.dimension).where(item_vectors.c.domain == domain, item_vectors.c.model == model)
    return tx.execute(query.limit(1)).scalar()


def _catch_up(tx: Connection, space: Space, domain: str, model: str) -> None:
    query = select(item_vectors.c.id, item_vectors.c.row, item_vectors.c.version, item_vectors.c.vector)
    query = query.where(item_vectors.c.domain == domain, item_vectors.c.model == model)
    for row in tx.execute(query.where(item_vectors.c.id > space.newest).order_by(item_vectors.c.id)):
        space.put(row.row, row.version, np.frombuffer(row.vector, dtype="<f4"))
        space.newest = row.id


def _mismatch(model: str, expected: int, came: int) -> str:
    return (
        f"{model} gave a vector of {came} numbers where those stored under that name have {expected}: it "
        "is another model now. Name it differently, or drop the old vectors: `nightshift cognition prune --vectors`"
    )
