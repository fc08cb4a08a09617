"""Alerts: when a campaign needs a person before the morning. Pure: a state, the facts of one round, a new state.

The work per round is bounded by the window, whatever the campaign's size. An alert is raised once and again only after
its condition had cleared. flows/alarm.py feeds this after each round and tells Prefect and the live view; a report
replays the recorded rounds through the same function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field

from tasks.settings import Frozen

Kind = Literal["stagnation", "machine_failures", "candidate_failures", "budget"]
Ending = Literal["scored", "candidate", "proposal", "machine"]
#: A share of fewer rounds than these says nothing.
FEWEST = 5


class AlertsSettings(Frozen):
    """When to call a person. Prefect events `nightshift.alert.KIND` are sent for what is raised here."""

    enabled: bool = True
    stagnation_rounds: int = Field(20, ge=1, description="Rounds without a new best")
    window: int = Field(20, ge=FEWEST, description="How many of the last rounds the shares of failures are taken over")
    machine_failure_share: float = Field(0.3, gt=0, le=1, description="Share of rounds failed by our own fault")
    candidate_failure_share: float = Field(
        0.6, gt=0, le=1, description="Share of rounds whose candidate failed or whose proposal was refused"
    )
    budget_share: float = Field(0.8, gt=0, le=1, description="Share of a limit (dollars, hours) that is used")
    notification_block: str | None = Field(
        None, description="A Prefect notification block as TYPE/NAME, e.g. slack-webhook/night; its automation is made"
    )


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that holds. `subject` tells two alerts of one kind apart, e.g. dollars and hours."""

    kind: Kind
    sentence: str
    value: float
    threshold: float
    subject: str = ""

    @property
    def key(self) -> str:
        """What is raised once."""
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of one limit is used."""

    unit: str
    used: float
    limit: float


@dataclass(frozen=True, slots=True)
class Facts:
    """One round that is over."""

    index: int
    ending: Ending
    fitness: float | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered between rounds."""

    best: float | None = None
    since_best: int = 0
    recent: tuple[Ending, ...] = ()  # of the last `window` rounds, the newest last
    raised: dict[str, Alert] = field(default_factory=dict)  # by key: what holds now

    @property
    def holding(self) -> tuple[Alert, ...]:
        """The alerts that hold now."""
        return tuple(self.raised.values())


def after_round(settings: AlertsSettings, state: State, facts: Facts) -> tuple[State, tuple[Alert, ...]]:
    """The new state, and the alerts whose condition has come to hold with this round."""
    state = _noted(settings, state, facts)
    holding = {alert.key: alert for alert in _conditions(settings, state, facts.budgets)}
    fresh = tuple(alert for key, alert in holding.items() if key not in state.raised)
    return replace(state, raised=holding), fresh


def replay(settings: AlertsSettings, rounds: Iterable[Facts]) -> State:
    """The state after rounds that were recorded earlier."""
    state = State()
    for facts in rounds:
        state, _ = after_round(settings, state, facts)
    return state


def _noted(settings: AlertsSettings, state: State, facts: Facts) -> State:
    recent = (*state.recent, facts.ending)[-settings.window :]
    if facts.fitness is not None and (state.best is None or facts.fitness > state.best):
        return replace(state, best=facts.fitness, since_best=0, recent=recent)
    waited = state.since_best + (facts.ending != "machine")  # a round that our machine lost was no attempt
    return replace(state, since_best=waited, recent=recent)


def _conditions(settings: AlertsSettings, state: State, budgets: tuple[Budget, ...]) -> Iterable[Alert]:
    if state.since_best >= settings.stagnation_rounds:
        sentence = f"no new best for {state.since_best} rounds"
        yield Alert("stagnation", sentence, state.since_best, settings.stagnation_rounds)
    yield from _failures(
        state, "machine_failures", ("machine",), settings.machine_failure_share, "failed by our machine's fault"
    )
    yield from _failures(
        state, "candidate_failures", ("candidate", "proposal"), settings.candidate_failure_share, "gave no score"
    )
    for budget in budgets:
        share = budget.used / budget.limit
        if share >= settings.budget_share:
            sentence = f"{share:.0%} of the budget of {budget.limit:g} {budget.unit} is used"
            yield Alert("budget", sentence, share, settings.budget_share, budget.unit)


def _failures(state: State, kind: Kind, endings: tuple[Ending, ...], threshold: float, what: str) -> Iterable[Alert]:
    seen = len(state.recent)
    failed = sum(ending in endings for ending in state.recent)
    if seen >= FEWEST and failed / seen >= threshold:
        yield Alert(kind, f"{failed} of the last {seen} rounds {what}", failed / seen, threshold)
