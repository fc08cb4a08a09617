"""A strategy as a Datatrove pipeline: reader -> stock steps -> the candidate's step -> writer.

The candidate's step sends documents to the sandbox in batches (cleaning.py); its own process never runs candidate
code. Only this module, readers.py and executors.py import Datatrove; import them late.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger as datatrove_logger

from cognition.records import Cost, Failure, FailureKind, MachineFault
from curation import referee
from curation.cleaning import Allowance, Cleaned, Fault, Source, add, clean_batch, isolate
from curation.strategy import STOCK, StockStep
from tasks.sandbox.handle import Sandbox

OpenSandbox = Callable[[], AbstractContextManager[Sandbox]]
OnFault = Callable[[str, Fault], None]
#: Longest text that the audit looks at, and how far a cleaned text may be longer than its original.
AUDITED_CHARS, GROWTH, GROWTH_CHARS = 200_000, 1.5, 200
LONGEST_FIELD = 500  # characters of a metadata field that a strategy is shown


class StrategyFailed(Exception):
    """A whole batch failed and the step was not told to look for the document at fault."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class BatchSize:
    """A job of the sandbox costs 0.04 CPU seconds, and the strategy compiles its patterns anew: batches are large."""

    documents: int = 4000
    chars: int = 8_000_000


@dataclass(frozen=True, slots=True)
class Audit:
    """Of every so many batches, the first among them, a sample is judged by the referee and cleaned in another order.

    `on_finding` hears of each document that was reordered, invented, merged, or that comes out otherwise.
    """

    on_finding: OnFault
    every: int = 10
    documents: int = 40


