"""Reads jsonl (plain, gzip, zstd) and parquet, one bounded document at a time, and records what cannot be read.

Datatrove's own readers skip a broken line with a warning, end a file at the first byte that is not UTF-8, and pass over
documents without text in silence; here each of these is a fault with the document's name. Memory stays flat: a line
longer than the limit is read away and not kept.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.readers.base import BaseDiskReader
from datatrove.utils.logging import logger as datatrove_logger

from curation.cleaning import Fault
from curation.scale.ledger import Ledger

datatrove_logger.disable("datatrove")  # its running commentary goes to stderr; the ledger says what happened
ROWS_AT_ONCE = 100
# A file that ends early, is not what its name says, or has columns that Python cannot hold.
TORN = (OSError, EOFError, zlib.error, pa.ArrowException, ValueError, OverflowError)


class RecordingReader(BaseDiskReader):  # type: ignore[misc]  # datatrove has no types
    """See the module. `longest_mb`: a larger document is a fault."""

    name = "recording reader"

    def __init__(
        self,
        data_folder: str,
        paths_file: str,
        ledger: Ledger,
        text_key: str = "text",
        id_key: str = "id",
        longest_mb: float = 16.0,
    ) -> None:
        super().__init__(data_folder, paths_file=paths_file, text_key=text_key, id_key=id_key, add_file_path=False)
        self.ledger, self.longest_bytes = ledger, int(longest_mb * 2**20)

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """See PipelineStep."""
        self.ledger.start(rank)
        yield from super().run(data, rank, world_size)

    def update_doc_stats(self, document: Document) -> None:
        """Nothing: the ledger counts, and Datatrove's statistics cost 0.05 ms per document."""

    def read_file(self, filepath: str) -> Iterator[Document]:
        """Every good document of a file; faults go to the ledger."""
        rows = self._parquet(filepath) if filepath.endswith(".parquet") else self._jsonl(filepath)
        try:
            for identity, row in rows:
                self.ledger.counts.read += 1
                document = row if isinstance(row, Fault) else self._document(identity, row)
                if isinstance(document, Fault):
                    self.ledger.fault(identity, document)
                else:
                    yield document
        except TORN as error:
            reason = f"{type(error).__name__}: {error}"[:500]
            self.ledger.fault(filepath, Fault("unreadable_file", reason), is_file=True)

    def _document(self, identity: str, row: dict[str, Any]) -> Document | Fault:
        if self.text_key not in row:
            return Fault("missing_column", f"there is no {self.text_key!r}; there are {', '.join(map(str, row))[:200]}")
        text = row.pop(self.text_key)
        if not isinstance(text, str):
            return Fault("no_text", f"{self.text_key} is {type(text).__name__}, not text")
        if not text.strip():
            return Fault("empty", "the text is empty")
        if len(text) > self.longest_bytes:
            return Fault("too_large", f"{len(text) / 2**20:.1f} MB of text")
        return Document(text, str(row.pop(self.id_key, identity)), metadata=row)

    def _jsonl(self, filepath: str) -> Iterator[tuple[str, dict[str, Any] | Fault]]:
        with ExitStack() as stack:
            file = _decompressed(stack, stack.enter_context(self.data_folder.open(filepath, "rb")), filepath)
            number = 0
            while line := file.readline(self.longest_bytes + 1):
                identity = f"{filepath}/{number}"
                number += 1
                if len(line) > self.longest_bytes and not line.endswith(b"\n"):
                    yield identity, Fault("too_large", f"a line of {_skip_line(file, len(line)) / 2**20:.1f} MB")
                elif line.strip():
                    yield identity, _parsed(line)

    def _parquet(self, filepath: str) -> Iterator[tuple[str, dict[str, Any] | Fault]]:
        with self.data_folder.open(filepath, "rb") as file, pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            if self.text_key not in names:
                reason = f"there is no column {self.text_key!r}; there are {', '.join(names)[:200]}"
                self.ledger.fault(filepath, Fault("missing_column", reason), is_file=True)
                return
            number = 0
            for batch in table.iter_batches(batch_size=ROWS_AT_ONCE):
                for row in _rows(batch, self.text_key):
                    yield f"{filepath}/{number}", row
                    number += 1


def _decompressed(stack: ExitStack, file: IO[bytes], name: str) -> IO[bytes]:
    if name.endswith(".gz"):
        return cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file)))
    if name.endswith((".zst", ".zstd")):
        stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
        return cast(IO[bytes], _Lines(stream))
    return file


class _Lines:
    """`readline` over an arrow stream, which has none."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._rest = stream, b""

    def readline(self, limit: int) -> bytes:
        """Up to a line's end, at most `limit` bytes."""
        while b"\n" not in self._rest and len(self._rest) < limit:
            chunk = self._stream.read(1 << 20)
            if not chunk:
                break
            self._rest += bytes(chunk)
        end = self._rest.find(b"\n") + 1 or len(self._rest)
        line, self._rest = self._rest[: min(end, limit)], self._rest[min(end, limit) :]
        return line


def _skip_line(file: IO[bytes], size: int) -> int:
    """Read the rest of a line away; its whole length in bytes."""
    while chunk := file.readline(1 << 20):
        size += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return size


def _parsed(line: bytes) -> dict[str, Any] | Fault:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as broken:
            return Fault("broken_utf8", str(broken)[-200:])
        return Fault("not_json", str(error)[:200])
    return row if isinstance(row, dict) else Fault("not_json", f"expected an object, got {type(row).__name__}")


def _rows(batch: pa.RecordBatch, text_key: str) -> Iterator[dict[str, Any] | Fault]:
    """Rows with their text decoded one by one: a single broken text must not take its neighbours with it."""
    at = batch.schema.names.index(text_key)
    column = batch.column(at)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    others = batch.drop_columns([text_key]).to_pylist() if batch.num_columns > 1 else [{}] * batch.num_rows
    for value, rest in zip(column, others, strict=True):
        content = value.as_py()
        if isinstance(content, bytes):
            try:
                content = content.decode("utf-8")
            except UnicodeDecodeError as broken:
                yield Fault("broken_utf8", str(broken)[-200:])
                continue
        yield {**rest, text_key: content}
