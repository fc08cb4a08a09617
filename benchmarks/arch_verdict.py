"""Does an evolved mixer beat DeltaNet and Gated DeltaNet? On fresh seeds, at equal state size, with the interval.

    nightshift run campaigns/arch-laptop.toml && nightshift best arch-laptop --out best
    python -m benchmarks.arch_verdict --program best/program.py --seeds 5 --out arch-verdict.jsonl

The program and both references run on the harder level of recall (24 keys, each bound twice, in a state that eight
fill) and on text, all three learning rates each, through the sandbox as in benchmarks/arch_proxy.py, and at seeds that
no campaign uses. At each seed a mixer is reported at the rate that was best there on prompts of their own: the same
procedure for all three. What is compared is the paired difference per seed; its interval is Student's t over seeds. A
line of `--out` per training run; what is there is not run again.
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
from pathlib import Path

from scipy.stats import t as student

from arch import budget, exchange
from arch.domain import PRELOAD
from arch.recipes import LAPTOP, RATES
from arch.reference import program
from cognition.records import FRESH_FROM
from tasks.contract import Failure, Sandbox
from tasks.sandbox import open_sandbox

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its path, what is not installed is found here

from benchmarks.arch_proxy import RUNS, Result, at_best_rate, complete, measure, read

EVOLVED = "evolved"
REFERENCES = ("delta_net", "gated_delta_net")
TASKS = ("hard", "text")


@dataclass(frozen=True)
class Compared:
    """A paired comparison; positive gains are in favour of the evolved mixer."""

    reference: str
    task: str
    gains: tuple[float, ...]
    low: float
    high: float

    @property
    def words(self) -> str:
        """What the interval says."""
        if self.low > 0:
            return "yes"
        return "no, it is worse" if self.high < 0 else "not shown"


def by_seed(results: Sequence[Result], mixer: str, task: str) -> dict[int, float]:
    """What a mixer is reported at, by seed."""
    best = at_best_rate(results, mixer, task)
    return {seed: result.reported for seed, result in best.items() if result.reported is not None}


def failed(results: Sequence[Result], mixer: str, task: str) -> int:
    """At how many seeds no learning rate gave a number."""
    return len(complete(results, mixer, task, RATES)) - len(by_seed(results, mixer, task))


def compared(results: Sequence[Result], reference: str, task: str, level: float = 0.95) -> Compared | None:
    """The paired difference with its interval; None below two shared seeds.

    >>> def runs(mixer, values):
    ...     return [Result(mixer, "hard", rate, s, v, v, 1.0) for s, v in enumerate(values) for rate in RATES]
    >>> found = compared(runs("evolved", [0.7, 0.9]) + runs("delta_net", [0.5, 0.8]), "delta_net", "hard")
    >>> [round(gain, 2) for gain in found.gains], round(found.low, 2), round(found.high, 2), found.words
    ([0.2, 0.1], -0.49, 0.79, 'not shown')
    """
    sign = -1.0 if task == "text" else 1.0
    ours, theirs = by_seed(results, EVOLVED, task), by_seed(results, reference, task)
    gains = tuple(sign * (ours[seed] - theirs[seed]) for seed in ours if seed in theirs)
    if len(gains) < 2:
        return None
    half = float(student.ppf(0.5 + level / 2, len(gains) - 1)) * statistics.stdev(gains) / math.sqrt(len(gains))
    mean = statistics.fmean(gains)
    return Compared(reference, task, gains, mean - half, mean + half)


def tables(results: Sequence[Result], sizes: dict[str, dict[str, float]]) -> Iterator[str]:
    """Sizes, means, and the verdicts."""
    yield "| mixer | parameters | state numbers | FLOPs per token | recall, hard: mean (sd) | text, bits per byte |"
    yield "|---|---:|---:|---:|---:|---:|"
    for mixer in (EVOLVED, *REFERENCES):
        cells = [f"{sizes[mixer][name]:.0f}" for name in budget.NAMES] if mixer in sizes else ["", "", ""]
        values = [_mean(results, mixer, task) for task in TASKS]
        yield f"| {mixer} | {' | '.join(cells + values)} |"
    yield ""
    yield "| evolved against | on | gain: mean | 95% interval | seeds | better? |"
    yield "|---|---|---:|---:|---:|---|"
    for reference in REFERENCES:
        for task in TASKS:
            if (found := compared(results, reference, task)) is not None:
                mean = statistics.fmean(found.gains)
                interval = f"{found.low:+.3f} to {found.high:+.3f}"
                yield f"| {reference} | {task} | {mean:+.3f} | {interval} | {len(found.gains)} | {found.words} |"


def _mean(results: Sequence[Result], mixer: str, task: str) -> str:
    values = list(by_seed(results, mixer, task).values())
    without = f", {lost} of {lost + len(values)} seeds failed" if (lost := failed(results, mixer, task)) else ""
    if len(values) < 2:
        return f"not measured{without}"
    return f"{statistics.fmean(values):.3f} ({statistics.stdev(values):.3f}){without}"


def measured_sizes(codes: dict[str, str], sandbox: Sandbox) -> dict[str, dict[str, float]]:
    """Parameters, state and FLOPs of each, as the checks measure them. Raises RuntimeError if one cannot be probed."""
    found = {}
    for mixer, code in codes.items():
        probed = exchange.probe(code, LAPTOP, budget.CHECKS, (97,), sandbox)
        if isinstance(probed, Failure):
            raise RuntimeError(f"{mixer}: {probed.reason}")
        found[mixer] = budget.sizes(probed.numbers)
    return found


def run_missing(codes: dict[str, str], seeds: int, out: Path, sandbox: Sandbox) -> None:
    """Seed by seed, the mixers in turns, so that drift of the machine and an early stop hit all alike."""
    done = {result.key for result in read(out)}
    for seed in range(FRESH_FROM, FRESH_FROM + seeds):
        for task in TASKS:
            for rate in RATES:
                for mixer, code in codes.items():
                    if (mixer, task, rate, seed) in done:
                        continue
                    result = measure(mixer, code, RUNS[task], rate, seed, sandbox)
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(result)) + "\n")
                    said = f"{mixer} {task} lr {rate:g} seed {seed - FRESH_FROM}: {result.reported} {result.failure}"
                    print(said, file=sys.stderr)


def main() -> int:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="the evolved mixer")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("arch-verdict.jsonl"))
    chosen = parser.parse_args()
    codes = {EVOLVED: chosen.program.read_text(encoding="utf-8")} | {name: program(name) for name in REFERENCES}
    with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
        sizes = measured_sizes(codes, sandbox)
        run_missing(codes, chosen.seeds, chosen.out, sandbox)
    print("\n".join(tables(read(chosen.out), sizes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
