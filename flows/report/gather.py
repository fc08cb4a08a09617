"""Gathers a report from the archive. Reads only; the work grows with the campaign, so it is no part of a round."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cognition.archive import Archive, CallTotal, CandidateDigest, RoundSummary
from cognition.items import ItemStore
from cognition.records import Candidate, Cost, Item, Score
from flows import alerts, measure
from flows.alerts import AlertsSettings, Budget
from flows.report import ancestry, attention, provenance, sums
from flows.report.front import front
from flows.report.records import Best, Change, Goal, ItemUse, News, Notice, Report, RoundLine, Use
from tasks.codec import UndecodableResult, decode
from tasks.publication import Publication, unified_diff

#: A longer diff is cut in a report; `nightshift compare` has it whole.
DIFF_LINES = 200


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why and when the report is made."""

    made_at: str  # ISO 8601, UTC
    since: str | None = None  # what ended later is news; None: everything
    ending: str = ""
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """What was read, once."""

    rounds: Sequence[RoundSummary]
    lines: tuple[RoundLine, ...]
    digests: Mapping[str, CandidateDigest]
    calls: Sequence[CallTotal]
    total: Use

    @property
    def baseline(self) -> RoundLine | None:
        return next((line for line in self.lines if line.index == 0), None)

    @property
    def demoted(self) -> dict[str, str]:
        """Who is no longer among the best, and why, by candidate."""
        return {line.candidate: line.retest for line in self.lines if line.candidate and line.retest}

    @property
    def evolved(self) -> dict[str, CandidateDigest]:
        return {id: digest for id, digest in self.digests.items() if digest.round_index > 0}


def gather(archive: Archive, name: str, goal: Goal, settings: AlertsSettings, occasion: Occasion) -> Report:
    """The report of one campaign. Raises ArchiveError for an unknown one."""
    campaign = archive.campaign(name)
    source = _read(archive, name)
    found = archive.best(name)
    best = None if found is None else _best(archive, found, source.baseline)
    chain, left_out = ancestry.lineage(best.id if best else None, source.digests)
    demoted = source.demoted
    better = ancestry.improving(source.digests, demoted)
    holding = alerts.replay(settings, sums.facts_of(source.rounds, occasion.budgets, demoted)).holding
    faults = sums.faults(source.rounds)
    items = _items_named(archive, source.evolved)
    winning = provenance.winners(source.evolved, source.baseline.fitness if source.baseline else None, demoted)
    tiers = (digest.sandbox_tier for digest in source.digests.values())
    return Report(
        campaign=name,
        problem=campaign.problem,
        goal=goal,
        made_at=occasion.made_at,
        ending=occasion.ending,
        rounds_asked=int(campaign.settings["rounds"]),
        rounds_recorded=sum(line.group not in ("machine", "unfinished") for line in source.lines if line.index > 0),
        best=best,
        baseline=source.baseline,
        rounds=source.lines,
        lineage=chain,
        lineage_left_out=left_out,
        outcomes=sums.outcomes(source.lines),
        refused=sums.refusals(source.lines, name),
        rates=sums.rates(source.rounds),
        faults=faults,
        total=source.total,
        roles=sums.role_uses(source.calls),
        items=_items(archive, name, source.evolved, better),
        improving=len(better),
        others=len(source.evolved) - len(better),
        origins=provenance.shares((digest.provenance for digest in source.evolved.values()), items),
        winning_origins=provenance.shares((source.evolved[id].provenance for id in winning), items),
        news=news(source.lines, occasion.since),
        alerts=holding,
        notices=attention.urgent_first(
            (
                *attention.notices(goal, best, source.lines, holding, faults, tiers, source.total),
                *_audit(archive, name),
                *_files(archive, name),
            )
        ),
        front=front(source.digests.values(), goal.objectives, demoted),
    )


def _read(archive: Archive, name: str) -> _Source:
    rounds, calls, costs = archive.rounds(name), archive.call_totals(name), archive.costs(name)
    digests = {digest.id: digest for digest in archive.digests(name)}
    spend = archive.spend(name)
    total = sums.with_cost(sums.used(calls), Cost(cpu_s=spend.cpu_s, gpu_s=spend.gpu_s))
    lines = sums.round_lines(rounds, digests, costs, calls, archive.demoted(name))
    return _Source(rounds, lines, digests, calls, total)


