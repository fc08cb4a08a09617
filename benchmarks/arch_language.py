"""What the offline language benchmarks cost and say: three local tasks through lm-eval, the model in the sandbox.

    python -m benchmarks.arch_language --mixers delta_net --seed 1

Trains each mixer on the laptop rung's text run first. Times are CPU seconds of this process and of the sandbox.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from arch import exchange
from arch.corpus import corpus
from arch.domain import PRELOAD
from arch.language.asker import asker
from arch.language.evaluate import benchmarked
from arch.language.suites import OFFLINE
from arch.recipes import LAPTOP, TEXT
from arch.reference import program
from tasks.contract import Failure, Finished, Job, Sandbox
from tasks.sandbox import open_sandbox


class Counting:
    """A sandbox that adds up the CPU time of its jobs."""

    def __init__(self, inner: Sandbox) -> None:
        self.inner, self.cpu_s, self.jobs = inner, 0.0, 0

    @property
    def tier(self) -> str:
        """The inner one's."""
        return self.inner.tier

    def run(self, job: Job) -> Finished | Failure:
        """Run it and count."""
        done = self.inner.run(job)
        self.jobs += 1
        self.cpu_s += done.cost.cpu_s if isinstance(done, Finished) else 0.0
        return done


def measure(name: str, seed: int, sandbox: Sandbox) -> None:
    """Train, ask, print."""
    run = next(run for run in LAPTOP.runs if run.name == TEXT)
    fitted = exchange.fit(program(name), LAPTOP, run, run.learning_rates[0], seed, corpus().train, sandbox)
    if isinstance(fitted, Failure) or fitted.weights is None:
        raise SystemExit(f"{name} was not trained: {fitted}")
    counting = Counting(sandbox)
    began = time.process_time()
    asked = asker(exchange.model_of(program(name), LAPTOP, run, fitted.weights), counting, OFFLINE.audited)
    done = benchmarked(asked, OFFLINE)
    own_s = time.process_time() - began
    if isinstance(done, Failure):
        raise SystemExit(f"{name} failed: {done}")
    values = " ".join(f"{key} {value:.3f}" for key, value in done.metrics.items())
    print(f"{name}: {values}")
    print(
        f"{name}: {sum(done.documents.values())} documents, {own_s:.1f} CPU s here + {counting.cpu_s:.1f} "
        f"in {counting.jobs} jobs = {own_s + counting.cpu_s:.1f} CPU s"
    )


def main() -> None:
    """Every mixer in turn; the first one pays for the import of lm-eval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixers", nargs="+", default=["delta_net", "linear_attention"])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
        print(f"sandbox: {sandbox.tier}")
        for name in asked.mixers:
            measure(name, asked.seed, sandbox)


if __name__ == "__main__":
    main()
