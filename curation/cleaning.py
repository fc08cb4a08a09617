"""Documents through a strategy in the sandbox, a batch per job. The answer is a claim; referee.py looks at it.

A document that raises, takes too long or gets no text back is a `Fault` of its own. A batch that ends as a whole (out
of memory, a loop that swallows the timer) is split until the document is found, if `isolate` asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cognition.records import JSON, Cost, Failure, FailureKind
from curation.strategy import StockStep, StrategyError, read_steps
from tasks.sandbox.handle import Finished, Job, Limits, Sandbox

INSIDE = Path(__file__).parent / "inside"
START_UP_CPU_S = 2.0
LARGEST_GROWTH = 3  # an answer may be so many times as large as its request, or it is refused unread


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a strategy may use."""

    document_cpu_s: float = 2.0
    cpu_s: float = 60.0  # for one batch
    memory_mb: int = 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A document as a strategy gets it."""

    text: str
    metadata: dict[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a document has no cleaned text: the strategy's doing, or the input's."""

    kind: str
    message: str


Cleaned = str | None | Fault


@dataclass(frozen=True, slots=True)
class Batch:
    """What came back for a batch, in its order."""

    cleaned: tuple[Cleaned, ...]
    cost: Cost = Cost()


def stock_steps(code: str, sandbox: Sandbox) -> tuple[StockStep, ...] | Failure:
    """The strategy's list of stock steps, read in the sandbox and checked here."""
    done = sandbox.run(Job(code, INSIDE, "adapter:steps", {}, Limits(cpu_s=10.0, memory_mb=512)))
    if isinstance(done, Failure):
        return done
    try:
        return read_steps(done.answer)
    except StrategyError as error:
        return Failure(FailureKind.INVALID, f"STEPS: {error}")


def clean_batch(code: str, sources: Sequence[Source], sandbox: Sandbox, allowance: Allowance) -> Batch | Failure:
    """All documents in one job, or why that job ended."""
    if not sources:
        return Batch(())
    request = {
        "documents": [[source.text, source.metadata] for source in sources],
        "document_cpu_s": allowance.document_cpu_s,
    }
    done = sandbox.run(Job(code, INSIDE, "adapter:clean", request, _limits(sources, allowance)))
    if isinstance(done, Failure):
        return done
    return _read(done, len(sources))


def isolate(code: str, sources: Sequence[Source], sandbox: Sandbox, allowance: Allowance) -> Batch:
    """As clean_batch, but a batch that fails is halved until the document at fault is alone; it becomes a Fault."""
    done = clean_batch(code, sources, sandbox, allowance)
    if isinstance(done, Batch):
        return done
    if len(sources) == 1:
        return Batch((Fault(done.kind.value, done.reason),))
    middle = len(sources) // 2
    halves = [isolate(code, half, sandbox, allowance) for half in (sources[:middle], sources[middle:])]
    return Batch(halves[0].cleaned + halves[1].cleaned, add(halves[0].cost, halves[1].cost))


def wall_s(allowance: Allowance) -> float:
    """The most that one batch may take on the clock: other work may run beside it."""
    return 4.0 * (allowance.cpu_s + START_UP_CPU_S) + 30.0


def add(one: Cost, other: Cost) -> Cost:
    """Both costs; the larger peak."""
    return Cost(
        one.cpu_s + other.cpu_s,
        one.wall_s + other.wall_s,
        one.gpu_s + other.gpu_s,
        max(one.peak_memory_mb, other.peak_memory_mb),
    )


def _limits(sources: Sequence[Source], allowance: Allowance) -> Limits:
    size_kb = sum(len(source.text) for source in sources) * 4 // 1024  # JSON writes what is not ASCII with six bytes
    return Limits(
        cpu_s=allowance.cpu_s + START_UP_CPU_S,
        wall_s=wall_s(allowance),
        memory_mb=allowance.memory_mb,
        answer_kb=256 + LARGEST_GROWTH * size_kb,
    )


def _read(done: Finished, expected: int) -> Batch | Failure:
    if not isinstance(done.answer, list) or len(done.answer) != expected:
        got = len(done.answer) if isinstance(done.answer, list) else type(done.answer).__name__
        reason = f"expected {expected} documents back, got {got}: documents are never merged, split or left out"
        return Failure(FailureKind.INVALID, reason)
    return Batch(tuple(read_entry(entry) for entry in done.answer), done.cost)


def read_entry(entry: JSON) -> Cleaned:
    """What the adapter gave back for one document."""
    if entry is None or isinstance(entry, str):
        return entry
    if isinstance(entry, dict) and isinstance(entry.get("error"), str):
        return Fault(entry["error"][:40], str(entry.get("message", ""))[:1000])
    return Fault("invalid", f"expected a text or nothing, got {str(entry)[:100]}")
