"""How often noise is crowned, and how often a real gain is found: simulated campaigns through tasks/trust itself.

    python -m benchmarks.false_winners [--campaigns 1000] [--nights 5] [--seed 0]

An A/A campaign: every candidate is the baseline up to noise. Each night brings new candidates; the best on that night's
scores become finalists and race on fresh seeds, numbered on from the night before. A campaign counts as false if it
promotes anything, in any night. Beside it, on the same draws, what people do without a correction:

- best of all by its mean: the campaign's best explore score is above the baseline's
- t-test at every look: an ordinary one-sided t-test at 5% after each replicate
- t-test once: the same at the cap only

Power: one candidate has a gain of 2 sd, the sd being that of one evaluation of one program, and nothing is won by
pairing (the difference of two runs has sqrt(2) times the sd, the least favourable case). A few minutes on one core.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from scipy.stats import t as student

from tasks.trust import Rules, Verdict, judged, wanted

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Array]

ROUNDS, FINALISTS, EXPLORE = 40, 5, 3  # per night: candidates, those that are re-tested, replicates of each candidate


def _coarse(rng: np.random.Generator, n: int) -> Array:
    """Accuracy on 50 questions: a lattice with ties."""
    return np.asarray((rng.binomial(50, 0.5, n) - 25.0) / math.sqrt(12.5))


def _skewed(rng: np.random.Generator, n: int) -> Array:
    return np.asarray((rng.lognormal(0.0, 1.0, n) - math.exp(0.5)) / math.sqrt((math.e - 1.0) * math.e))


#: Noise of one evaluation with mean 0 and standard deviation 1.
SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy tails (t, 3 df)": lambda rng, n: np.asarray(rng.standard_t(3, n) / math.sqrt(3.0)),
    "skewed (lognormal)": _skewed,
    "coarse (50 questions)": _coarse,
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What one simulated campaign came to."""

    promoted: bool
    by_mean: bool
    at_every_look: bool
    once: bool
    replicates: float  # spent per finalist


@dataclass(frozen=True, slots=True)
class Shares:
    """A share with its exact 95% interval (Clopper and Pearson)."""

    hits: int
    n: int

    def __str__(self) -> str:
        low = 0.0 if self.hits == 0 else float(beta.ppf(0.025, self.hits, self.n - self.hits + 1))
        high = 1.0 if self.hits == self.n else float(beta.ppf(0.975, self.hits + 1, self.n - self.hits))
        return f"{self.hits / self.n:6.1%}  [{low:.1%}, {high:.1%}]"


def race(differences: dict[str, Array], numbers: dict[str, int], rules: Rules) -> dict[str, list[float]]:
    """Run a race over gains that are laid out beforehand; the gains that were used."""
    used: dict[str, list[float]] = {name: [] for name in differences}
    while more := wanted(used, numbers, rules):
        for name, count in more.items():
            at = len(used[name])
            used[name] += differences[name][at : at + count].tolist()
    return used


def campaign(rng: np.random.Generator, draw: Draw, nights: int, rules: Rules) -> Tally:
    """An A/A campaign of several nights."""
    base_explore = draw(rng, EXPLORE).mean()
    best, spent, won, looks, once = -math.inf, 0, False, False, False
    for night in range(nights):
        explore = draw(rng, ROUNDS * EXPLORE).reshape(ROUNDS, EXPLORE).mean(axis=1)
        best = max(best, float(explore.max()))
        baseline = draw(rng, rules.cap)
        gains = {f"{night}.{k}": draw(rng, rules.cap) - baseline for k in range(FINALISTS)}
        numbers = {name: night * FINALISTS + k + 1 for k, name in enumerate(gains)}
        used = race(gains, numbers, rules)
        spent += sum(map(len, used.values()))
        won |= any(judged(used[name], numbers[name], rules).verdict is Verdict.PROMOTED for name in used)
        p_values = np.array([list(_p_values(gain)) for gain in gains.values()])
        looks |= bool((p_values < rules.alpha).any())
        once |= bool((p_values[:, -1] < rules.alpha).any())
    return Tally(won, bool(best > base_explore), looks, once, spent / (nights * FINALISTS))


