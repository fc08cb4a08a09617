"""References and broken controls on the CPU proxy, with paired seeds and intervals: the tables of docs/rl.md.

    python benchmarks/rl_proxy.py --programs grpo dr_grpo no_op --seeds 8
    python benchmarks/rl_proxy.py --programs grpo --file best/program.py --seeds 8 --first-seed 1000
    python benchmarks/rl_proxy.py --report                                  (what was measured so far)

Every program goes through the domain's own training and scoring: three learning rates, the best of them on one part of
the held-out prompts, the accuracy on another; only early abort is off, so that controls are measured to their end.
`coin` is GRPO with a reward that does not look at the completion. A file is a loss of your own (an evolved one should
meet seeds that its campaign has not seen); it is named by its content. Runs are kept in a file and not made again. One
process, one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from rl import base, exchange, measure, rules
from rl.domain import PRELOAD
from rl.exchange import INSIDE
from rl.inside.sorting import Reward
from rl.recipes import RUNGS, Recipe
from rl.reference import CONTROLS, NAMES, program
from tasks.artefacts import UriWorkspace
from tasks.contract import Failure, Sandbox, Trained
from tasks.sandbox import open_sandbox

BASELINE = "grpo"
SPURIOUS: Reward = "coin"
GAIN = 0.02
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Result:
    """One program at one seed."""

    name: str
    seed: int
    accuracy: float
    learning_rate: float
    kl_nats: float
    cpu_s: float


def run(name: str, code: str, seed: int, recipe: Recipe, sandbox: Sandbox) -> Result:
    """Train and score. Raises RuntimeError if the program fails."""
    recipe = replace(recipe, abort_at=0, reward=SPURIOUS if name == SPURIOUS else recipe.reward)
    began_s = time.process_time()
    fitted = exchange.fit(code, recipe, base.weights(recipe.base), seed, rules.uses_reference(code), sandbox)
    if isinstance(fitted, Failure):
        raise RuntimeError(f"{name}, seed {seed}: {fitted.reason}")
    with tempfile.TemporaryDirectory() as folder:
        place = UriWorkspace(Path(folder).as_uri())
        artefacts = measure.kept(fitted, place)
        summary = {"rates": {rate: measure.summary(curve) for rate, curve in fitted.curves.items()}}
        found = measure.measured(Trained(artefacts, summary), recipe, place)
    if isinstance(found, Failure):
        raise RuntimeError(f"{name}, seed {seed}: {found.reason}")
    cpu_s = fitted.cost.cpu_s + time.process_time() - began_s
    metrics = found.metrics
    return Result(name, seed, metrics["accuracy"], metrics["learning_rate"], metrics["kl_nats"], cpu_s)


def programs(asked: argparse.Namespace) -> dict[str, str]:
    """What is to be measured, by name."""
    named = {name: program(BASELINE if name == SPURIOUS else name) for name in asked.programs}
    codes = [path.read_text(encoding="utf-8") for path in asked.file]
    return named | {f"file {hashlib.sha256(code.encode()).hexdigest()[:8]}": code for code in codes}


def digest(recipe: Recipe) -> str:
    """Of everything that a result depends on, torch's version apart."""
    made = hashlib.sha256(json.dumps(dataclasses.asdict(recipe)).encode())
    for name in ("policy.py", "training.py", "sorting.py", "optimiser.py", "shape.py"):
        made.update((INSIDE / name).read_bytes())
    return made.hexdigest()[:12]


def stored(file: Path, key: str) -> dict[tuple[str, int], Result]:
    """What was measured under this key."""
    lines = file.read_text().splitlines() if file.exists() else []
    entries = [json.loads(line) for line in lines]
    results = [Result(**entry["result"]) for entry in entries if entry["key"] == key]
    return {(result.name, result.seed): result for result in results}


def by_seed(results: Mapping[tuple[str, int], Result], name: str) -> dict[int, float]:
    """A program's accuracies."""
    return {seed: result.accuracy for (found, seed), result in results.items() if found == name}


