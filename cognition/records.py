"""The engine's nouns as frozen records: what is stored, what travels between steps, what a domain answers with.

They carry no behaviour beyond checking themselves, and they import nothing heavy, so a domain, a sampler and a
Prefect result can share them. Every record survives a round trip through JSON (tests/cognition/test_records.py).

The three kinds of failure (docs/architecture.md) are kept apart by type:

- `Failure` with a candidate's kind: the candidate is wrong. Recorded and learned from.
- `Failure` with a proposal's kind: there is nothing to run. Retried with the reason, then recorded.
- `MachineFault`, an exception: our machine is wrong. Raised, retried, and never turned into an outcome.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

#: Anything `json.dumps` accepts. Recursive aliases defeat pydantic's TypeAdapter, so the inside is left open.
JSON = Any

#: Seeds from here on are fresh: only promotion evaluates on them, never a round. So nothing that is evolved has been
#: chosen by them, and what they say never reaches a score, a prompt or a sampler.
FRESH_FROM = 2**31

#: The steps of a round, in order (§3 of the paper: learn, design, experiment, analyze).
STEPS = ("retrieve", "propose", "check", "train", "benchmark", "analyze", "record")


class MachineFault(Exception):
    """Our machine is wrong: no worker, no disk, no model server, a starved host. Never an outcome of a candidate."""

    #: False: trying the step again at once is of no use (something to install, or the retries are used up already).
    may_pass = True


class FailureKind(StrEnum):
    """Why a candidate or a proposal got no score."""

    SYNTAX = "syntax"  # does not parse, or is too large or too deeply nested to parse
    CHECK = "check"  # breaks one of the domain's static or dynamic checks
    CRASH = "crash"  # raised, exited, or was ended by a signal of its own making
    CPU_TIME = "cpu_time"  # used up its CPU time
    IDLE = "idle"  # used up its wall time while asleep by its own choice
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    OUTPUT = "output"  # printed more than it may
    INVALID = "invalid"  # answered, but not with what the contract asks for (size, shape, NaN, overlap)
    CHEATING = "cheating"
    UNUSABLE = "unusable"  # proposal: no code, truncated, an edit that does not apply
    DUPLICATE = "duplicate"  # proposal: already in the archive
    NOVELTY = "novelty"  # proposal: refused by the novelty check
    REVIEW = "review"  # proposal: refused by the reviewer

    @property
    def is_proposal(self) -> bool:
        """True if there was nothing to run."""
        return self in _PROPOSAL_KINDS


_PROPOSAL_KINDS = frozenset({FailureKind.UNUSABLE, FailureKind.DUPLICATE, FailureKind.NOVELTY, FailureKind.REVIEW})


@dataclass(frozen=True, slots=True)
class Failure:
    """A typed absence of a score, with the reason that the Researcher reads next time."""

    kind: FailureKind
    reason: str
    trace: str = ""  # the tail of stderr or of the traceback, bounded by whoever makes it


@dataclass(frozen=True, slots=True)
class Score:
    """A fitness, higher is better, with the standard error of its mean (None: not measurable, e.g. exact)."""

    fitness: float
    standard_error: float | None = None
    evaluations: int = 1
    #: Why the candidate is in no ranking and competes on the Pareto front only, e.g. a larger state; "" if it ranks.
    unranked: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.fitness):
            raise ValueError(f"a fitness is a finite number, not {self.fitness}: return a Failure instead")

    @property
    def ranks(self) -> bool:
        """Whether the fitness may be compared with others'."""
        return not self.unranked


Outcome = Score | Failure


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step used on our side. Money is counted by the model-call ledger."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    gpu_s: float = 0.0
    peak_memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something large, kept where `uri` says; `name` is its file name in MLflow."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class Measurements:
    """What trusted code measured on one candidate at one rung and seed."""

    metrics: dict[str, float]
    breakdown: dict[str, JSON] = field(default_factory=dict)
    logs: str = ""
    cost: Cost = Cost()
    artefacts: tuple[Artefact, ...] = ()

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            if not math.isfinite(value):
                raise ValueError(f"metric {name} is {value}: a measurement is finite, or it is a Failure")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One measurement of one candidate. Unique by candidate, rung, seed and contract version."""

    rung: str
    seed: int
    contract_version: str
    measurements: Measurements


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a program came from."""

    proposer: str  # "baseline", "openai", "recombine", "random"
    form: Literal["program", "diff", "blocks"] = "program"
    model: str | None = None
    sources: tuple[str, ...] = ()  # ids of the cognition items it declares
    genome: JSON = None  # recombine: which block sits in which slot, with which constants
    built_on: tuple[str, ...] | None = None  # candidates it was really made from; None: the sampled parents
    candidates: tuple[str, ...] = ()  # ids of earlier candidates whose results it declares to build on


