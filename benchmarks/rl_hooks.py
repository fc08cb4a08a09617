"""What the hooks cost over stock TRL, and whether they give the same numbers: the parity table of docs/rl.md.

    python benchmarks/rl_hooks.py      (a minute)

Every loss trains the same tiny model twice, with stock TRL and through CandidateGRPOTrainer, from the same seed; the
table shows the largest difference of any logged metric. The cost is CPU time per training step, the hooks' and stock
TRL's runs taking turns, so that other work on the machine hits both. One thread. A tiny model is the worst case: the
hooks' work does not grow with the model.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from rl.hooks import Loss
from rl.reference import program
from rl.rules import uses_reference

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its path, what is not installed is found here

from tests.rl import toy_trl
from tests.rl.test_hooks import SETTINGS


def loss_of(name: str) -> Loss:
    """A reference as a loss of this process."""
    code = program(name)
    module = types.ModuleType(name)
    exec(compile(code, name, "exec"), module.__dict__)  # a file of ours, not a candidate
    return Loss(module.advantages, module.policy_loss, uses_reference(code))


def gap(stock: list[dict[str, float]], ours: list[dict[str, float]]) -> tuple[float, str]:
    """The largest difference of any metric at any step, and whose."""
    found = [
        (abs(value - after[key]), key)
        for before, after in zip(stock, ours, strict=True)
        for key, value in before.items()
        if value == value and after[key] == after[key]  # both are nan where nothing was clipped
    ]
    return max(found)


def parity(names: list[str], folder: Path) -> None:
    """The table."""
    print(f"{'loss':>8} {'metrics':>8} {'largest difference':>20}  of")
    for name in names:
        stock = toy_trl.history(folder / f"{name}-stock", None, **SETTINGS[name])
        ours = toy_trl.history(folder / f"{name}-ours", loss_of(name), **SETTINGS[name])
        size, key = gap(stock, ours)
        print(f"{name:>8} {sum(map(len, stock)):8d} {size:20.1e}  {key}", flush=True)


def cpu_ms_per_step(folder: Path, loss: Loss | None, steps: int, width: int) -> float:
    """CPU milliseconds of one step; the trainer's construction is not counted."""
    settings: dict[str, Any] = {**SETTINGS["dapo"], "max_steps": steps, "width": width}
    made = toy_trl.trainer(folder, loss, **settings)
    began_s = time.process_time()
    made.train()
    return 1000 * (time.process_time() - began_s) / steps


def overhead(steps: int, repeats: int, width: int, folder: Path) -> None:
    """Both in turn; medians, and the spread of the ratio."""
    loss, pairs = loss_of("dapo"), []
    for number in range(repeats + 1):
        turns = [None, loss] if number % 2 else [loss, None]  # neither is always the second
        spent = {turn: cpu_ms_per_step(folder / f"{number}-{turn is None}", turn, steps, width) for turn in turns}
        pairs.append((spent[None], spent[loss]))
    pairs = pairs[1:]  # the first pair warms up
    ratios = sorted(ours / stock - 1.0 for stock, ours in pairs)
    stock_ms, ours_ms = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"width {width}: {stock_ms:.1f} CPU ms a step with stock TRL, {ours_ms:.1f} through the hooks; "
        f"{statistics.median(ratios):+.1%} (median of {repeats} pairs, {ratios[0]:+.1%} to {ratios[-1]:+.1%})"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--no-parity", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers is untyped here
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        overhead(asked.steps, asked.repeats, asked.width, Path(folder))
        if not asked.no_parity:
            parity(asked.losses, Path(folder))


if __name__ == "__main__":
    main()
