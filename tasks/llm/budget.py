"""A budget for model calls: it reserves the worst case before a call and settles what the call really used.

It counts within one process. Across processes and restarts the ledger is the truth: start a new `Budget` with what
the ledger has counted so far (`spent`). Calls that are under way hold their worst case; whoever does not fit beside
them waits until they are settled (`hold`), so that the rest of a budget is used. It is never passed by more than one
prompt's estimation error.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

#: How often a call that waits for others to be settled looks again.
LOOK_S = 0.05


class BudgetExhausted(Exception):
    """The budget does not cover the next call. The campaign ends on it, cleanly."""


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What may be spent on models; None: no limit."""

    dollars: float | None = None
    tokens: int | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What was, or will at most be, used."""

    dollars: float = 0.0
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.dollars + other.dollars, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Spent) -> Spent:
        """What is left without `other`."""
        return Spent(self.dollars - other.dollars, self.tokens - other.tokens, self.calls - other.calls)


class Budget:
    """Safe to use from several threads and event loops at once."""

    def __init__(self, limits: BudgetLimits, spent: Spent | None = None) -> None:
        """`spent`: what the ledger counted before this process."""
        self.limits = limits
        self._spent = spent or Spent()
        self._reserved = Spent()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """Settled so far, without what is reserved."""
        return self._spent

    @property
    def committed(self) -> Spent:
        """Settled so far and reserved by calls under way."""
        with self._lock:
            return self._spent + self._reserved

    def reserve(self, worst_case: Spent) -> None:
        """Set `worst_case` aside until `settle`. Raises BudgetExhausted and reserves nothing if it does not fit."""
        with self._lock:
            wanted = self._spent + self._reserved + worst_case
            for unit in ("dollars", "tokens", "calls"):
                limit = getattr(self.limits, unit)
                if limit is not None and getattr(wanted, unit) > limit:
                    raise BudgetExhausted(
                        f"The budget of {limit:g} {unit} for models does not cover the next call: "
                        f"{getattr(self._spent, unit):g} spent, {getattr(self._reserved, unit):g} reserved by calls "
                        f"under way, up to {getattr(worst_case, unit):g} more wanted. Raise the limit to go on."
                    )
            self._reserved += worst_case

    async def hold(self, worst_case: Spent) -> None:
        """Reserve, waiting for calls under way if those are all that is in the way. Raises BudgetExhausted."""
        while True:
            try:
                return self.reserve(worst_case)
            except BudgetExhausted:
                if not self._fits_without_reservations(worst_case):
                    raise
            await asyncio.sleep(LOOK_S)

    def _fits_without_reservations(self, worst_case: Spent) -> bool:
        with self._lock:
            wanted = self._spent + worst_case
        limits = ((self.limits.dollars, wanted.dollars), (self.limits.tokens, wanted.tokens))
        return all(limit is None or value <= limit for limit, value in (*limits, (self.limits.calls, wanted.calls)))

    def settle(self, worst_case: Spent, used: Spent) -> None:
        """Give a reservation back and count what was used; `Spent()` if the call came to nothing."""
        with self._lock:
            self._reserved -= worst_case
            self._spent += used
