"""The end of the pipeline: Datatrove's writers with the input's columns, and the step that closes a shard's books.

Values that JSON has no form for are written in one that can be read back: bytes as base64, other things as their text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.pipeline.writers.parquet import ParquetWriter

from curation.pipeline import CandidateStep
from curation.scale.ledger import Ledger

ROWS_AT_ONCE = 500


class Rows:
    """A document as an output row. `flat`: columns as they came; else text, id, and the others as one JSON text."""

    def __init__(self, text_key: str, id_key: str, flat: bool) -> None:
        self.text_key, self.id_key, self.flat = text_key, id_key, flat

    def __call__(self, writer: Any, document: Document) -> dict[str, Any]:
        """Datatrove's adapters get the writer as well."""
        row = {self.id_key: document.id, self.text_key: document.text}
        if self.flat:
            return {**document.metadata, **row}
        return {**row, "metadata": as_json(document.metadata).decode()}


def as_json(row: dict[str, Any], ending: int = 0) -> bytes:
    """A row as JSON, whatever its columns held. `ending`: orjson's option for a line's end."""
    return orjson.dumps(row, default=_told, option=orjson.OPT_NON_STR_KEYS | ending)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """The same values as JSON has them."""
    read: dict[str, Any] = orjson.loads(as_json(row))
    return read


def _told(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    return str(value)  # decimals, durations and whatever else a parquet column may hold


class _Lean:
    """Writes without statistics per document, which the ledger has; one output file per shard, so one name."""

    def run(self: Any, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """See PipelineStep."""
        name = self.output_filename.substitute(rank=f"{rank:05d}")
        with self:
            for document in data:
                self._write(self.adapter(document), self.output_mg.get_file(name), name)
                yield document


class LeanJsonl(_Lean, JsonlWriter):  # type: ignore[misc]  # datatrove has no types
    """Datatrove's writer of JSON lines."""

    def _write(self, document: dict[str, Any], file_handler: Any, _filename: str) -> None:
        file_handler.write(as_json(document, orjson.OPT_APPEND_NEWLINE))


class LeanParquet(_Lean, ParquetWriter):  # type: ignore[misc]
    """Datatrove's writer of parquet."""


def writer(folder: Path, form: str, text_key: str, id_key: str) -> PipelineStep:
    """A writer for one output file per shard. Parquet gets three columns: others may differ between documents."""
    rows = Rows(text_key, id_key, flat=form != "parquet")
    if form == "parquet":
        return LeanParquet(str(folder), adapter=rows, batch_size=ROWS_AT_ONCE, max_file_size=-1)
    return LeanJsonl(str(folder), compression="gzip" if form == "jsonl.gz" else None, adapter=rows)


class Account(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Counts what arrives, and closes the shard's books when nothing more does."""

    name = "account"
    type = "books"

    def __init__(self, ledger: Ledger, candidate: CandidateStep) -> None:
        super().__init__()
        self.ledger, self.candidate = ledger, candidate

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """See PipelineStep."""
        counts, candidate = self.ledger.counts, self.candidate
        for document in data or ():
            counts = self.ledger.counts
            counts.kept += 1
            counts.chars_in, counts.chars_out = candidate.chars_in, candidate.chars_out
            counts.dropped_by_strategy = candidate.dropped
            self.ledger.show_progress()
            yield document
        counts = self.ledger.counts
        counts.chars_in, counts.chars_out = candidate.chars_in, candidate.chars_out
        counts.dropped_by_strategy, counts.sandbox_cpu_s = candidate.dropped, candidate.cost.cpu_s
        counts.audited = candidate.audited
        read_well = counts.read - sum(counts.faults.values()) + candidate.faults
        counts.dropped_by_stock_steps = read_well - candidate.received
        self.ledger.finish()