@dataclass(frozen=True, slots=True)
class Candidate:
    """One program of the archive with everything known about it."""

    id: str
    seq: int  # order of insertion into the archive
    campaign: str
    round_index: int
    code: str
    code_hash: str
    motivation: str
    parents: tuple[str, ...]
    provenance: Provenance
    outcome: Outcome
    metrics: dict[str, float] = field(default_factory=dict)  # means over the evaluations
    features: dict[str, float] = field(default_factory=dict)
    analysis: str = ""
    sandbox_tier: str = ""
    created_at: str = ""  # ISO 8601, UTC

    @property
    def lineage(self) -> tuple[str, ...]:
        """The candidates this one was made from, the most important first."""
        return self.parents if self.provenance.built_on is None else self.provenance.built_on

    @property
    def fitness(self) -> float | None:
        """The fitness, or None if the candidate failed."""
        return self.outcome.fitness if isinstance(self.outcome, Score) else None


@dataclass(frozen=True, slots=True)
class Tunable:
    """A constant of a code block that may be varied: a range, or a list of choices."""

    name: str
    default: float | int | str | bool
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[float | int | str | bool, ...] = ()

    @property
    def is_integer(self) -> bool:
        """True if values are rounded to whole numbers."""
        return isinstance(self.default, int) and not isinstance(self.default, bool)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A function that fits one slot of a domain's program template."""

    slot: str
    name: str  # the function's name, unique within the domain
    source: str
    tunables: tuple[Tunable, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of knowledge of the cognition base. `triggers` are the symptoms that should recall it."""

    id: str
    domain: str
    insight: str
    triggers: tuple[str, ...] = ()
    background: str = ""
    guidance: str = ""
    source: str = ""
    kind: str = ""  # e.g. "geometric prior", "optimisation method", "engineering rule"
    provenance: Literal["paper", "data", "experience"] = "paper"
    block: CodeBlock | None = None
    evidence: tuple[str, ...] = ()  # candidate ids, for provenance "experience"
    condition: str = ""  # when the insight holds; a lesson's (cognition/lessons.py)
    quote: str = ""  # of an ingested item: the words of the source that it rests on
    verified: bool = True  # False: the source could not be looked up


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one experiment says about a claim: for it or against it. Lessons of the same claim become one item."""

    domain: str
    claim: str
    condition: str = ""
    supports: bool = True
    numbers: str = ""  # the measured evidence in words, e.g. "fitness 1.2 against the parent's 1.1"
    made_by: str = "rules"  # or the model's name
    key: str = ""  # the claim's identity, where a rule made it; else the words decide
    item: str | None = None  # the id of the item it speaks about, if that is known already


@dataclass(frozen=True, slots=True)
class Recall:
    """An item that a round found, and the draw that decided whether it was shown to the Researcher."""

    item: str
    version: int
    shown: bool
    leave_out: float  # the probability of leaving it out that the draw was made with

    def __post_init__(self) -> None:
        if not 0.0 <= self.leave_out < 1.0:
            raise ValueError(f"leave_out is a probability below one, not {self.leave_out}")


@dataclass(frozen=True, slots=True)
class Grid:
    """How a round's candidate enters the MAP-Elites islands, decided by the sampler that drew the round."""

    islands: int
    bins: int
    migration_every: int  # candidates of the campaign between two migrations
    migration_rate: float  # share of an island's elites that also go to the next island


@dataclass(frozen=True, slots=True)
class Sample:
    """What the sampler chose for a round: ids, and up to which candidate it had read."""

    parent: str | None  # None: nothing scored yet
    references: tuple[str, ...]
    sequence: int
    sampler: str
    island: int | None = None
    grid: Grid | None = None  # None: the candidate enters no island


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One answer of a model, kept so that it is never paid for twice. Prices are in US dollars."""

    round_id: str
    role: str
    attempt: int
    prompt_hash: str
    model: str
    prompt: str
    answer: str
    prompt_tokens: int
    completion_tokens: int
    price_usd: float | None  # None: the price of this model is not known
    latency_s: float


def round_id(campaign: str, index: int) -> str:
    """The deterministic name of a round.

    >>> round_id("packing", 7)
    'packing-0007'
    """
    return f"{campaign}-{index:04d}"