def _audit(archive: Archive, name: str) -> tuple[Notice, ...]:
    """What is known of the problem's evaluator, as the run noted it, unless it held against everything."""
    known = archive.audit_of(f"campaign/{name}")
    if known is None or known["level"] == "held":
        return ()
    return (Notice("audit", str(known["sentence"]), urgent=known["level"] == "broken"),)


def _files(archive: Archive, name: str) -> tuple[Notice, ...]:
    """What has changed in the problem's files since the campaign's first run."""
    known = measure.known_of(archive, name)
    if known is None:
        return ()
    changed = (Notice("measure_changed", sentence, urgent=True) for sentence in known.accepted)
    return (*changed, *(Notice("told_otherwise", sentence) for sentence in known.told_otherwise))


def _best(archive: Archive, best: Candidate, baseline: RoundLine | None) -> Best:
    assert isinstance(best.outcome, Score)  # the ranking holds nothing else
    gain = error = None
    if baseline is not None and baseline.fitness is not None and baseline.candidate != best.id:
        gain = best.outcome.fitness - baseline.fitness
        error = error_of_difference(best.outcome.standard_error, baseline.standard_error)
    return Best(
        id=best.id,
        round_index=best.round_index,
        fitness=best.outcome.fitness,
        standard_error=best.outcome.standard_error,
        evaluations=best.outcome.evaluations,
        gain=gain,
        gain_standard_error=error,
        proposer=best.provenance.proposer,
        model=best.provenance.model,
        sandbox_tier=best.sandbox_tier,
        motivation=best.motivation,
        analysis=best.analysis,
        to_parent=_change(archive, next(iter(best.lineage), None), best),
        to_baseline=_change(archive, baseline.candidate if baseline else None, best),
    )


def error_of_difference(one: float | None, other: float | None) -> float | None:
    """Standard error of a difference of two independent means; None if either is not known."""
    return None if one is None or other is None else math.hypot(one, other)


def _change(archive: Archive, before: str | None, after: Candidate) -> Change | None:
    if before is None or before == after.id:
        return None
    lines = unified_diff(archive.candidate(before).code, after.code, before, after.id).splitlines()
    return Change(before, "\n".join(lines[:DIFF_LINES]), max(0, len(lines) - DIFF_LINES))


def _end(line: RoundLine) -> str:
    return line.ended_at or ""


def _items(
    archive: Archive, campaign: str, digests: Mapping[str, CandidateDigest], better: frozenset[str]
) -> tuple[ItemUse, ...]:
    retrieved = _retrieved(archive, campaign)
    wanted = {item for found in retrieved.values() for item in found}
    wanted |= {item for digest in digests.values() for item in digest.provenance.sources}
    known = ItemStore(archive).find_many(sorted(wanted))
    return ancestry.item_uses(retrieved, digests, better, {item.id: item for item in known})


def _items_named(archive: Archive, digests: Mapping[str, CandidateDigest]) -> dict[str, Item]:
    """The items that proposals declare as their sources."""
    wanted = {item for digest in digests.values() for item in digest.provenance.sources}
    return {item.id: item for item in ItemStore(archive).find_many(sorted(wanted))}


def _retrieved(archive: Archive, campaign: str) -> dict[str, tuple[str, ...]]:
    """The items that each candidate's round retrieved, as the step `retrieve` published them."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in archive.publications(campaign, "retrieve"):
        try:
            tags = decode(entry.payload, Publication).tags
        except UndecodableResult:  # of another version of the program: then it is not known
            continue
        found[tags["nightshift.candidate"]] = tuple(filter(None, tags["nightshift.items"].split(",")))
    return found


def news(lines: Sequence[RoundLine], since: str | None) -> News:
    """What ended after `since`."""
    new = [line for line in lines if line.ended_at and (since is None or line.ended_at > since)]
    numbers = {line.index for line in new}
    before = [line.fitness for line in lines if line.index not in numbers and _may_lead(line)]
    best_before = max((fitness for fitness in before if fitness is not None), default=None)
    return News(since, len(new), sums.groups(new), best_before, tuple(_new_bests(sorted(new, key=_end), best_before)))


def _new_bests(lines: Sequence[RoundLine], best: float | None) -> Iterator[RoundLine]:
    for line in lines:
        if line.fitness is not None and _may_lead(line) and (best is None or line.fitness > best):
            best = line.fitness
            yield line


def _may_lead(line: RoundLine) -> bool:
    """Whether it may be called a best: neither unranked nor demoted by a re-test."""
    return line.ranks and not line.retest
