"""What each cell has spent and reached, from the archive: the points of its curves, and whether its budget is spent.

The baseline's round is the same for all arms and not counted. Rounds count in the order in which they ended. A failed
candidate's own CPU time is not recorded anywhere; the study's file says what it is charged with.
"""

from __future__ import annotations

from dataclasses import dataclass

from cognition.archive import Archive, RoundSummary
from cognition.records import FailureKind, round_id
from flows.study.cells import Cell
from flows.study.settings import BudgetSettings
from tasks.trust.curves import Step

#: These ended before the candidate ran in earnest.
_DID_NOT_RUN = frozenset({FailureKind.SYNTAX, FailureKind.CHECK}) | {kind for kind in FailureKind if kind.is_proposal}


@dataclass(frozen=True, slots=True)
class Point:
    """One round that is over, and what the cell had spent by then."""

    round_index: int
    cpu_s: float
    tokens: int
    rounds: int
    outcome: str  # "scored", or the kind of failure
    fitness: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """One cell's course."""

    arm: str
    seed: int
    campaign: str
    baseline: float | None  # None: not measured, so there is no curve
    points: tuple[Point, ...]
    spent: float  # in the budget's unit
    is_complete: bool  # the whole budget is spent

    def steps(self, unit: str) -> list[Step]:
        """The points over CPU-seconds, tokens or rounds."""
        return [Step(float(getattr(point, unit)), point.fitness) for point in self.points]


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a study: curves of all cells, and why those that are not complete are not."""

    curves: tuple[Curve, ...]
    unfinished: dict[str, str]  # reason by campaign
    remarks: tuple[str, ...] = ()  # of files that changed between cells


def curve(archive: Archive, cell: Cell, budget: BudgetSettings) -> Curve:
    """As far as the cell has come; an empty one if it has not begun."""
    recorded = [one for one in archive.rounds(cell.campaign) if one.state == "recorded"]
    recorded.sort(key=lambda one: (one.ended_at or "", one.index))
    baseline = next((one.fitness for one in recorded if one.index == 0), None)
    points = _points(archive, cell.campaign, [one for one in recorded if one.index > 0], budget)
    spent = float(getattr(points[-1], budget.unit)) if points else 0.0
    return Curve(cell.arm, cell.seed, cell.campaign, baseline, tuple(points), spent, spent >= budget.amount)


def _points(archive: Archive, campaign: str, rounds: list[RoundSummary], budget: BudgetSettings) -> list[Point]:
    costs = archive.costs(campaign, fresh=False)
    tokens_of: dict[str, int] = {}
    for call in archive.call_totals(campaign):
        tokens_of[call.round_id] = tokens_of.get(call.round_id, 0) + call.prompt_tokens + call.completion_tokens
    points: list[Point] = []
    cpu_s, tokens = 0.0, 0
    for number, one in enumerate(rounds, start=1):
        known = costs.get(one.candidate_id or "")
        cpu_s += known.cpu_s if known is not None else _charge_s(one, budget)
        tokens += tokens_of.get(round_id(campaign, one.index), 0)
        points.append(Point(one.index, cpu_s, tokens, number, one.outcome_kind or "", one.fitness))
    return points


def _charge_s(one: RoundSummary, budget: BudgetSettings) -> float:
    """For a candidate without a recorded evaluation."""
    if one.candidate_id is None or one.outcome_kind in _DID_NOT_RUN:
        return 0.0
    return budget.failed_cpu_s or 0.0
