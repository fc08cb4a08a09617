"""Rounds, outcomes and cost of a campaign, summed up. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cognition.archive import CallTotal, CandidateDigest, Demotion, RoundSummary
from cognition.records import STEPS, Cost, FailureKind, Score
from flows import retest
from flows.alerts import Budget, Facts
from flows.report.records import MACHINE_FAULT, UNFINISHED, Count, Fault, FaultRate, Group, RoleUse, RoundLine, Use

GROUPS: tuple[Group, ...] = ("scored", "candidate", "proposal", "machine", "unfinished")


def kind_of(summary: RoundSummary) -> str:
    """How a round ended, in one word."""
    if summary.state == "failed":
        return MACHINE_FAULT
    if summary.state != "recorded" or summary.outcome_kind is None:
        return UNFINISHED
    return summary.outcome_kind


def group_of(kind: str) -> Group:
    """Which of the three kinds of failure it is, if any.

    >>> group_of("crash"), group_of("duplicate"), group_of("machine_fault")
    ('candidate', 'proposal', 'machine')
    """
    if kind == "scored":
        return "scored"
    if kind == MACHINE_FAULT:
        return "machine"
    if kind == UNFINISHED:
        return "unfinished"
    return "proposal" if FailureKind(kind).is_proposal else "candidate"


def round_lines(
    rounds: Sequence[RoundSummary],
    digests: Mapping[str, CandidateDigest],
    costs: Mapping[str, Cost],
    calls: Sequence[CallTotal],
    demoted: Mapping[str, Demotion] = MappingProxyType({}),
) -> tuple[RoundLine, ...]:
    """One line per round, by index. A demoted candidate shows its score and is no best."""
    by_round: dict[str, list[CallTotal]] = {}
    for call in calls:
        by_round.setdefault(call.round_id, []).append(call)
    lines, best = [], None
    for summary in rounds:
        use = with_cost(used(by_round.get(summary.id, ())), costs.get(summary.candidate_id or ""))
        mark = retest.mark(demoted.get(summary.candidate_id or ""))
        line = _line(summary, digests.get(summary.candidate_id or ""), use, best, mark)
        best = line.best_fitness
        lines.append(line)
    return tuple(lines)


def _line(summary: RoundSummary, digest: CandidateDigest | None, use: Use, best: float | None, mark: str) -> RoundLine:
    kind = kind_of(summary)
    score = digest.outcome if digest and kind == "scored" and isinstance(digest.outcome, Score) else None
    is_new_best = score is not None and score.ranks and not mark and (best is None or score.fitness > best)
    return RoundLine(
        index=summary.index,
        id=summary.id,
        candidate=summary.candidate_id,
        kind=kind,
        group=group_of(kind),
        reason=summary.reason,
        fitness=score.fitness if score else None,
        standard_error=score.standard_error if score else None,
        best_fitness=score.fitness if score and is_new_best else best,
        is_new_best=is_new_best,
        unranked=score.unranked if score else "",
        retest=mark,
        proposer=digest.provenance.proposer if digest else "",
        ended_at=summary.ended_at,
        use=use,
    )


def used(calls: Iterable[CallTotal]) -> Use:
    """Model calls together."""
    total = Use(cpu_s=None, gpu_s=None)
    for call in calls:
        total = replace(
            total,
            calls=total.calls + call.calls,
            unpriced_calls=total.unpriced_calls + call.unpriced_calls,
            prompt_tokens=total.prompt_tokens + call.prompt_tokens,
            completion_tokens=total.completion_tokens + call.completion_tokens,
            dollars=total.dollars + call.dollars,
        )
    return total


def with_cost(use: Use, cost: Cost | None) -> Use:
    """With the sandbox time, if any was recorded."""
    return use if cost is None else replace(use, cpu_s=cost.cpu_s, gpu_s=cost.gpu_s)


def role_uses(calls: Sequence[CallTotal]) -> tuple[RoleUse, ...]:
    """Model calls by role, the role with most tokens first."""
    roles = {call.role: [other for other in calls if other.role == call.role] for call in calls}
    uses = [
        RoleUse(role, tuple(sorted({call.model for call in theirs})), used(theirs)) for role, theirs in roles.items()
    ]
    return tuple(sorted(uses, key=lambda one: (-one.use.tokens, one.role)))


def outcomes(lines: Iterable[RoundLine]) -> tuple[Count, ...]:
    """Rounds by kind: scored, then candidates' failures, refused proposals, our machine's; the frequent first."""
    counted = Counter((line.kind, line.group) for line in lines)
    counts = [Count(kind, group, count) for (kind, group), count in counted.items()]
    return tuple(sorted(counts, key=lambda one: (GROUPS.index(one.group), -one.count, one.name)))


def groups(lines: Iterable[RoundLine]) -> tuple[Count, ...]:
    """Rounds by group, in the same order."""
    counted = Counter(line.group for line in lines)
    return tuple(Count(group, group, counted[group]) for group in GROUPS if counted[group])


def refusals(lines: Iterable[RoundLine], campaign: str) -> tuple[Count, ...]:
    """Refused proposals by reason; reasons that differ only in the candidate they name count as one."""
    name = re.compile(rf"{re.escape(campaign)}-\d{{4,}}(r\d+)?")
    reasons = Counter(
        f"{line.kind}: {name.sub('…', ' '.join(line.reason.split()))}" for line in lines if line.group == "proposal"
    )
    return tuple(Count(reason, "proposal", count) for reason, count in reasons.most_common())


def rates(rounds: Iterable[RoundSummary]) -> tuple[FaultRate, ...]:
    """How often each of the three kinds of failure happened at each step, of the rounds that came to that step.

    A round whose step is not known (of an older version) counts under "unknown", of all rounds that are over.
    """
    over = [summary for summary in rounds if kind_of(summary) != UNFINISHED]
    counted: dict[tuple[Group, str], Counter[str]] = {}
    for summary in over:
        kind = kind_of(summary)
        if kind != "scored":
            place = (group_of(kind), summary.failed_step or "unknown")
            counted.setdefault(place, Counter())[kind] += 1
    found = [
        FaultRate(group, step, kinds.total(), _reached(over, step), _counts(kinds))
        for (group, step), kinds in counted.items()
    ]
    return tuple(sorted(found, key=lambda one: (GROUPS.index(one.group), _place(one.step))))


def _place(step: str) -> int:
    return STEPS.index(step) if step in STEPS else len(STEPS)


def _reached(over: Sequence[RoundSummary], step: str) -> int:
    """How many rounds came to a step: all but those that ended at an earlier one."""
    if step not in STEPS:
        return len(over)
    return sum(not summary.failed_step or _place(summary.failed_step) >= _place(step) for summary in over)


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in kinds.most_common())


def faults(rounds: Iterable[RoundSummary]) -> tuple[Fault, ...]:
    """Rounds that our machine failed and nobody has run again yet."""
    return tuple(
        Fault(summary.id, summary.failed_step, summary.reason)
        for summary in rounds
        if kind_of(summary) == MACHINE_FAULT
    )


def facts_of(
    rounds: Iterable[RoundSummary], budgets: tuple[Budget, ...] = (), demoted: Collection[str] = ()
) -> list[Facts]:
    """What flows/alerts.py reads of the rounds that are over, in the order in which they ended; budgets at the last.

    A demoted candidate's score is no new best: a campaign that found only such ones stagnates.
    """
    over = sorted((summary for summary in rounds if summary.ended_at), key=lambda summary: summary.ended_at or "")
    facts = []
    for summary in over:
        group = group_of(kind_of(summary))
        if group != "unfinished":
            may_lead = group == "scored" and not summary.unranked and summary.candidate_id not in demoted
            facts.append(Facts(summary.index, group, summary.fitness if may_lead else None))
    return [*facts[:-1], *(replace(last, budgets=budgets) for last in facts[-1:])]
