"""From curves to the comparison of arms: one line per arm, and each arm against the first. Pure.

All arms are compared at the study's budget: what a cell found after it was spent does not count. Only complete cells
take part; a seed that one of two arms lacks is left out of their comparison, and the number of seeds is shown.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.study.ledger import Curve, Ran
from flows.study.settings import Arm, StudySettings
from tasks.trust.arms import Comparison, compare, holm, least_p
from tasks.trust.curves import area, best_at, round_of_level
from tasks.trust.gains import Summary, summary

SELF_TEST = "self-test; no evidence about cognition"


@dataclass(frozen=True, slots=True)
class Reached:
    """In how many cells a level was reached, and after how many rounds in the middle one of those."""

    level: float
    cells: int
    median_rounds: float | None  # None: in no cell


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One line of the table."""

    arm: str
    cells: int
    final: Summary | None  # None: no cell is complete
    area: Summary | None
    rounds: float | None  # mean of rounds within the budget
    reached: tuple[Reached, ...]
    final_against: Comparison | None  # None: the first arm itself, or too few seeds
    area_against: Comparison | None
    final_p: float | None = None  # corrected by Holm's method
    area_p: float | None = None
    expected: str | None = None  # what was planted
    is_recovered: bool | None = None
    too_few: int | None = None  # so many pairs, with which no p value could be small enough


@dataclass(frozen=True, slots=True)
class Results:
    """The study in numbers."""

    title: str
    unit: str
    budget: float
    comparisons: int
    alpha: float
    arms: tuple[ArmResult, ...]
    missing: dict[str, str]  # cells that are not complete, and why
    remarks: tuple[str, ...] = ()  # of files that changed between cells


def title_of(study: StudySettings) -> str:
    """What stands above every table and figure."""
    return f"{study.name} ({SELF_TEST})" if study.is_self_test else study.name


def results_of(study: StudySettings, ran: Ran) -> Results:
    """The comparison at the study's budget."""
    complete = [curve for curve in ran.curves if curve.is_complete and curve.baseline is not None]
    of_arm = {arm.name: [curve for curve in complete if curve.arm == arm.name] for arm in study.arms}
    first = study.arms[0].name
    lines = [_line(study, arm, of_arm[arm.name], of_arm[first]) for arm in study.arms]
    budget = study.budget
    return Results(
        title_of(study),
        budget.unit,
        budget.amount,
        len(study.arms) - 1,
        study.alpha,
        tuple(_corrected(lines, study)),
        ran.unfinished,
        ran.remarks,
    )


def finals(study: StudySettings, curves: Sequence[Curve]) -> dict[int, float]:
    """The best fitness at the budget, by seed."""
    budget = study.budget
    return {c.seed: best_at(c.steps(budget.unit), c.baseline, budget.amount) for c in curves if c.baseline is not None}


def areas(study: StudySettings, curves: Sequence[Curve]) -> dict[int, float]:
    """The mean of the best so far over the budget, by seed."""
    budget = study.budget
    return {c.seed: area(c.steps(budget.unit), c.baseline, budget.amount) for c in curves if c.baseline is not None}


def _line(study: StudySettings, arm: Arm, own: list[Curve], first: list[Curve]) -> ArmResult:
    final, under = finals(study, own), areas(study, own)
    is_first, others = arm.name == study.arms[0].name, len(study.arms) - 1
    return ArmResult(
        arm.name,
        len(own),
        summary(list(final.values())) if final else None,
        summary(list(under.values())) if under else None,
        statistics.fmean(_rounds(study, curve) for curve in own) if own else None,
        tuple(_reached(study, own, level) for level in study.levels),
        None if is_first else compare(final, finals(study, first), alpha=study.alpha, comparisons=others),
        None if is_first else compare(under, areas(study, first), alpha=study.alpha, comparisons=others),
        expected=arm.expected,
    )


def _rounds(study: StudySettings, curve: Curve) -> int:
    return sum(step.spent <= study.budget.amount for step in curve.steps(study.budget.unit))


def _reached(study: StudySettings, curves: list[Curve], level: float) -> Reached:
    budget = study.budget
    found = [round_of_level(curve.steps(budget.unit), level, budget.amount) for curve in curves]
    rounds = [number for number in found if number is not None]
    return Reached(level, len(rounds), statistics.median(rounds) if rounds else None)


def _corrected(lines: list[ArmResult], study: StudySettings) -> list[ArmResult]:
    """With p values for the number of arms, and whether what was planted was found."""
    final_p = _holm([line.final_against for line in lines])
    area_p = _holm([line.area_against for line in lines])
    return [_with_verdict(replace(line, final_p=final_p[k], area_p=area_p[k]), study) for k, line in enumerate(lines)]


def _holm(compared: list[Comparison | None]) -> list[float | None]:
    places = [k for k, one in enumerate(compared) if one is not None]
    adjusted = holm([one.p_value for one in compared if one is not None])
    found: list[float | None] = [None] * len(compared)
    for place, p in zip(places, adjusted, strict=True):
        found[place] = p
    return found


def _with_verdict(line: ArmResult, study: StudySettings) -> ArmResult:
    """With whether interval and p value say what was planted; None where nothing was, or too few pairs can say it."""
    is_final = study.primary == "final"
    found, p = (line.final_against, line.final_p) if is_final else (line.area_against, line.area_p)
    if line.expected is None or found is None or p is None:
        return line
    is_there = found.is_found(study.alpha, p)
    if not is_there and least_p(found.seeds, len(study.arms) - 1) > study.alpha:
        return replace(line, too_few=found.seeds)
    if line.expected == "none":
        return replace(line, is_recovered=not is_there)
    return replace(line, is_recovered=is_there and (found.difference < 0) == (line.expected == "worse"))
