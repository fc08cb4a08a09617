"""The text after each rule of a strategy: stock steps one by one here, the strategy's own rules in the sandbox.

A strategy made of blocks has a function for each slot, and `clean` calls them by name, so the adapter can watch them.
Any other strategy is one rule, and so is one whose shown texts do not lead to its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cognition.records import JSON, Failure, MachineFault
from curation import knowledge
from curation.cleaning import INSIDE, START_UP_CPU_S, Allowance, Cleaned, Fault, Source, read_entry, wall_s
from curation.strategy import StockStep
from tasks.sandbox.handle import Job, Limits, Sandbox

WHOLE = "the strategy"
RULES = tuple(slot.name for slot in knowledge.SLOTS if slot.name != "keep")
BATCH_CHARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What is left after a rule; None: it dropped the document."""

    rule: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Traced:
    """A document's way through a strategy."""

    original: str
    stages: tuple[Stage, ...]
    cleaned: Cleaned


def traced(
    code: str, steps: Sequence[StockStep], sources: Sequence[Source], sandbox: Sandbox, allowance: Allowance
) -> list[Traced]:
    """Every document's way. Raises MachineFault for our machine's faults only; the strategy's are in the result."""
    before = [_stock(steps, source) for source in sources]
    texts = [stages[-1].text if stages else source.text for stages, source in zip(before, sources, strict=True)]
    going = [at for at, text in enumerate(texts) if text]
    inner = [Source(texts[at] or "", sources[at].metadata) for at in going]
    after = dict(zip(going, _inside(code, inner, sandbox, allowance), strict=True))
    found = []
    for at, source in enumerate(sources):
        cleaned, stages = after.get(at, (None, ()))
        found.append(Traced(source.text, (*before[at], *stages), cleaned))
    return found


def _stock(steps: Sequence[StockStep], source: Source) -> tuple[Stage, ...]:
    if not steps:
        return ()
    from datatrove.data import Document

    from curation.pipeline import stock

    stages: list[Stage] = []
    text: str | None = source.text
    for step, made in zip(steps, stock(steps), strict=True):
        left = list(made([Document(text, "0", metadata=dict(source.metadata))], 0, 1))
        text = left[0].text if left else None
        stages.append(Stage(step.name, text))
        if not text:
            break
    return tuple(stages)


def _inside(
    code: str, sources: Sequence[Source], sandbox: Sandbox, allowance: Allowance
) -> list[tuple[Cleaned, tuple[Stage, ...]]]:
    if not sources:
        return []
    if len(sources) > 1 and sum(len(source.text) for source in sources) > BATCH_CHARS:
        return _halved(code, sources, sandbox, allowance)
    request: dict[str, JSON] = {
        "documents": [[source.text, source.metadata] for source in sources],
        "document_cpu_s": allowance.document_cpu_s,
        "rules": list(RULES),
    }
    size_kb = sum(len(source.text) for source in sources) * 4 // 1024
    limits = Limits(
        cpu_s=allowance.cpu_s + START_UP_CPU_S,
        wall_s=wall_s(allowance),
        memory_mb=allowance.memory_mb,
        answer_kb=512 + 3 * (len(RULES) + 1) * size_kb,
    )
    done = sandbox.run(Job(code, INSIDE, "adapter:trace", request, limits))
    if isinstance(done, Failure):
        if len(sources) == 1:
            return [(Fault(done.kind.value, done.reason), ())]
        return _halved(code, sources, sandbox, allowance)
    if not isinstance(done.answer, list) or len(done.answer) != len(sources):
        raise MachineFault("the adapter gave back another number of documents than it was sent")
    return [_read(entry, source) for entry, source in zip(done.answer, sources, strict=True)]


def _halved(
    code: str, sources: Sequence[Source], sandbox: Sandbox, allowance: Allowance
) -> list[tuple[Cleaned, tuple[Stage, ...]]]:
    middle = len(sources) // 2
    return [each for half in (sources[:middle], sources[middle:]) for each in _inside(code, half, sandbox, allowance)]


def _read(entry: JSON, source: Source) -> tuple[Cleaned, tuple[Stage, ...]]:
    """The result, and the stages that lead to it; one stage for all where they do not."""
    result, calls = entry
    cleaned = read_entry(result)
    if isinstance(cleaned, Fault):
        return cleaned, ()
    stages = [Stage(name, text) for name, text in calls if name in RULES and isinstance(text, str | None)]
    last = stages[-1].text if stages else source.text
    if stages and (last or None) == (cleaned or None):
        return cleaned, tuple(stages)
    return cleaned, (Stage(WHOLE, cleaned),)
