"""Does the CPU proxy rank mixers? Every reference mixer on every task, through the sandbox, as the domain does it.

    python benchmarks/arch_proxy.py                       # the table of docs/arch.md: updated keys, and text
    python benchmarks/arch_proxy.py --tasks hard mqar copy --seeds 5 --out arch-proxy.jsonl

By default five linear mixers and softmax attention are trained on `update` and `text`, three learning rates and three
seeds each: 108 runs of 5 to 30 CPU seconds, some 25 CPU minutes in one process. All five tasks take about two hours.
Each (mixer, task, learning rate, seed) is one training run in the sandbox; a line of `--out` per run, and what is there
already is not run again, so it can be stopped and continued. The table is made of all lines that are there. At each
seed a mixer is reported at the learning rate that was best there on prompts of their own, as in a round of a campaign.
Softmax attention is a yardstick: it does not have a state of equal size.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from scipy.stats import spearmanr

from arch import exchange, scoring
from arch.corpus import corpus
from arch.domain import PRELOAD
from arch.recipes import COPY, HARD, LAPTOP, MQAR, RATES, UPDATE, Run
from arch.reference import NAMES, program
from arch.weights import Weights
from tasks.contract import Failure, Sandbox
from tasks.sandbox import open_sandbox

RUNS = {
    "update": Run("update", UPDATE, 64, 400, 32, RATES),
    "mqar": Run("mqar", MQAR, 64, 400, 32, RATES),
    "hard": Run("hard", HARD, 128, 800, 32, RATES),
    "copy": Run("copy", COPY, 64, 400, 32, RATES, n_layers=2),
    "text": Run("text", None, 128, 150, 16, RATES),
}
#: From worse to better; equal numbers are ties. Language modelling at 1.3B: arXiv 2412.06464 (with linear attention
#: below, as in 2406.06484) and 2510.26692. Recall: 2406.06484 and 2510.26692. Orders only: their numbers have no seeds.
PUBLISHED = {
    "language": {"linear_attention": 0, "delta_net": 1, "mamba2": 2, "gated_delta_net": 3, "kimi_delta": 4},
    "recall": {"linear_attention": 0, "mamba2": 1, "delta_net": 2, "gated_delta_net": 2, "kimi_delta": 3},
}

#: What updated keys are expected to order: no forgetting, forgetting everything alike, forgetting what is overwritten.
LADDER = ("linear_attention", "mamba2", "delta_net")


@dataclass(frozen=True)
class Result:
    """One training run. `chosen` picks the learning rate, `reported` is shown: accuracy, or bits per byte."""

    mixer: str
    task: str
    learning_rate: float
    seed: int
    chosen: float | None
    reported: float | None
    cpu_s: float
    failure: str = ""

    @property
    def key(self) -> tuple[str, str, float, int]:
        """What was run."""
        return self.mixer, self.task, self.learning_rate, self.seed


def measure(mixer: str, code: str, run: Run, rate: float, seed: int, sandbox: Sandbox) -> Result:
    """Train and score one. A failure has its reason and no number."""
    fitted = exchange.fit(code, LAPTOP, run, rate, seed, corpus().train, sandbox)
    if isinstance(fitted, Failure):
        return Result(mixer, run.name, rate, seed, None, None, 0.0, fitted.reason)
    if fitted.weights is None:
        return Result(mixer, run.name, rate, seed, None, None, fitted.cpu_s, "diverged")
    scores = (
        _recall(code, run, fitted.weights, seed, sandbox) if run.task else _bits(code, run, fitted.weights, sandbox)
    )
    if isinstance(scores, Failure):
        return Result(mixer, run.name, rate, seed, None, None, fitted.cpu_s, scores.reason)
    return Result(mixer, run.name, rate, seed, *scores, fitted.cpu_s)


def _recall(code: str, run: Run, weights: bytes, seed: int, sandbox: Sandbox) -> tuple[float, float] | Failure:
    assert run.task is not None
    held_out = scoring.prompts(run.task, LAPTOP.prompts, seed)
    states = exchange.hidden(code, LAPTOP, run, weights, [held_out.tokens], sandbox)
    if isinstance(states, Failure):
        return states
    head = Weights(weights).tensor("head.weight", (run.vocabulary, LAPTOP.d_model))
    tokens = scoring.predicted(states[0], head)
    return held_out.accuracy(tokens, held_out.choosing), held_out.accuracy(tokens, held_out.reported)


def _bits(code: str, run: Run, weights: bytes, sandbox: Sandbox) -> tuple[float, float] | Failure:
    held_out = scoring.windows(corpus().held_out, run.length, 2 * LAPTOP.windows, seed=0)
    states = exchange.hidden(code, LAPTOP, run, weights, [held_out[:, :-1]], sandbox)
    if isinstance(states, Failure):
        return states
    head = Weights(weights).tensor("head.weight", (run.vocabulary, LAPTOP.d_model))
    bits = scoring.bits_per_byte(states[0], head, held_out[:, 1:])
    return float(bits[0::2].mean()), float(bits[1::2].mean())


def at_best_rate(results: Sequence[Result], mixer: str, task: str, rates: Sequence[float] = RATES) -> dict[int, Result]:
    """By seed, the run at the rate that was best on the prompts that choose.

    A seed without all rates is left out: it would give one mixer more tries than another. So is one that failed at all
    rates; `complete` has these too.
    """
    sign = -1.0 if task == "text" else 1.0
    found = {}
    for seed, mine in complete(results, mixer, task, rates).items():
        scored = [(sign * result.chosen, result) for result in mine if result.chosen is not None]
        if scored:
            found[seed] = max(scored, key=lambda pair: pair[0])[1]
    return found


def complete(results: Sequence[Result], mixer: str, task: str, rates: Sequence[float]) -> dict[int, list[Result]]:
    """By seed, the runs of the seeds at which all rates were tried."""
    by_seed: dict[int, list[Result]] = {}
    for result in results:
        if (result.mixer, result.task) == (mixer, task) and result.learning_rate in rates:
            by_seed.setdefault(result.seed, []).append(result)
    return {seed: mine for seed, mine in by_seed.items() if {r.learning_rate for r in mine} == set(rates)}


def table(results: Sequence[Result], task: str, rates: Sequence[float]) -> Iterator[str]:
    """The lines of one task's table, and how it ranks."""
    unit = "bits per byte" if task == "text" else "accuracy"
    yield f"| {task} | {unit}: mean | sd | runs >= {scoring.SOLVED} | seeds | rates chosen | CPU s a run |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    reported: dict[str, list[float]] = {}
    for mixer in dict.fromkeys((*NAMES, *(result.mixer for result in results))):
        best = list(at_best_rate(results, mixer, task, rates).values())
        if not best:
            continue
        values = reported[mixer] = [result.reported for result in best if result.reported is not None]
        sd = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "one seed"
        solved = "" if task == "text" else f"{sum(value >= scoring.SOLVED for value in values)}/{len(values)}"
        chosen = ", ".join(f"{rate:g}" for rate in sorted({result.learning_rate for result in best}))
        cpu_s = statistics.fmean(result.cpu_s for result in results if (result.mixer, result.task) == (mixer, task))
        mean = statistics.fmean(values)
        yield f"| {mixer} | {mean:.3f} | {sd} | {solved} | {len(values)} | {chosen} | {cpu_s:.0f} |"
    yield from gaps(reported, task)
    yield from correlations({mixer: statistics.fmean(values) for mixer, values in reported.items()}, task)


