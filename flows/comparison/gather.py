"""Gathers a comparison from the archive. Reads only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cognition.archive import Archive, Campaign, CandidateDigest
from cognition.records import Candidate, Cost, Evaluation, Failure, Score, round_id
from flows import measure, retest
from flows.comparison import metrics
from flows.comparison.records import Comparison, Measure, Side
from flows.report import ancestry, sums
from flows.report.records import Ancestor, Use
from tasks.publication import unified_diff


def gather(archive: Archive, a: str, b: str) -> Comparison:
    """The comparison, without MLflow. Raises ArchiveError for an unknown candidate."""
    one, other = archive.candidate(a), archive.candidate(b)
    a_measured, b_measured = archive.evaluations(a), archive.evaluations(b)
    a_side, b_side = _side(archive, one, a_measured), _side(archive, other, b_measured)
    return Comparison(
        a=a_side,
        b=b_side,
        warnings=(*warnings(a_side, b_side), *changes_of_measure(archive, one, other)),
        metrics=tuple(metrics.rows(one.outcome, other.outcome, a_measured, b_measured)),
        diff=unified_diff(one.code, other.code, a, b),
        common_ancestor=common_ancestor(a_side.lineage, b_side.lineage),
        mlflow_url=None,
        mlflow_hint="",
    )


def _side(archive: Archive, candidate: Candidate, measured: Sequence[Evaluation]) -> Side:
    score = candidate.outcome if isinstance(candidate.outcome, Score) else None
    failure = candidate.outcome if isinstance(candidate.outcome, Failure) else None
    campaign = archive.campaign(candidate.campaign)
    return Side(
        id=candidate.id,
        campaign=candidate.campaign,
        round_id=round_id(candidate.campaign, candidate.round_index),
        outcome=str(failure.kind) if failure else "scored",
        reason=failure.reason if failure else "",
        fitness=score.fitness if score else None,
        standard_error=score.standard_error if score else None,
        evaluations=score.evaluations if score else len(measured),
        retest=retest.mark_of(archive, candidate.campaign, candidate.id),
        proposer=candidate.provenance.proposer,
        model=candidate.provenance.model,
        sandbox_tier=candidate.sandbox_tier,
        motivation=candidate.motivation,
        measure=_measure(campaign, measured),
        use=_use(archive, candidate, measured),
        lineage=_lineage(archive, candidate),
    )


def _measure(campaign: Campaign, measured: Sequence[Evaluation]) -> Measure:
    settings = campaign.settings
    return Measure(
        problem=campaign.problem,
        options=json.dumps(settings["options"], sort_keys=True),
        rungs=tuple(sorted({one.rung for one in measured})) or (settings["evaluate"]["rung"],),
        contract_versions=tuple(sorted({one.contract_version for one in measured})) or (campaign.contract_version,),
        replicates=int(settings["evaluate"]["replicates"]),
    )


def _use(archive: Archive, candidate: Candidate, measured: Sequence[Evaluation]) -> Use:
    calls = archive.calls(round_id(candidate.campaign, candidate.round_index))
    prices = [call.price_usd for call in calls if call.price_usd is not None]
    use = Use(
        calls=len(calls),
        unpriced_calls=len(calls) - len(prices),
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=sum(call.completion_tokens for call in calls),
        dollars=sum(prices),
        cpu_s=None,
        gpu_s=None,
    )
    costs = [one.measurements.cost for one in measured]
    if not costs:
        return use
    return sums.with_cost(use, Cost(cpu_s=sum(c.cpu_s for c in costs), gpu_s=sum(c.gpu_s for c in costs)))


def _lineage(archive: Archive, candidate: Candidate) -> tuple[Ancestor, ...]:
    """All ancestors: a superseded candidate is not among the campaign's digests, so it is added."""
    digests: Mapping[str, CandidateDigest] = {
        digest.id: digest for digest in (*archive.digests(candidate.campaign), _digest(candidate))
    }
    return ancestry.lineage(candidate.id, digests)[0]


def _digest(candidate: Candidate) -> CandidateDigest:
    return CandidateDigest(**{name: getattr(candidate, name) for name in CandidateDigest.__dataclass_fields__})


def warnings(a: Side, b: Side) -> list[str]:
    """Why the scores of the two may not be compared; empty if they may."""
    one, other = a.measure, b.measure
    if one.problem != other.problem:
        return [f"different problems, {one.problem} and {other.problem}: the scores have nothing to do with each other"]
    found = []
    for what, left, right in (
        ("problem options", one.options, other.options),
        ("contract versions", ", ".join(one.contract_versions), ", ".join(other.contract_versions)),
        ("rungs", ", ".join(one.rungs), ", ".join(other.rungs)),
    ):
        if left != right:
            found.append(f"measured under different {what}, {left} and {right}: the scores do not compare")
    if one.replicates != other.replicates:
        found.append(
            f"different numbers of replicates, {one.replicates} and {other.replicates}: one is known less precisely"
        )
    if a.sandbox_tier != b.sandbox_tier:
        found.append(f"run in different sandbox tiers, {a.sandbox_tier} and {b.sandbox_tier}")
    return found


def changes_of_measure(archive: Archive, one: Candidate, other: Candidate) -> list[str]:
    """What the two campaigns remember of the files that they were measured by, where that speaks against comparing."""
    campaigns = list(dict.fromkeys((one.campaign, other.campaign)))
    known = {name: found for name in campaigns if (found := measure.known_of(archive, name)) is not None}
    said = [f"{name}: {sentence}" for name, found in known.items() for sentence in found.accepted]
    if len(known) == 2 and archive.campaign(one.campaign).problem == archive.campaign(other.campaign).problem:
        before, now = (known[name].files.measure for name in campaigns)
        if differs := measure.differing(before, now):
            said.append(f"measured by different files of the problem ({differs}): the scores do not compare")
    return said


def common_ancestor(a: Sequence[Ancestor], b: Sequence[Ancestor]) -> str | None:
    """The youngest candidate that both were made from; one of the two themselves, if the other was made from it."""
    known = {one.id for one in b}
    return next((one.id for one in a if one.id in known), None)
