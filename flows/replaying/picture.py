"""A campaign of an archive as plain data that another run of it must reproduce to the last bit.

What depends on the machine or the moment is left out: numbers of rows, times, owners and leases, places of artefacts,
what was printed, CPU time, memory and prices. Names of candidates are in: they come from campaign and index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from cognition.archive import Archive, ArchiveError, DrawnRound
from cognition.records import JSON, Candidate, Evaluation, FailureKind, ModelCall, Outcome, Recall, Score
from flows.replaying.records import Picture

#: Ends of a candidate whose reason tells how long or how large it got.
_MEASURED_REASONS = frozenset({FailureKind.CPU_TIME, FailureKind.IDLE, FailureKind.MEMORY, FailureKind.OUTPUT})


def picture_of(archive: Archive, campaign: str) -> Picture:
    """All of it. Raises ArchiveError for a campaign that is not there."""
    archive.campaign(campaign)
    drawn = archive.drawn_rounds(campaign)
    recalled, learned, asked = archive.recalled(campaign), archive.learned(campaign), archive.asked(campaign)
    rounds: dict[int, dict[str, JSON]] = {}
    for round in drawn:
        rounds[round.index] = _sample(round, drawn)
        if round.is_recorded:
            rounds[round.index] |= _outcome(archive, round)
            rounds[round.index] |= {
                "recalls": _recalls(recalled.get(round.id, [])),
                "lessons": [list(said) for said in learned.get(round.id, [])],
                "answers": _answers(asked.get(round.id, [])),
            }
    cells = tuple(asdict(placement) for placement in archive.placements(campaign))
    # Through JSON: so it comes back from a cassette, and two pictures have to be of one kind.
    plain = {index: json.loads(json.dumps(rounds[index])) for index in sorted(rounds)}
    return Picture(plain, cells, tuple(archive.ranking(campaign)))


def _sample(round: DrawnRound, drawn: Sequence[DrawnRound]) -> dict[str, JSON]:
    """What was chosen, and among how many candidates."""
    seen = sum(one.sequence is not None and one.sequence <= round.sample.sequence for one in drawn)
    return {
        "recorded": round.is_recorded,
        "parent": round.sample.parent,
        "references": list(round.sample.references),
        "sampler": round.sample.sampler,
        "island": round.sample.island,
        "candidates seen": seen,
    }


def _outcome(archive: Archive, round: DrawnRound) -> dict[str, JSON]:
    if round.candidate is None:
        return {"candidate": None, "outcome": outcome_of(round.outcome)}
    candidate = _candidate(archive, round.candidate)
    return {
        "candidate": candidate.id,
        "code": candidate.code,
        "motivation": candidate.motivation,
        "parents": list(candidate.parents),
        "provenance": asdict(candidate.provenance),
        "outcome": outcome_of(candidate.outcome),
        "evaluations": [_evaluation(one) for one in archive.evaluations(candidate.id)],
        "features": candidate.features,
        "analysis": candidate.analysis,
    }


def _candidate(archive: Archive, id: str) -> Candidate:
    try:
        return archive.candidate(id)
    except ArchiveError as error:
        raise ArchiveError(f"{id} is named by its round and not there: {error}") from None


def outcome_of(outcome: Outcome | None) -> JSON:
    """Kind and numbers, or kind and reason."""
    if outcome is None:
        return None
    if isinstance(outcome, Score):
        return {"kind": "scored", **asdict(outcome)}
    reason = "" if outcome.kind in _MEASURED_REASONS else outcome.reason
    return {"kind": str(outcome.kind), "reason": reason}


def _evaluation(one: Evaluation) -> JSON:
    measured = one.measurements
    where = {"rung": one.rung, "seed": one.seed, "contract_version": one.contract_version}
    return {**where, "metrics": dict(measured.metrics), "breakdown": dict(measured.breakdown)}


def _recalls(recalls: Sequence[Recall]) -> JSON:
    return sorted([one.item, one.shown] for one in recalls)


def _answers(calls: Sequence[ModelCall]) -> JSON:
    """Which question of which role got which answer."""
    return sorted(
        [call.role, call.attempt, call.prompt_hash, hashlib.sha256(call.answer.encode()).hexdigest()] for call in calls
    )
