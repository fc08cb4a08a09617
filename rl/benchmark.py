"""Benchmarks of a trained model, by hand: checks what a run left, lets it answer, and prints a table.

    python -m rl.benchmark --run run --suite maths                       what rl.train_gpu left in run/weights
    python -m rl.benchmark --model Qwen/Qwen3-4B-Base --suite maths      the model that it started from
    python -m rl.benchmark --run run --suite maths --problems offline --device cpu --samples 2 --longest 16

The last one needs no network: a few problems of our own, shaped as the real sets; such figures mean nothing. Trusted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from rl.gpu import exported
from rl.gpu.plan import GIVEN_UP, read
from rl.language.evaluate import OFFLINE, Asked, Model, Result, benchmarked
from rl.language.suites import SUITES
from rl.weights import Unreadable
from tasks.contract import MachineFault


def of_run(folder: Path, device: str, engine: str) -> Model:
    """What a training run left, if it is exactly that. Raises Unreadable, OSError."""
    plan, weights = read(folder / "run.json"), folder / "weights"
    if (folder / GIVEN_UP).exists():
        raise Unreadable(f"{folder} was given up: the mean reward had halved")
    if not weights.is_dir():
        raise Unreadable(f"{weights} is not there: has the run ended?")
    exported.check(weights, exported.expected(plan.model, plan.lora_rank))
    if plan.lora_rank:
        return Model(plan.model, str(weights), str(weights), engine, device)
    return Model(str(weights), str(weights), None, engine, device)


def table(results: dict[str, Result]) -> str:
    """For people."""
    lines = [f"{'benchmark':<28} {'right':>7} {'s.e.':>7} {'problems':>9} {'samples':>8}"]
    for name, each in results.items():
        error = "" if each.standard_error is None else f"{each.standard_error:.4f}"
        lines.append(f"{name:<28} {each.value:>7.4f} {error:>7} {each.problems:>9} {each.samples:>8}")
    for name, each in results.items():
        lines += [f"{name}: passed over, {why}" for why in each.passed_over]
    return "\n".join(lines)


def main() -> None:
    """Print the table, or say in one line what is missing."""
    asked = _parser().parse_args()
    problems = OFFLINE if asked.problems == "offline" else Path(asked.problems) if asked.problems else None
    try:
        if asked.run:
            model = of_run(asked.run, asked.device, asked.engine)
        else:
            model = Model(asked.model, asked.model, None, asked.engine, asked.device)
        how = Asked(asked.samples, asked.limit, asked.longest, asked.seed)
        results = benchmarked(model, SUITES[asked.suite], how, problems, asked.unsafe_no_sandbox)
    except (MachineFault, Unreadable, OSError, ValueError) as error:
        sys.exit(f"benchmark: {(str(error).splitlines() or [type(error).__name__])[0]}")
    sys.stdout.write(table(results) + "\n")
    if asked.out:
        asked.out.write_text(json.dumps({name: dataclasses.asdict(each) for name, each in results.items()}, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=Path, help="the --out of rl.train_gpu")
    which.add_argument("--model", help="a name on the hub or a folder")
    parser.add_argument("--suite", choices=list(SUITES), default="maths")
    parser.add_argument("--problems", help="offline, or a folder with NAME.jsonl; left out: the hub's data sets")
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--samples", type=int, help="answers to each problem; left out: as the task says")
    parser.add_argument("--limit", type=int, help="problems of each task")
    parser.add_argument("--longest", type=int, help="tokens of an answer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--unsafe-no-sandbox", action="store_true", help="let programs that a model wrote run unconfined"
    )
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    return parser


if __name__ == "__main__":
    main()