def gaps(reported: dict[str, list[float]], task: str) -> Iterator[str]:
    """How far apart the rungs of the ladder are, in standard deviations of the wider side and of both pooled.

    >>> print(*gaps({"linear_attention": [0.1, 0.3], "mamba2": [0.7, 0.7]}, "update"))
    <BLANKLINE>
    linear_attention < mamba2: 0.50, 3.5 sd of the wider side (5.0 of both)
    """
    ladder = [mixer for mixer in LADDER if len(reported.get(mixer, ())) > 1] if task != "text" else []
    for lower, upper in pairwise(ladder):
        below, above = reported[lower], reported[upper]
        gap = statistics.fmean(above) - statistics.fmean(below)
        variances = statistics.variance(below), statistics.variance(above)
        wider, both = math.sqrt(max(variances)), math.sqrt(statistics.fmean(variances))
        if wider > 0:
            words = f"{gap / wider:.1f} sd of the wider side ({gap / both:.1f} of both)"
            yield f"\n{lower} < {upper}: {gap:.2f}, {words}"


def correlations(means: dict[str, float], task: str) -> Iterator[str]:
    """Rank correlation with the published orders, over the mixers that were measured."""
    for name, order in PUBLISHED.items():
        shared = [mixer for mixer in order if mixer in means]
        if len(shared) >= 3:
            sign = -1.0 if task == "text" else 1.0
            rho = spearmanr([order[mixer] for mixer in shared], [sign * means[mixer] for mixer in shared]).statistic
            yield f"\nSpearman's rho with the published order of {name}: {rho:.2f} ({len(shared)} mixers)"


def read(path: Path) -> list[Result]:
    """The results so far."""
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=sorted(RUNS), default=["update", "text"])
    parser.add_argument("--mixers", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--program", type=Path, help="a mixer of your own, named by its file")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES))
    parser.add_argument("--out", type=Path, default=Path("arch-proxy.jsonl"))
    parser.add_argument("--only-print", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    if not chosen.only_print:
        with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
            run_missing(chosen, sandbox)
    results = read(chosen.out)
    for task in RUNS:
        if any(result.task == task for result in results):
            print("\n".join(table(results, task, chosen.rates)) + "\n")
    return 0


def run_missing(chosen: argparse.Namespace, sandbox: Sandbox) -> None:
    """Seed by seed, so that a run that is stopped has every mixer with few seeds rather than few mixers."""
    done = {result.key for result in read(chosen.out)}
    codes = {mixer: program(mixer) for mixer in chosen.mixers}
    if chosen.program is not None:
        codes[chosen.program.stem] = chosen.program.read_text(encoding="utf-8")
    for seed in range(chosen.seeds):
        for task in chosen.tasks:
            for mixer, code in codes.items():
                for rate in chosen.rates:
                    if (mixer, task, rate, seed) not in done:
                        result = measure(mixer, code, RUNS[task], rate, seed, sandbox)
                        with chosen.out.open("a", encoding="utf-8") as out:
                            out.write(json.dumps(asdict(result)) + "\n")
                        print(
                            f"{mixer} {task} lr {rate:g} seed {seed}: {result.reported} {result.failure}",
                            file=sys.stderr,
                        )


if __name__ == "__main__":
    sys.exit(main())
