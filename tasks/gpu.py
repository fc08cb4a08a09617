"""GPU-hours like money: a step's worst case is reserved before it runs, and settled with what it used.

Steps that need no GPU pass through untouched. Waiting for a free GPU is not done here (flows/gpu_slots.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cognition.records import Cost
from tasks.contract import Step
from tasks.engine import Engine, Round
from tasks.llm import BudgetExhausted


class GpuBudgetExhausted(BudgetExhausted):
    """The budget of GPU-hours does not cover the next step. The campaign ends on it, cleanly."""


@dataclass(slots=True)
class Use:
    """What the step says that it used; else GPUs times wall time count. Mutable: the step fills it in."""

    cost: Cost = Cost()


@contextmanager
def reserved(engine: Engine, round: Round, step: Step, max_gpu_h: float | None) -> Iterator[Use]:
    """Hold the step's worst case while the block runs. Raises GpuBudgetExhausted."""
    needs, use = engine.domain.needs(step, engine.evaluate.rung), Use()
    if needs.gpus == 0:
        yield use
        return
    limit_s = None if max_gpu_h is None else max_gpu_h * 3600
    reservation = engine.archive.reserve_gpu(round.campaign, round.id, step, needs.gpu_s or 0.0, limit_s)
    if reservation is None:
        raise GpuBudgetExhausted(
            f"The budget of {max_gpu_h:g} GPU-hours does not cover {step} of {round.id}, which may take "
            f"{(needs.gpu_s or 0.0) / 3600:.3g}. Raise limits.max_gpu_h to go on."
        )
    started = time.monotonic()
    try:
        yield use
    finally:  # a crash has used the GPU too
        engine.archive.settle_gpu(reservation, use.cost.gpu_s or needs.gpus * (time.monotonic() - started))
