"""Numbers in words, the same in every renderer. What is not known is said so, never shown as 0."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from flows.report.records import FaultRate, Goal, Report, Shares, Use
from tasks.contract import Objective

UNKNOWN = "unknown"


def score(fitness: float | None, standard_error: float | None) -> str:
    """A score with its standard error, if it has one.

    >>> score(2.6270190114, None), score(0.71, 0.02), score(None, None)
    ('2.627019011', '0.71 ± 0.02', 'no score')
    """
    if fitness is None:
        return "no score"
    return f"{fitness:.10g}" + ("" if standard_error is None else f" ± {standard_error:.2g}")


def interval(fitness: float, standard_error: float | None, evaluations: int) -> str:
    """The 95% interval of a mean over so many replicates (Student's t); "" where their spread is not known.

    >>> interval(0.71, 0.02, 3), interval(0.71, None, 3)
    ('95% [0.62395, 0.79605]', '')
    """
    if standard_error is None or evaluations < 2:
        return ""
    from scipy.special import stdtrit  # only where there is an interval

    reach = float(stdtrit(evaluations - 1, 0.975)) * standard_error
    return f"95% [{fitness - reach:.5g}, {fitness + reach:.5g}]"


def replicates(count: int) -> str:
    """How many evaluations a score rests on.

    >>> replicates(1), replicates(3)
    ('1 evaluation, spread not known', '3 evaluations')
    """
    return "1 evaluation, spread not known" if count == 1 else f"{count} evaluations"


def difference(value: float | None, standard_error: float | None) -> str:
    """A difference with its sign and, if known, its standard error.

    >>> difference(0.25, 0.1), difference(None, None)
    ('+0.25 ± 0.1', 'unknown')
    """
    if value is None:
        return UNKNOWN
    return f"{value:+.6g}" + ("" if standard_error is None else f" ± {standard_error:.2g}")


def objective(one: Objective) -> str:
    """An axis of the Pareto front, as the head of a column.

    >>> objective(Objective("seconds", "min"))
    'seconds (lower is better)'
    """
    return f"{one.metric} ({'higher' if one.goal == 'max' else 'lower'} is better)"


def about_front(report: Report) -> str:
    """How many are on the front, and how the score that ranks is made of the objectives."""
    kept = sum(point.is_on_front for point in report.front)
    said = f"{kept} of {len(report.front)} scored candidates are beaten by no other on every objective at once."
    return f"{said} The score that ranks: {report.goal.scalarisation}."


def price(use: Use) -> str:
    """Dollars, or what can be said about them.

    >>> price(Use()), price(Use(calls=2, unpriced_calls=2)), price(Use(calls=3, unpriced_calls=1, dollars=0.5))
    ('no model calls', 'unknown', 'at least $0.5000 (1 of 3 calls of unknown price)')
    """
    if not use.calls:
        return "no model calls"
    if use.price_usd is not None:
        return f"${use.price_usd:.4f}"
    if use.unpriced_calls == use.calls:
        return UNKNOWN
    return f"at least ${use.dollars:.4f} ({use.unpriced_calls} of {use.calls} calls of unknown price)"


def seconds(value: float | None) -> str:
    """A time, rounded; None: nothing was recorded.

    >>> seconds(1.25), seconds(None), seconds(7200)
    ('1.2 s', 'not recorded', '2.0 h')
    """
    if value is None:
        return "not recorded"
    if value < 600:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def gap(goal: Goal, fitness: float | None) -> str:
    """How far below the best known value; "" if there is none.

    >>> gap(Goal("radii", 2.6), 2.5), gap(Goal("radii", 2.6), 2.7), gap(Goal("radii"), 2.5)
    ('0.1 below the best known 2.6', '0.1 above the best known 2.6', '')
    """
    if goal.best_known is None or fitness is None:
        return ""
    side = "below" if fitness <= goal.best_known else "above"
    return f"{abs(goal.best_known - fitness):.3g} {side} the best known {goal.best_known:.10g}"


def moment(iso: str | None) -> str:
    """A time of the archive for people, in UTC.

    >>> moment("2026-01-02T03:04:05.678+00:00")
    '2026-01-02 03:04 UTC'
    """
    if not iso:
        return UNKNOWN
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def headline(report: Report) -> str:
    """What has come out, in one sentence."""
    best = report.best
    if best is None:
        return f"Nothing has a score after {report.rounds_recorded} rounds."
    sentence = f"Best {report.goal.metric} {score(best.fitness, best.standard_error)} in round {best.round_index}"
    if best.gain is not None:
        sentence += f", {difference(best.gain, best.gain_standard_error)} against the baseline"
    below = gap(report.goal, best.fitness)
    return sentence + (f", {below}" if below else "") + "."


def news(report: Report) -> str:
    """What happened since the time that the news are about."""
    new = report.news
    if not new.rounds:
        return f"No round has ended since {moment(new.since)}." if new.since else "No round has ended yet."
    when = f"since {moment(new.since)}" if new.since else "in all"
    parts = ", ".join(f"{count.count} {GROUP_WORDS[count.group]}" for count in new.groups)
    return f"{new.rounds} rounds ended {when}: {parts}; new bests: {len(new.new_bests)}."


RATE_HEADS = ("whose fault", "step", "rounds", "of", "share", "kinds")
ABOUT_RATES = "Shares are of the rounds that came to the step. A fault of ours that a retry has mended is not counted."


def rate_rows(rates: Sequence[FaultRate]) -> list[tuple[str, str, int, int, str, str]]:
    """Rates of failures as cells of a table."""
    return [(WHOSE[one.group], one.step, one.count, one.reached, f"{one.share:.0%}", one.kinds) for one in rates]


WHOSE = {"candidate": "the candidate's", "proposal": "the proposal's", "machine": "our machine's"}
GROUP_WORDS = {
    "scored": "scored",
    "candidate": "with a failing candidate",
    "proposal": "with a refused proposal",
    "machine": "failed by our machine's fault",
    "unfinished": "not finished",
}


def shown(kind: str) -> str:
    """A kind as people read it.

    >>> shown("cpu_time")
    'cpu time'
    """
    return kind.replace("_", " ")


def origins(shares: Shares) -> str:
    """Shares in percent.

    >>> origins(Shares(0.517, 0.382, 0.101, 1350))
    '52% cognition, 38% experience, 10% novel (1350 candidates)'
    """
    parts = (("cognition", shares.cognition), ("experience", shares.experience), ("novel", shares.novel))
    return ", ".join(f"{value:.0%} {name}" for name, value in parts) + f" ({shares.candidates} candidates)"


ABOUT_ORIGINS = (
    "By what each proposal declares: items of literature or data are cognition, lessons and earlier candidates are "
    "experience, nothing named is novel. These are declarations, and no measurement of what an idea rests on."
)


def about_items(report: Report) -> str:
    """What the counts of items mean, and what they do not."""
    return (
        f"{report.improving} candidates scored higher than all they were made from, {report.others} others did not. "
        "Counted is how often an item appeared with either. Items are retrieved by the parents' symptoms, so this says "
        "nothing about what an item brings about."
    )
