"""Is a planted gain of two points found at the stated number of seeds? Simulated, with a loss whose gain is dialled.

    python benchmarks/rl_power.py search --dials 0.25 0.5 1 --seeds 4   which dial gives about two points (seeds 2000..)
    python benchmarks/rl_power.py measure --dial 0.5 --seeds 24         the gain itself, on seeds from 5000
    python benchmarks/rl_power.py report --dial 0.5

The planted loss is GRPO whose advantages go, by `dial`, from GRPO's (0) to those of a loss that is known to be better
on this proxy (1). Both are trained and scored as by rl_proxy.py, paired by seed. Then campaigns are played: n seeds are
drawn without replacement from those that were measured, and a two-sided t test of the n paired differences is made at
5%. The share that finds the gain is the power at n: an unbiased estimate, as any n of the seeds are a sample of n. Its
interval comes from drawing the measured seeds anew. The same is done with the differences moved to a mean of exactly 2
points, and to 0 (false alarms). Dials are chosen on other seeds than the gain is measured on. Runs are kept in a file
and not made again. One process, one thread.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.rl_proxy import BASELINE, GAIN, POWER, Result, by_seed, compared, digest, run, stored
from rl import base
from rl.domain import PRELOAD
from rl.recipes import LAPTOP
from rl.reference import program
from tasks.sandbox import open_sandbox

SEARCHED, MEASURED = 2000, 5000  # first seeds
LEVEL = 0.05
DRAWS, OUTER, INNER = 20_000, 400, 500
COUNTS = (2, 3, 4, 5, 6, 8, 10, 12)
FOUND_BY = "    return (centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()\n"
#: The other end: each reward against part of the others' mean, in the group's deviations, more for prompts that fail.
PLANTED = """\
    stock_GK = centred_GK / (rewards_GK.std(1, keepdim=True) + 1e-4)
    others_GK = (rewards_GK.sum(1, keepdim=True) - rewards_GK) / (ctx.group_size - 1)
    lean_G1 = 1.0 + 0.5 * (1.0 - 2.0 * rewards_GK.mean(1, keepdim=True))
    other_GK = (rewards_GK - 0.8 * others_GK) / (rewards_GK.std(1, keepdim=True) + 1e-2) * lean_G1
    return ((1.0 - {dial}) * stock_GK + {dial} * other_GK).flatten()
"""


def planted(dial: float) -> str:
    """GRPO with its advantages moved by so much. Raises ValueError if GRPO's source has changed."""
    code = program(BASELINE)
    if code.count(FOUND_BY) != 1:
        raise ValueError("expected GRPO's advantages to end in one return")
    return code.replace(FOUND_BY, PLANTED.format(dial=dial))


def name_of(dial: float) -> str:
    """As it is stored."""
    return f"planted {dial:g}"


def share_found(gaps: NDArray[np.float64], count: int, draws: int, rng: np.random.Generator) -> float:
    """How often `count` of the seeds say that the planted loss is better."""
    order = rng.random((draws, len(gaps))).argsort(1)[:, :count]
    drawn = gaps[order]
    mean, deviation = drawn.mean(1), drawn.std(1, ddof=1)
    critical = float(stats.t.ppf(1.0 - LEVEL / 2, count - 1))
    return float((mean * math.sqrt(count) > critical * deviation).mean())


def interval(gaps: NDArray[np.float64], count: int, rng: np.random.Generator) -> tuple[float, float]:
    """95% of the shares that other measured seeds would have given: the seeds are drawn anew, with replacement."""
    shares = []
    for _ in range(OUTER):
        again = gaps[rng.integers(len(gaps), size=len(gaps))]
        again = again + rng.normal(0.0, 1e-9, len(again))  # two draws of one seed are no proof of a deviation of 0
        shares.append(share_found(again, count, INNER, rng))
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def computed(gain: float, deviation: float, count: int) -> float:
    """The same with normal differences."""
    critical = stats.t.ppf(1.0 - LEVEL / 2, count - 1)
    return float(1.0 - stats.nct.cdf(critical, count - 1, gain / deviation * math.sqrt(count)))


