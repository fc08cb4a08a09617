"""Which round this process works on next, when several processes share one campaign.

Every process goes through the indices once and reserves in the archive what is neither recorded nor in another's hands,
before Prefect hears of it: two processes never run the same flow run. Then it waits for the others, and takes over what
they leave behind: rounds of killed processes, and rounds that failed there, each of which it tries once. So all
processes end when nothing is left that any of them could still do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

from pydantic import TypeAdapter

from cognition.archive import Archive
from cognition.records import Item, round_id
from flows.claim import owner, release_dead_claims
from flows.config import Settings
from tasks.artefacts import workspace
from tasks.contract import DISCOVERED
from tasks.engine import Engine

logger = logging.getLogger(__name__)

POLL_S = 1.0

#: Whether to take no further round.
Stopped = Callable[[], Awaitable[bool]]


class Turns:
    """The rounds of one campaign as one process goes through them. Used from one event loop."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive = archive
        self._settings = settings
        self._tokens: dict[int, int] = {}  # of every round that was ever taken here
        self._ahead: Iterator[int] = iter(sorted(self._missing()))

    async def wants_baseline(self, stopped: Stopped) -> bool:
        """True if this process has to run round 0; False once it is recorded, or failed here before."""
        while not await stopped() and self._archive.outcome(round_id(self._settings.name, 0)) is None:
            release_dead_claims(self._archive, self._settings.name)
            if 0 in self._tokens:
                return False
            if self._take(0):
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def next(self, stopped: Stopped) -> int | None:
        """The next round for this process, reserved for it; None when the campaign is done, or `stopped` says so."""
        while not await stopped():
            index = next(self._ahead, None)
            if index is None:
                return await self._left_behind(stopped)
            if self._take(index):
                return index
        return None

    def give_up(self, index: int, reason: str) -> None:
        """A reserved round never got to its own claim: let others have it at once."""
        self._archive.fail_round(round_id(self._settings.name, index), self._tokens[index], reason)

    async def _left_behind(self, stopped: Stopped) -> int | None:
        while not await stopped():
            release_dead_claims(self._archive, self._settings.name)
            missing = self._missing()
            untried = sorted(missing - set(self._tokens))
            for index in untried:
                if self._take(index):
                    return index
            if not untried and not missing & self._archive.busy_rounds(self._settings.name, besides=owner()):
                return None
            await asyncio.sleep(POLL_S)
        return None

    def _missing(self) -> set[int]:
        return set(range(1, self._settings.rounds + 1)) - self._archive.recorded_rounds(self._settings.name)

    def _take(self, index: int) -> bool:
        token = self._archive.reserve_round(self._settings.name, index, owner(), self._settings.lease_s)
        if token is not None:
            self._tokens[index] = token
        return token is not None


def prepare(engine: Engine) -> None:
    """The domain's preparation, by one process at a time: the others wait, and find it done.

    What it discovered about its data and left as DISCOVERED goes into the cognition base.
    """
    place = workspace(engine.artefact_root, "campaigns", engine.campaign)
    while True:
        with engine.archive.database.alone(f"prepare-{engine.campaign}") as alone:
            if alone:
                engine.domain.prepare(place)
                if place.exists(DISCOVERED):
                    engine.items.add_missing(TypeAdapter(tuple[Item, ...]).validate_json(place.read(DISCOVERED)))
                return
        logger.info("another process prepares %s", engine.campaign)
        time.sleep(POLL_S)
