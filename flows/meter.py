"""Watches a campaign's budgets while it runs: how much is left, and whether another round may start."""

from __future__ import annotations

import asyncio
import time

from flows import budgets
from flows.config import Settings
from tasks.engine import Engine
from tasks.gpu import GpuBudgetExhausted
from tasks.llm import Budget, BudgetExhausted
from tasks.llm.budget import LOOK_S


class Meter:
    """One run of a campaign. Counts its wall time into the archive as rounds end."""

    def __init__(self, engine: Engine, settings: Settings, budget: Budget | None, earlier_s: float = 0.0) -> None:
        """`budget`: the one that model calls reserve from, None if no model is asked.

        `earlier_s`: how long the same flow run was at work before it was retried or taken up.
        """
        self._engine = engine
        self._settings = settings
        self._budget = budget
        self._uses_gpu = any(engine.domain.needs(step, settings.evaluate.rung).gpus for step in budgets.steps())
        self._wall_s_before = engine.archive.spend(settings.name).wall_s
        self._earlier_s = earlier_s
        self._started = self._counted = time.monotonic()

    @property
    def run_h(self) -> float:
        """Hours that this run has been at work, over all its tries."""
        return (self._earlier_s + self._here_s) / 3600

    @property
    def _here_s(self) -> float:
        return time.monotonic() - self._started

    def count_wall(self) -> None:
        """Store the time since it was last stored: a killed run loses at most one round's."""
        now = time.monotonic()
        self._engine.archive.add_wall(self._settings.name, now - self._counted)
        self._counted = now

    async def money_stop(self) -> str | None:
        """Why no further round can be paid for, in dollars or GPU-hours. Waits for calls whose worst case decides."""
        return await self._dollar_stop() or (self._gpu_stop() if self._uses_gpu else None)

    def time_stop(self) -> str | None:
        """Why there is no time for a further round."""
        return budgets.time_used_up(self._settings, self.run_h, (self._wall_s_before + self._here_s) / 3600)

    def exhausted(self, error: BudgetExhausted) -> str:
        """The sentence for a budget that ran out within a round; the round is run again when there is more."""
        limits = self._settings.limits
        key, budget = (
            ("max_gpu_h", limits.max_gpu_h) if isinstance(error, GpuBudgetExhausted) else ("max_usd", limits.max_usd)
        )
        more = budgets.top_up(self._settings, key, budget) if budget is not None else "raise it to go on"
        return f"the budget is used up within a round: {str(error).partition(' Raise ')[0].rstrip('.')}; {more}"

    async def _dollar_stop(self) -> str | None:
        if self._budget is None:
            return None
        while (stop := budgets.money_used_up(self._settings, self._budget.committed.dollars)) is not None:
            if budgets.money_used_up(self._settings, self._budget.spent.dollars) is not None:
                return stop
            await asyncio.sleep(LOOK_S)
        return None

    def _gpu_stop(self) -> str | None:
        committed_h = self._engine.archive.committed_gpu_s(self._settings.name) / 3600
        return budgets.gpu_used_up(self._settings, self._engine.domain, committed_h)