def compared(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[float, float, float, float, int]:
    """Mean paired difference, half its 95% interval, its deviation, the correlation of the pairs, and their number."""
    seeds = sorted(set(one) & set(other))
    a, b = np.array([one[seed] for seed in seeds]), np.array([other[seed] for seed in seeds])
    gaps, count = a - b, len(seeds)
    if count < 2:
        return float(gaps.mean()), math.nan, math.nan, math.nan, count
    deviation = float(gaps.std(ddof=1))
    half = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    is_flat = min(a.std(), b.std()) == 0.0
    correlation = math.nan if is_flat or count < 3 else float(np.corrcoef(a, b)[0, 1])
    return float(gaps.mean()), half, deviation, correlation, count


def seeds_needed(deviation: float, gain: float = GAIN, power: float = POWER) -> int:
    """The fewest seeds at which a two-sided t test at 5% sees a gain with that power, differences normal.

    >>> seeds_needed(0.01), seeds_needed(0.03)
    (5, 20)
    """
    for count in range(2, 1000):
        critical = stats.t.ppf(0.975, count - 1)
        centre = gain / deviation * math.sqrt(count)
        if 1.0 - stats.nct.cdf(critical, count - 1, centre) >= power:
            return count
    return 1000


def report(results: Mapping[tuple[str, int], Result]) -> None:
    """The table, in the order of accuracy."""
    names = {name for name, _ in results}
    means = {name: float(np.mean(list(by_seed(results, name).values()))) for name in names}
    baseline = by_seed(results, BASELINE)
    head = ("program", "seeds", "accuracy", "sd", "against GRPO, 95%", "r", "n", "CPU s")
    print("{:>18} {:>5} {:>8} {:>6} {:>20} {:>6} {:>3} {:>6}".format(*head))
    for name in sorted(names, key=lambda name: -means[name]):
        values = by_seed(results, name)
        gap, half, deviation, correlation, _ = compared(values, baseline)
        needed = "" if name == BASELINE or not deviation > 0 else str(seeds_needed(deviation))
        spread = np.std(list(values.values()), ddof=1) if len(values) > 1 else math.nan
        cpu_s = np.mean([result.cpu_s for (found, _), result in results.items() if found == name])
        against = "" if name == BASELINE else f"{gap:+.4f} +- {half:.4f}"
        print(f"{name:>18} {len(values):5d} {means[name]:8.4f} {spread:6.4f} {against:>20} {correlation:6.2f} "
              f"{needed:>3} {cpu_s:6.1f}")  # fmt: skip
    if len(baseline) > 1:
        deviation = float(np.std(list(baseline.values()), ddof=1))
        for name in [name for name in (*CONTROLS, SPURIOUS) if name in names]:
            print(f"{name}: {(means[BASELINE] - means[name]) / deviation:.0f} sd of GRPO's seeds below GRPO")
        print(f"unpaired, {seeds_needed(deviation * math.sqrt(2))} seeds each would be needed for {GAIN:.0%}")


def measure_all(asked: argparse.Namespace, recipe: Recipe, key: str) -> dict[tuple[str, int], Result]:
    """Every program at every seed that is not in the file yet; seeds outermost, so that pairs are complete."""
    results = stored(asked.results, key)
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_sandbox(Path(scratch), unsafe=False, preload=PRELOAD) as sandbox,
    ):
        codes = programs(asked)
        seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
        todo = [(name, seed) for seed in seeds for name in codes if (name, seed) not in results]
        for name, seed in todo:
            result = results[name, seed] = run(name, codes[name], seed, recipe, sandbox)
            print(f"{name} seed {seed}: {result.accuracy:.4f} at lr {result.learning_rate:g}, {result.cpu_s:.1f} CPU s",
                  flush=True)  # fmt: skip
            with asked.results.open("a") as file:
                file.write(json.dumps({"key": key, "result": dataclasses.asdict(result)}) + "\n")
    return results


def main() -> None:
    """Measure what is missing, then print the table."""
    everything = (*NAMES, *CONTROLS, SPURIOUS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", choices=everything, default=list(everything), metavar="NAME")
    parser.add_argument("--file", nargs="*", type=Path, default=[], help="losses of your own, beside --programs")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rung", choices=list(RUNGS), default="laptop")
    parser.add_argument("--graded", action="store_true", help="reward by the share of the right prefix, not 0 or 1")
    parser.add_argument("--results", type=Path, default=base.folder() / "proxy.jsonl")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    recipe = replace(RUNGS[asked.rung], reward="graded") if asked.graded else RUNGS[asked.rung]
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    key = digest(recipe)
    results = stored(asked.results, key) if asked.report else measure_all(asked, recipe, key)
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; rung {asked.rung}"
          f"{', graded rewards' if asked.graded else ''}")  # fmt: skip
    report(results)


if __name__ == "__main__":
    main()