class CandidateStep(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Calls the candidate on every document. What it drops goes no further; faults are handed to `on_fault`.

    `on_fault` None: a document's fault stays a text-less document with the fault in its metadata under `fault`, and a
    batch that fails as a whole raises StrategyFailed. That is how strategies are judged.
    """

    name = "candidate"
    type = "cleaner"

    def __init__(
        self,
        code: str,
        open_sandbox: OpenSandbox,
        allowance: Allowance,
        batch: BatchSize,
        on_fault: OnFault | None = None,
        audit: Audit | None = None,
    ) -> None:
        super().__init__()
        self.code, self.open_sandbox, self.allowance, self.batch = code, open_sandbox, allowance, batch
        self.on_fault, self.audit = on_fault, audit
        self.audited = self._batches = 0
        self.received = self.dropped = self.faults = self.chars_in = self.chars_out = 0
        self.cost = Cost()

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """See PipelineStep."""
        with self.open_sandbox() as sandbox:
            for documents in batches(data or (), self.batch):
                with self.track_time("batch"):
                    yield_these = list(self._cleaned(documents, sandbox))
                yield from yield_these

    def _cleaned(self, documents: Sequence[Document], sandbox: Sandbox) -> Iterator[Document]:
        sources = [Source(document.text, shown(document.metadata)) for document in documents]
        if self.on_fault is not None:
            done = isolate(self.code, sources, sandbox, self.allowance)
        else:
            tried = clean_batch(self.code, sources, sandbox, self.allowance)
            if isinstance(tried, Failure):
                raise StrategyFailed(tried)
            done = tried
        self.cost = add(self.cost, done.cost)
        if self.audit is not None and self._batches % self.audit.every == 0:
            self._look(self.audit, documents, sources, done.cleaned, sandbox)
        self._batches += 1
        for document, text in zip(documents, done.cleaned, strict=True):
            self.received += 1
            self.chars_in += len(document.text)
            yield from self._passed_on(document, text)

    def _look(
        self,
        audit: Audit,
        documents: Sequence[Document],
        sources: Sequence[Source],
        cleaned: Sequence[Cleaned],
        sandbox: Sandbox,
    ) -> None:
        rng = Random(self._batches)
        fit = [
            at
            for at, text in enumerate(cleaned)
            if isinstance(text, str) and len(sources[at].text) < AUDITED_CHARS and not _is_grown(sources[at].text, text)
        ]
        chosen = rng.sample(fit, min(audit.documents, len(fit)))
        again = isolate(self.code, [sources[at] for at in chosen], sandbox, self.allowance)
        self.cost = add(self.cost, again.cost)
        self.audited += len(chosen)
        for at, text in zip(chosen, again.cleaned, strict=True):
            once = cleaned[at]
            if text != once:
                message = "it comes out otherwise in another order: the strategy keeps state, or draws lots"
                audit.on_finding(documents[at].id, Fault("keeps state", message))
            elif isinstance(once, str) and (name := referee.offence(sources[at].text, once)):
                audit.on_finding(documents[at].id, Fault(name, "cleaning removes and repairs, and does nothing else"))

    def _passed_on(self, document: Document, text: str | Fault | None) -> Iterator[Document]:
        if self.on_fault and isinstance(text, str) and _is_grown(document.text, text):
            text = Fault("grows documents", f"{len(document.text)} characters became {len(text)}")
        if isinstance(text, Fault):
            self.faults += 1
            if self.on_fault is None:
                document.metadata["fault"] = text
                yield document
            else:
                self.on_fault(document.id, text)
        elif not text:
            self.dropped += 1
        else:
            self.chars_out += len(text)
            document.text = text
            yield document


def _is_grown(original: str, text: str) -> bool:
    return len(text) > GROWTH * len(original) + GROWTH_CHARS


def stock(steps: Sequence[StockStep]) -> list[PipelineStep]:
    """Datatrove's own steps, with their thresholds. Raises MachineFault if a package is missing."""
    made = []
    for step in steps:
        entry = STOCK[step.name]
        if entry.extra and importlib.util.find_spec(entry.extra) is None:
            raise MachineFault(f"{step.name} needs {entry.extra}: pip install 'nightshift[curation]'")
        made.append(getattr(importlib.import_module(entry.module), step.name)(**dict(step.thresholds)))
    return made


def run_in_memory(
    code: str,
    steps: Sequence[StockStep],
    sources: Sequence[Source],
    sandbox: Sandbox,
    allowance: Allowance,
    batch: BatchSize,
) -> tuple[list[str | Fault | None], Cost] | Failure:
    """The same pipeline over documents in memory, in order. None: dropped, by whichever step."""
    datatrove_logger.disable("datatrove")
    candidate = CandidateStep(code, lambda: _Lent(sandbox), allowance, batch)
    data: Any = (Document(source.text, str(at), metadata=dict(source.metadata)) for at, source in enumerate(sources))
    for step in (*stock(steps), candidate):
        data = step(data, 0, 1)
    cleaned: list[str | Fault | None] = [None] * len(sources)
    try:
        for document in data:
            cleaned[int(document.id)] = document.metadata.get("fault", document.text)
    except StrategyFailed as failed:
        return failed.failure
    except (ValueError, ZeroDivisionError, RecursionError) as error:  # a stock step on a text it cannot bear
        return Failure(FailureKind.INVALID, f"a stock step failed: {type(error).__name__}: {error}")
    return cleaned, candidate.cost


def shown(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a strategy sees of a document's metadata: plain values, none of them long."""
    plain: dict[str, Any] = {}
    for key, value in metadata.items():
        if isinstance(value, bool | int) or value is None or (isinstance(value, float) and math.isfinite(value)):
            plain[str(key)] = value
        elif isinstance(value, str):
            plain[str(key)] = value[:LONGEST_FIELD]
    return plain


def batches(data: Iterable[Document], most: BatchSize) -> Iterator[list[Document]]:
    """Documents in bounded groups, in order."""
    group: list[Document] = []
    chars = 0
    for document in data:
        if group and (len(group) >= most.documents or chars + len(document.text) > most.chars):
            yield group
            group, chars = [], 0
        group.append(document)
        chars += len(document.text)
    if group:
        yield group


class _Lent:
    """A sandbox that somebody else closes."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __enter__(self) -> Sandbox:
        return self._sandbox

    def __exit__(self, *_: object) -> None:
        """Not ours to close."""
