"""A budget for model calls: it reserves the worst case before a call and settles what the call really used.

Calls that are under way hold their worst case; whoever does not fit beside them waits until they are settled (`hold`),
so that the rest of a budget is used. It is never passed by more than one prompt's estimation error. Dollars are counted
in a `Book` that all processes of a campaign share, where there is one; everything else counts within one process.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, replace
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class Hold:
    """What one call under way has set aside."""

    worst_case: Spent
    in_book: int | None = None


class Book(Protocol):
    """The dollars of a campaign, as all its processes see them. Each method is one transaction."""

    def spent_usd(self) -> float:
        """Of calls that are over, or lost with their process."""

    def committed_usd(self) -> float:
        """With what calls under way have set aside."""

    def hold_usd(self, dollars: float, limit_usd: float) -> int | None:
        """Set dollars aside; None, and nothing set aside, if they do not fit the limit."""

    def release_usd(self, hold: int) -> None:
        """The call is in the ledger, or came to nothing."""


class Budget:
    """Safe to use from several threads and event loops at once."""

    def __init__(self, limits: BudgetLimits, spent: Spent | None = None, book: Book | None = None) -> None:
        """`spent`: what the ledger counted before this process; its dollars come from the book where there is one."""
        self.limits = limits
        self._book = book
        self._uncounted_usd = 0.0  # of this process's calls whose price the ledger does not know
        self._spent = spent or Spent()
        self._reserved = Spent()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """Settled so far, without what is reserved."""
        if self._book is None:
            return self._spent
        return replace(self._spent, dollars=self._book.spent_usd() + self._uncounted_usd)

    @property
    def committed(self) -> Spent:
        """Settled so far and reserved by calls under way."""
        with self._lock:
            here = self._spent + self._reserved
        return here if self._book is None else replace(here, dollars=self._book.committed_usd() + self._uncounted_usd)

    def reserve(self, worst_case: Spent) -> Hold:
        """Set `worst_case` aside until `settle`. Raises BudgetExhausted and reserves nothing if it does not fit."""
        with self._lock:
            for unit in ("tokens", "calls") if self._book else ("dollars", "tokens", "calls"):
                self._refuse(unit, worst_case, getattr(self._spent, unit), getattr(self._reserved, unit))
            hold = Hold(worst_case, self._hold_in_book(worst_case))
            self._reserved += worst_case
        return hold

    def _refuse(self, unit: str, worst_case: Spent, spent: float, reserved: float) -> None:
        limit, wanted = getattr(self.limits, unit), getattr(worst_case, unit)
        if limit is not None and spent + reserved + wanted > limit:
            raise _short(unit, limit, spent, reserved, wanted)

    def _hold_in_book(self, worst_case: Spent) -> int | None:
        if self._book is None or self.limits.dollars is None:
            return None
        limit = self.limits.dollars
        held = self._book.hold_usd(worst_case.dollars, limit - self._uncounted_usd)
        if held is None:
            spent = self._book.spent_usd()
            reserved = self._book.committed_usd() - spent
            raise _short("dollars", limit, spent + self._uncounted_usd, reserved, worst_case.dollars)
        return held

    async def hold(self, worst_case: Spent) -> Hold:
        """Reserve, waiting for calls under way if those are all that is in the way. Raises BudgetExhausted."""
        while True:
            try:
                return self.reserve(worst_case)
            except BudgetExhausted:
                if not self._fits_without_reservations(worst_case):
                    raise
            await asyncio.sleep(LOOK_S)

    def _fits_without_reservations(self, worst_case: Spent) -> bool:
        wanted = self.spent + worst_case
        limits = ((self.limits.dollars, wanted.dollars), (self.limits.tokens, wanted.tokens))
        return all(limit is None or value <= limit for limit, value in (*limits, (self.limits.calls, wanted.calls)))

    def settle(self, hold: Hold, used: Spent, in_ledger_usd: float | None = None) -> None:
        """Give a reservation back and count what was used; `Spent()` if the call came to nothing.

        `in_ledger_usd`: what the ledger, and with it the book, knows of `used`; None: all of it.
        """
        with self._lock:
            self._reserved -= hold.worst_case
            self._spent += used
            self._uncounted_usd += 0.0 if in_ledger_usd is None else used.dollars - in_ledger_usd
        if self._book is not None and hold.in_book is not None:
            self._book.release_usd(hold.in_book)


def _short(unit: str, limit: float, spent: float, reserved: float, wanted: float) -> BudgetExhausted:
    return BudgetExhausted(
        f"The budget of {limit:g} {unit} for models does not cover the next call: {spent:g} spent, "
        f"{reserved:g} reserved by calls under way, up to {wanted:g} more wanted. Raise the limit to go on."
    )
