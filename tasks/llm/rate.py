"""How fast a model server may be asked: requests per minute and requests at once, for each address.

`Rates` holds for all workers of a process, whichever thread or event loop they run in. Every try counts, retries too.
It knows nothing of other processes: where several work on one account, divide the numbers among them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict, Field


class Rate(BaseModel):
    """One server's limits; None: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    requests_per_minute: float | None = Field(None, gt=0, description="One may start every 60/this many seconds")
    concurrent_requests: int | None = Field(None, ge=1, description="Requests under way at the same time")


class RateSettings(Rate):
    """The limits of every server, each on its own, with exceptions by base_url."""

    servers: dict[str, Rate] = Field(default_factory=dict, description='Instead, for one: [rate.servers."BASE_URL"]')

    def of(self, base_url: str) -> Rate:
        """The limits of the server at that address."""
        return self.servers.get(base_url, self)


class Rates:
    """The gates of one process, one per address. Safe to use from several threads and event loops at once."""

    def __init__(self, settings: RateSettings | None = None) -> None:
        """Without settings nobody waits."""
        self._settings = settings or RateSettings()
        self._gates: dict[str, _Gate] = {}
        self._lock = threading.Lock()

    def adopt(self, settings: RateSettings) -> None:
        """Use these limits from now on; requests under way stay counted."""
        with self._lock:
            self._settings = settings
            for base_url, gate in self._gates.items():
                gate.change(settings.of(base_url))

    @asynccontextmanager
    async def turn(self, base_url: str) -> AsyncIterator[None]:
        """Wait until the server may be asked; it counts as asked while the block runs."""
        with self._lock:
            gate = self._gates.setdefault(base_url, _Gate(self._settings.of(base_url)))
        await gate.enter()
        try:
            await asyncio.sleep(gate.pause_s())
            yield
        finally:
            gate.leave()


class _Gate:
    """One server: who is inside, who waits in line, and when the next request may start."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._inside = 0
        self._line: deque[Future[None]] = deque()
        self._next_start_s = 0.0
        self._lock = threading.Lock()

    def change(self, rate: Rate) -> None:
        with self._lock:
            self._rate = rate
            self._let_in()

    async def enter(self) -> None:
        place: Future[None] = Future()
        with self._lock:
            self._line.append(place)
            self._let_in()
        try:
            await asyncio.wrap_future(place)
        except asyncio.CancelledError:
            if not place.cancelled():  # let in at the very moment it was cancelled
                self.leave()
            raise

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            self._let_in()

    def pause_s(self) -> float:
        """How long until this request may start; the next one starts an interval later."""
        with self._lock:
            if self._rate.requests_per_minute is None:
                return 0.0
            now_s = time.monotonic()
            start_s = max(now_s, self._next_start_s)
            self._next_start_s = start_s + 60.0 / self._rate.requests_per_minute
            return start_s - now_s

    def _let_in(self) -> None:
        most = self._rate.concurrent_requests
        while self._line and (most is None or self._inside < most):
            place = self._line.popleft()
            if place.set_running_or_notify_cancel():
                self._inside += 1
                place.set_result(None)
