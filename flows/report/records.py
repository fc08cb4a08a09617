"""What a report says, as frozen records. Texts in them are as models and candidates wrote them: renderers escape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flows.alerts import Alert
from tasks.contract import Objective

#: The kind of a round that failed by our machine's fault, and of one that is not over.
MACHINE_FAULT, UNFINISHED = "machine_fault", "unfinished"
Group = Literal["scored", "candidate", "proposal", "machine", "unfinished"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What the scores measure. `best_known`: the best value anybody has found, None if there is no such thing."""

    metric: str
    best_known: float | None = None
    objectives: tuple[Objective, ...] = ()  # the axes of the Pareto front
    scalarisation: str = ""  # how the score is made of them


@dataclass(frozen=True, slots=True)
class Use:
    """What was used: model calls with their tokens and price, and time in the sandbox."""

    calls: int = 0
    unpriced_calls: int = 0  # of `calls`: the model's price is not known
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0  # of the calls whose price is known
    cpu_s: float | None = 0.0  # None: not recorded, because nothing was measured
    gpu_s: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def price_usd(self) -> float | None:
        """The price of all calls, None if it is not known for each of them."""
        return None if self.unpriced_calls else self.dollars


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One round: how it ended, and what it used."""

    index: int
    id: str
    candidate: str | None
    kind: str  # "scored", a FailureKind, "machine_fault" or "unfinished"
    group: Group
    reason: str
    fitness: float | None
    standard_error: float | None
    best_fitness: float | None  # of this and all rounds before it
    is_new_best: bool
    unranked: str  # why its score is in no ranking; "" if it is
    retest: str  # why it counts no longer, "" for most
    proposer: str
    ended_at: str | None  # ISO 8601, UTC
    use: Use

    @property
    def ranks(self) -> bool:
        """Whether its score, if it has one, may be compared with others'."""
        return not self.unranked


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A candidate that the best one was made from, or the best itself."""

    id: str
    round_index: int
    fitness: float | None
    standard_error: float | None
    proposer: str
    made_from: tuple[str, ...]  # the most important first
    is_main_line: bool  # reached through the first parent of each


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A scored candidate on the axes of the Pareto front; `values` in the order of the objectives."""

    id: str
    round_index: int
    values: tuple[float, ...]
    fitness: float
    unranked: str
    is_on_front: bool


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between two programs as a unified diff, cut to what a report can hold."""

    against: str  # a candidate's id
    diff: str
    lines_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Best:
    """The best candidate."""

    id: str
    round_index: int
    fitness: float
    standard_error: float | None
    evaluations: int
    gain: float | None  # over the baseline; None: the baseline has no score
    gain_standard_error: float | None
    proposer: str
    model: str | None
    sandbox_tier: str
    motivation: str
    analysis: str
    to_parent: Change | None
    to_baseline: Change | None


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was."""

    name: str
    group: Group
    count: int


@dataclass(frozen=True, slots=True)
class FaultRate:
    """One of the three kinds of failure at one step: how many rounds, of how many that came so far."""

    group: Group  # candidate, proposal or machine
    step: str
    count: int
    reached: int  # rounds that came to this step
    kinds: str  # e.g. "crash 3, check 1"

    @property
    def share(self) -> float:
        """Of the rounds that came to this step."""
        return self.count / self.reached


@dataclass(frozen=True, slots=True)
class Fault:
    """A round that failed by our machine's fault."""

    round_id: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoleUse:
    """What one role used, with the models that served it."""

    role: str
    models: tuple[str, ...]
    use: Use


@dataclass(frozen=True, slots=True)
class ItemUse:
    """How often a cognition item appeared with candidates that improved on all they were made from, and with others.

    Counts, no effect: items are retrieved by the parents' symptoms, and an easy parent brings its items along.
    """

    id: str
    insight: str
    with_improving: int
    with_others: int
    declared_by_improving: int  # the proposal named it as a source
    declared_by_others: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Where ideas came from, each from 0 to 1, together 1 (flows/report/provenance.py says how it is measured)."""

    cognition: float
    experience: float
    novel: float
    candidates: int  # that these are the shares of


@dataclass(frozen=True, slots=True)
class News:
    """What happened since a time; everything if there was no time before."""

    since: str | None  # ISO 8601, UTC
    rounds: int
    groups: tuple[Count, ...]
    best_before: float | None
    new_bests: tuple[RoundLine, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should look at. `urgent`: before believing or continuing anything."""

    kind: str
    sentence: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """One campaign in the morning."""

    campaign: str
    problem: str
    goal: Goal
    made_at: str  # ISO 8601, UTC
    ending: str  # why the last run is over, "" if not known
    rounds_asked: int
    rounds_recorded: int  # the baseline not counted
    best: Best | None
    baseline: RoundLine | None
    rounds: tuple[RoundLine, ...]
    lineage: tuple[Ancestor, ...]  # youngest first
    lineage_left_out: int
    outcomes: tuple[Count, ...]
    refused: tuple[Count, ...]  # proposals, by reason
    rates: tuple[FaultRate, ...]
    faults: tuple[Fault, ...]
    total: Use
    roles: tuple[RoleUse, ...]
    items: tuple[ItemUse, ...]
    improving: int  # candidates that improved on all they were made from
    others: int
    origins: Shares | None  # of all candidates after the baseline; None: there are none
    winning_origins: Shares | None  # of those that scored above the baseline
    news: News
    alerts: tuple[Alert, ...]  # that hold now
    notices: tuple[Notice, ...]
    front: tuple[FrontPoint, ...] = ()  # all scored candidates; none where the problem has one aim
