"""Racing: which finalists get further replicates, and what is said of each at the end.

All start with a few replicates. One whose bound clears the gate is promoted and costs no more. One that would not
clear it within the cap, even if all that is to come were clearly better than what was seen, is dropped. The close ones
go on, up to the cap. Dropping and going on never make a false promotion likelier: the bound holds at all
numbers of replicates at once.

Pure functions over what was measured; benchmarks/false_winners.py and flows/promotion.py call the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tasks.trust.evidence import SCALE, Bounds, bounds, log_e_of_t, log_e_value
from tasks.trust.gains import Summary, summary
from tasks.trust.spending import level


class Verdict(StrEnum):
    """What became of a finalist."""

    PROMOTED = "promoted"  # the lower bound of its gain clears the gate
    NOT_PROMOTED = "not promoted"  # better on average, but that may be chance
    DEMOTED = "demoted"  # not better on average: what made it an elite was noise
    OPEN = "open"  # wants further replicates


@dataclass(frozen=True, slots=True)
class Rules:
    """How a race is run."""

    alpha: float = 0.05  # that a campaign ever promotes anything that is not better
    gate: float = 0.0  # the gain that has to be exceeded
    first: int = 4  # replicates of everyone
    step: int = 2  # replicates added to those that are close
    cap: int = 20  # most replicates of one finalist
    optimism: float = 2.0  # standard errors above its mean that a finalist's future is taken to be
    scale: float = SCALE
    exact: bool = False  # there is no noise at all: a gain is what it is, and chance has no part in it

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"alpha is a probability between 0 and 1, not {self.alpha}")
        if not 2 <= self.first <= self.cap or self.step < 1:
            raise ValueError(f"expected 2 <= first <= cap and step >= 1, got {self.first}, {self.cap}, {self.step}")


@dataclass(frozen=True, slots=True)
class Standing:
    """One finalist in the race."""

    verdict: Verdict
    gains: Summary
    bounds: Bounds  # each at `level`
    level: float  # this finalist's share of alpha
    reached: bool  # of the cap: no further replicates would have been given

    @property
    def has_spread(self) -> bool:
        """False if every seed gave the same gain."""
        return self.gains.sd is not None and self.gains.sd > 0.0


def judged(gains: Sequence[float], number: int, rules: Rules) -> Standing:
    """Where the campaign's finalist of that number stands. A promotion is final, whatever comes after it.

    >>> judged([1.0, 1.1, 0.9, 1.0, 1.1, 0.9], 1, Rules()).verdict
    <Verdict.PROMOTED: 'promoted'>
    >>> judged([-1.0, -0.9, -1.1, -1.0], 1, Rules()).verdict
    <Verdict.DEMOTED: 'demoted'>
    """
    share = level(number, rules.alpha)
    if rules.exact:
        return _compared(summary(gains), share, rules)
    at = _first_crossing(gains, share, rules)
    seen = summary(gains if at is None else gains[:at])
    found = bounds(seen, share, rules.scale)
    return Standing(_verdict(seen, at is not None, share, rules), seen, found, share, seen.n >= rules.cap)


def judged_on_all(
    gains: Sequence[float], parts: Mapping[str, Sequence[float]], number: int, rules: Rules
) -> tuple[Standing, tuple[str, ...]]:
    """Where a finalist stands that must gain on the whole and on every part; and the parts that held it back.

    Each part is tested at the finalist's full share of alpha: who is promoted has passed every test, so the chance of
    a promotion without a gain somewhere is no larger than that of one test. The gate is the whole's; a part's is 0.

    >>> sure, unsure = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9], [0.1, -0.2, 0.3, -0.4, 0.2, -0.1]
    >>> found, held = judged_on_all(sure, {"loss": sure, "tasks": unsure}, 1, Rules(cap=6))
    >>> found.verdict, held
    (<Verdict.NOT_PROMOTED: 'not promoted'>, ('tasks',))
    """
    whole = judged(gains, number, rules)
    verdicts = {name: judged(part, number, replace(rules, gate=0.0)).verdict for name, part in parts.items()}
    short = tuple(name for name, verdict in verdicts.items() if verdict is not Verdict.PROMOTED)
    if whole.verdict not in (Verdict.PROMOTED, Verdict.OPEN) or not short:
        return whole, ()
    is_settled = any(verdicts[name] is not Verdict.OPEN for name in short)
    return replace(whole, verdict=Verdict.NOT_PROMOTED if is_settled else Verdict.OPEN), short


def wanted(
    measured: Mapping[str, Sequence[float]],
    numbers: Mapping[str, int],
    rules: Rules,
    parts: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
) -> dict[str, int]:
    """How many further replicates each finalist gets now; those with a verdict are left out, so {} is the end.

    >>> wanted({"a": [], "b": [-1.0, -0.9, -1.1, -1.0]}, {"a": 1, "b": 2}, Rules())
    {'a': 4}
    """
    more: dict[str, int] = {}
    for name, gains in measured.items():
        if len(gains) < rules.first:
            more[name] = rules.first - len(gains)
        elif judged_on_all(gains, parts[name] if parts else {}, numbers[name], rules)[0].verdict is Verdict.OPEN:
            more[name] = min(rules.step, rules.cap - len(gains))
    return more


def _compared(seen: Summary, share: float, rules: Rules) -> Standing:
    """Without noise: the gain clears the gate or it does not."""
    if seen.n < rules.first:
        verdict = Verdict.OPEN
    else:
        verdict = Verdict.PROMOTED if seen.mean > rules.gate else Verdict.DEMOTED
    return Standing(verdict, seen, Bounds(seen.mean, seen.mean), share, seen.n >= rules.cap)


def _first_crossing(gains: Sequence[float], share: float, rules: Rules) -> int | None:
    """The number of replicates at which the evidence sufficed first."""
    for n in range(rules.first, len(gains) + 1):
        if log_e_value(summary(gains[:n]), rules.gate, rules.scale) >= -math.log(share):
            return n
    return None


def _verdict(seen: Summary, crossed: bool, share: float, rules: Rules) -> Verdict:
    if crossed:
        return Verdict.PROMOTED
    if seen.n < rules.first or (seen.n < rules.cap and _can_win(seen, share, rules)):
        return Verdict.OPEN
    return Verdict.NOT_PROMOTED if seen.mean > rules.gate else Verdict.DEMOTED


def _can_win(seen: Summary, share: float, rules: Rules) -> bool:
    """Whether the evidence at the cap would suffice if the true gain lay well above the mean seen so far."""
    error = seen.standard_error
    if error is None or error == 0.0:
        return seen.mean > rules.gate
    distance = (seen.mean - rules.gate) / error + rules.optimism  # in standard errors of now
    at_cap = distance * math.sqrt(rules.cap / seen.n)
    return log_e_of_t(rules.cap, at_cap, rules.scale) >= -math.log(share)