def measure(dials: Sequence[float], seeds: range, file: Path) -> dict[tuple[str, int], Result]:
    """GRPO and every dial at every seed that is not in the file yet; seeds outermost, so that pairs are complete."""
    key = digest(LAPTOP)
    results = stored(file, key)
    codes = {BASELINE: program(BASELINE)} | {name_of(dial): planted(dial) for dial in dials}
    todo = [(name, seed) for seed in seeds for name in codes if (name, seed) not in results]
    if not todo:
        return results
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_sandbox(Path(scratch), unsafe=False, preload=PRELOAD) as sandbox,
    ):
        for name, seed in todo:
            result = results[name, seed] = run(name, codes[name], seed, LAPTOP, sandbox)
            print(f"{name} seed {seed}: {result.accuracy:.4f}, {result.cpu_s:.1f} CPU s", flush=True)
            with file.open("a") as lines:
                lines.write(json.dumps({"key": key, "result": asdict(result)}) + "\n")
    return results


def searched(results: dict[tuple[str, int], Result], dials: Sequence[float], seeds: range) -> None:
    """What each dial brings."""
    stock = {seed: value for seed, value in by_seed(results, BASELINE).items() if seed in seeds}
    for dial in dials:
        gap, half, deviation, correlation, count = compared(by_seed(results, name_of(dial)), stock)
        print(f"dial {dial:g}: {gap:+.4f} +- {half:.4f} (95%, {count} seeds), sd {deviation:.4f}, r {correlation:.2f}")


def report(results: dict[tuple[str, int], Result], dial: float) -> None:
    """The gain that is really there, and how often n seeds find it."""
    one, stock = (
        {seed: value for seed, value in by_seed(results, name).items() if seed >= MEASURED}
        for name in (name_of(dial), BASELINE)
    )
    gap, half, deviation, correlation, count = compared(one, stock)
    print(f"dial {dial:g}, {count} paired seeds from {MEASURED}: GRPO {np.mean(list(stock.values())):.4f}, "
          f"gain {gap:+.4f} +- {half:.4f} (95%), sd {deviation:.4f}, correlation {correlation:.2f}")  # fmt: skip
    gaps = np.array([one[seed] - stock[seed] for seed in sorted(set(one) & set(stock))])
    rng = np.random.default_rng(1)
    print(
        f"share of {DRAWS} draws in which n seeds find it (two-sided t test at {LEVEL:.0%}), its 95% interval, computed"
    )
    print(
        f"{'n':>3} {'as it is':>10} {'interval':>13} {'computed':>9} {'at 2 points':>12} {'interval':>13} {'at 0':>6}"
    )
    for n in [n for n in COUNTS if n <= count // 2]:
        at = {name: gaps - gap + mean for name, mean in (("as is", gap), ("two", GAIN), ("none", 0.0))}
        shares = {name: share_found(values, n, DRAWS, rng) for name, values in at.items()}
        spans = {name: "{:.2f} to {:.2f}".format(*interval(at[name], n, rng)) for name in ("as is", "two")}
        print(f"{n:3d} {shares['as is']:10.3f} {spans['as is']:>13} {computed(gap, deviation, n):9.3f} "
              f"{shares['two']:12.3f} {spans['two']:>13} {shares['none']:6.3f}")  # fmt: skip
    fewest = next((n for n in range(2, count + 1) if share_found(gaps - gap + GAIN, n, DRAWS, rng) >= POWER), None)
    print(f"fewest seeds that find exactly {GAIN:.0%} with {POWER:.0%} power: {fewest or f'more than {count}'}")


def main() -> None:
    """Search a dial, measure its gain, or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "measure", "report"])
    parser.add_argument("--dials", nargs="+", type=float, default=[0.25, 0.5, 1.0], help="for search")
    parser.add_argument("--dial", type=float, default=0.5, help="for measure and report")
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--results", type=Path, default=base.folder() / "power.jsonl")
    asked = parser.parse_args()
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if asked.what == "search":
        seeds = range(SEARCHED, SEARCHED + asked.seeds)
        searched(measure(asked.dials, seeds, asked.results), asked.dials, seeds)
        return
    seeds = range(MEASURED, MEASURED + (asked.seeds if asked.what == "measure" else 0))
    report(measure([asked.dial], seeds, asked.results), asked.dial)


if __name__ == "__main__":
    main()
