"""The Pareto front of a campaign: the scored candidates that no other beats on every objective at once.

A candidate that is in no ranking (Score.unranked), or was demoted, competes here like all others and is marked. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cognition import pareto
from cognition.archive import CandidateDigest
from cognition.records import Score
from flows.report.records import FrontPoint
from tasks.contract import Objective


def front(
    digests: Iterable[CandidateDigest],
    objectives: tuple[Objective, ...],
    demoted: Mapping[str, str] = MappingProxyType({}),
) -> tuple[FrontPoint, ...]:
    """Every scored candidate that has all objectives, best first objective first; `is_on_front` marks the front.

    `demoted`: by candidate, what a re-test on fresh seeds said of its score; the other objectives were not tested.
    """
    if not objectives:
        return ()
    scored = [
        (digest, digest.outcome)
        for digest in digests
        if isinstance(digest.outcome, Score) and all(each.metric in digest.metrics for each in objectives)
    ]
    signed = {digest.id: tuple(each.signed(digest.metrics[each.metric]) for each in objectives) for digest, _ in scored}
    kept = set(pareto.front(signed))
    points = [
        FrontPoint(
            id=digest.id,
            round_index=digest.round_index,
            values=tuple(digest.metrics[each.metric] for each in objectives),
            fitness=outcome.fitness,
            unranked=outcome.unranked or demoted.get(digest.id, ""),
            is_on_front=digest.id in kept,
        )
        for digest, outcome in scored
    ]
    return tuple(sorted(points, key=lambda point: tuple(-value for value in signed[point.id])))
