"""Metrics of two candidates with their uncertainty, from their evaluations. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from cognition.records import Evaluation, Outcome, Score
from flows.comparison.records import MetricRow
from flows.report.gather import error_of_difference

FITNESS = "fitness"


def rows(a: Outcome, b: Outcome, a_measured: Sequence[Evaluation], b_measured: Sequence[Evaluation]) -> list[MetricRow]:
    """The fitness as the domain scored it, then every metric that either has, each rung for itself."""
    both = (*a_measured, *b_measured)
    rungs = sorted({one.rung for one in both})
    found = [_fitness(a, b)]
    for rung in rungs:
        for name in dict.fromkeys(name for one in both if one.rung == rung for name in one.measurements.metrics):
            shown = name if len(rungs) == 1 else f"{rung}/{name}"
            found.append(_metric(shown, _values(a_measured, rung, name), _values(b_measured, rung, name)))
    return found


def _fitness(a: Outcome, b: Outcome) -> MetricRow:
    one, other = (outcome if isinstance(outcome, Score) else None for outcome in (a, b))
    a_error, b_error = one.standard_error if one else None, other.standard_error if other else None
    a_value, b_value = one.fitness if one else None, other.fitness if other else None
    error = error_of_difference(a_error, b_error)
    return MetricRow(FITNESS, a_value, a_error, b_value, b_error, _difference(a_value, b_value), error, False)


def _metric(name: str, a: Mapping[int, float], b: Mapping[int, float]) -> MetricRow:
    a_mean, a_error = mean_and_error(list(a.values()))
    b_mean, b_error = mean_and_error(list(b.values()))
    paired = len(a) > 1 and a.keys() == b.keys()
    error = error_of_difference(a_error, b_error)
    if paired:
        _, error = mean_and_error([b[seed] - a[seed] for seed in a])
    return MetricRow(name, a_mean, a_error, b_mean, b_error, _difference(a_mean, b_mean), error, paired)


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The mean and its standard error; one value has no error that is known.

    >>> mean_and_error([1.0, 3.0]), mean_and_error([2.0]), mean_and_error([])
    ((2.0, 1.0), (2.0, None), (None, None))
    """
    if not values:
        return None, None
    if len(values) == 1:
        return values[0], None
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def _values(measured: Sequence[Evaluation], rung: str, name: str) -> dict[int, float]:
    """By seed."""
    here = [one for one in measured if one.rung == rung and name in one.measurements.metrics]
    return {one.seed: one.measurements.metrics[name] for one in here}


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a
