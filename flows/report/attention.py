"""What to look at in the morning: a short list by fixed rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cognition.records import FailureKind
from flows.alerts import FEWEST, Alert
from flows.report.records import Best, Fault, Goal, Notice, RoundLine, Use

#: Tiers that give the candidate a file tree, a network and processes of its own.
STRONG_TIERS = frozenset({"bubblewrap", "container", "gvisor"})
#: Share of rounds that proposed a known program again.
DUPLICATE_SHARE = 0.25
#: A gain below this many standard errors may be noise.
ERRORS = 2.0

_ADVICE = {
    "stagnation": "look at the lineage and the failures; more cognition items or another sampler may help",
    "machine_failures": "read the reasons below before running on",
    "candidate_failures": "read a few failures: a rule or a limit may be in the way",
    "budget": "raise the limit, or let it end",
}


def notices(
    goal: Goal,
    best: Best | None,
    lines: Sequence[RoundLine],
    alerts: Sequence[Alert],
    faults: Sequence[Fault],
    tiers: Iterable[str],
    total: Use,
) -> tuple[Notice, ...]:
    """Urgent ones first."""
    found = [
        *_about_the_best(goal, best, lines),
        *_about_trust(lines, tiers),
        *(Notice(alert.kind, f"{alert.sentence}: {_ADVICE[alert.kind]}") for alert in alerts),
        *_about_the_rest(lines, faults, total),
    ]
    return urgent_first(found)


def urgent_first(found: Iterable[Notice]) -> tuple[Notice, ...]:
    """In this order, otherwise as they come."""
    return tuple(sorted(found, key=lambda notice: not notice.urgent))


def _about_the_best(goal: Goal, best: Best | None, lines: Sequence[RoundLine]) -> Iterator[Notice]:
    if best is None:
        if lines:
            yield Notice("nothing_scored", "nothing has a score yet: read the reasons of the failures", urgent=True)
        return
    demoted = [line for line in lines if line.retest]
    if demoted:
        named = ", ".join(f"{line.candidate} ({line.retest})" for line in demoted[:3])
        more = f" and {len(demoted) - 3} more" if len(demoted) > 3 else ""
        yield Notice("demoted", f"no longer counted among the best: {named}{more}")
    if goal.best_known is not None and best.fitness > goal.best_known:
        over = best.fitness - goal.best_known
        yield Notice(
            "beyond_best_known",
            f"the best is above the best known value by {over:.3g}: check it independently before believing it",
            urgent=True,
        )
    if best.round_index == 0 and len(lines) > 1:
        yield Notice("baseline_leads", "no candidate is better than the baseline")
    elif best.gain is not None and best.gain_standard_error and best.gain < ERRORS * best.gain_standard_error:
        yield Notice(
            "within_noise",
            f"the lead over the baseline, {best.gain:.3g}, is less than {ERRORS:g} standard errors of "
            f"{best.gain_standard_error:.3g}: it may be noise; evaluate more replicates",
        )


def _about_trust(lines: Sequence[RoundLine], tiers: Iterable[str]) -> Iterator[Notice]:
    weak = sorted(set(filter(None, tiers)) - STRONG_TIERS)
    if weak:
        yield Notice(
            "weak_sandbox",
            f"candidates ran in the sandbox tier {', '.join(weak)}, weaker than bubblewrap: `nightshift doctor` says "
            "what to install",
            urgent="unsafe" in weak,
        )
    cheats = [line.id for line in lines if line.kind == FailureKind.CHEATING]
    if cheats:
        shown = ", ".join(cheats[:3]) + (" and more" if len(cheats) > 3 else "")
        yield Notice("cheating", f"{_rounds(len(cheats))} tried to cheat: see {shown}", urgent=True)


def _about_the_rest(lines: Sequence[RoundLine], faults: Sequence[Fault], total: Use) -> Iterator[Notice]:
    if faults:
        yield Notice(
            "machine_faults",
            f"{_rounds(len(faults))} failed by our machine's fault and {'is' if len(faults) == 1 else 'are'} not "
            "recorded: `nightshift resume` runs them again",
        )
    ended = [line for line in lines if line.index > 0 and line.group not in ("machine", "unfinished")]
    duplicates = sum(line.kind == FailureKind.DUPLICATE for line in ended)
    if len(ended) >= FEWEST and duplicates / len(ended) >= DUPLICATE_SHARE:
        yield Notice(
            "duplicates",
            f"{duplicates / len(ended):.0%} of the rounds ended with a program that was known already: the proposer "
            "repeats itself",
        )
    if total.unpriced_calls:
        yield Notice(
            "unknown_price",
            f"{total.unpriced_calls} of {total.calls} model calls have no known price: the dollars shown leave them "
            "out. Give prices in [models.ROLE]",
        )


def _rounds(count: int) -> str:
    return "1 round" if count == 1 else f"{count} rounds"