def _p_values(gains: Array) -> Iterator[float]:
    """One-sided t-tests after each replicate from the third on."""
    for n in range(3, len(gains) + 1):
        sd = gains[:n].std(ddof=1)
        t = gains[:n].mean() / (sd / math.sqrt(n)) if sd > 0 else 0.0
        yield float(student.sf(t, n - 1))


def found(rng: np.random.Generator, draw: Draw, gain: float, number: int, rules: Rules) -> tuple[bool, int]:
    """Whether a finalist with a real gain is promoted, and after how many replicates it is settled."""
    used = race({"x": draw(rng, rules.cap) + gain - draw(rng, rules.cap)}, {"x": number}, rules)["x"]
    return judged(used, number, rules).verdict is Verdict.PROMOTED, len(used)


def found_among_others(rng: np.random.Generator, draw: Draw, gain: float, rules: Rules) -> bool:
    """Whether the only good one of a night's candidates becomes a finalist and is promoted."""
    explore = draw(rng, ROUNDS * EXPLORE).reshape(ROUNDS, EXPLORE).mean(axis=1)
    explore[0] += gain
    rank = int((explore > explore[0]).sum())
    return rank < FINALISTS and found(rng, draw, gain, rank + 1, rules)[0]


def aa_table(campaigns: int, nights: int, seed: int, rules: Rules) -> None:
    """Shares of campaigns that promote something although nothing is better."""
    print(f"\nA/A: {campaigns} campaigns of {nights} nights; {ROUNDS} candidates and {FINALISTS} finalists a night")
    for shape, draw in SHAPES.items():
        rng = np.random.default_rng(seed)
        done = [campaign(rng, draw, nights, rules) for _ in range(campaigns)]
        print(f"  {shape}, {np.mean([tally.replicates for tally in done]):.1f} replicates per finalist")
        rows = {
            "promoted by these rules": [tally.promoted for tally in done],
            "best of all by its mean": [tally.by_mean for tally in done],
            "t-test at every look": [tally.at_every_look for tally in done],
            "t-test once, at the cap": [tally.once for tally in done],
        }
        for name, hits in rows.items():
            print(f"    {name:26s} {Shares(sum(hits), campaigns)}", flush=True)


def power_table(campaigns: int, seed: int, rules: Rules) -> None:
    """How often a real gain is promoted."""
    print(f"\nPower: {campaigns} finalists each, normal noise, at most {rules.cap} replicates")
    draw = SHAPES["normal"]
    for gain in (1.0, 2.0, 3.0):
        for number in (1, 5, 25, 150):
            rng = np.random.default_rng(seed)
            done = [found(rng, draw, gain, number, rules) for _ in range(campaigns)]
            mean_n = np.mean([n for _, n in done])
            hits = Shares(sum(hit for hit, _ in done), campaigns)
            print(f"  gain {gain:g} sd, finalist no. {number:<4d} {hits}  {mean_n:5.1f} replicates", flush=True)
    rng = np.random.default_rng(seed)
    among = sum(found_among_others(rng, draw, 2.0, rules) for _ in range(campaigns))
    print(f"  gain 2 sd, one of {ROUNDS} candidates of a first night: {Shares(among, campaigns)}")


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--nights", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--optimism", type=float, default=Rules().optimism)
    parser.add_argument("--cap", type=int, default=Rules().cap)
    parser.add_argument("--power-only", action="store_true")
    chosen = parser.parse_args()
    rules = Rules(optimism=chosen.optimism, cap=chosen.cap)
    print(rules)
    started = time.process_time()
    if not chosen.power_only:
        aa_table(chosen.campaigns, chosen.nights, chosen.seed, rules)
    power_table(chosen.campaigns, chosen.seed, rules)
    print(f"\n{time.process_time() - started:.0f} CPU-s")


if __name__ == "__main__":
    main()
