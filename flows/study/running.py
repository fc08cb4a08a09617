"""Runs the cells of a study that are not finished, several at a time, each until its budget is spent.

What is finished is read from the archive and never run again; a cell that was interrupted goes on with the round it was
in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cognition.archive import Archive
from flows import engines, progress, registry
from flows.campaign import Ended, conduct
from flows.home import Home
from flows.study.cells import Cell, cells
from flows.study.ledger import Ran, curve
from flows.study.record import begin
from flows.study.same_files import refuse_changed, remarks
from flows.study.scripted.ladder import ladder_of
from flows.study.scripted.server import ScriptedResearcher
from flows.study.settings import UNIT_NAMES, StudySettings

logger = logging.getLogger(__name__)


async def run(home: Home, study: StudySettings) -> Ran:
    """Run what is missing. Raises ConfigError."""
    with Archive.open(home.archive_url) as archive:
        begin(home, archive, study)
        async with researcher(study) as url:
            ordered = cells(study, url)
            if not all(curve(archive, cell, study.budget).is_complete for cell in ordered):
                refuse_changed(archive, study.name, ordered)
            unfinished = await _Runner(archive, study, ordered).to_the_end()
        curves = tuple(curve(archive, cell, study.budget) for cell in ordered)
        return Ran(curves, unfinished, remarks(archive, ordered))


@asynccontextmanager
async def researcher(study: StudySettings) -> AsyncIterator[str]:
    """The address of the scripted researcher while it is needed; "" in a study of real ones."""
    if study.scripted is None:
        yield ""
        return
    domain = registry.load(registry.resolved(study.campaign["problem"]), study.campaign.get("options", {}))
    with ScriptedResearcher(study.scripted, ladder_of(study.scripted, domain.brief())) as server:
        yield server.base_url
        logger.info("scripted researcher: %s", dict(server.counts))


class _Runner:
    """Hands out the cells in order to as many workers as there are cores."""

    def __init__(self, archive: Archive, study: StudySettings, ordered: Sequence[Cell]) -> None:
        self.archive = archive
        self.study = study
        self.waiting = iter(ordered)
        self.unfinished: dict[str, str] = {}

    async def to_the_end(self) -> dict[str, str]:
        engines.expect(self.study.at_once)
        try:
            # The first error ends the others as well: it is about the settings, or about our machine.
            async with asyncio.TaskGroup() as group:
                for _ in range(self.study.at_once):
                    group.create_task(self.worker())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return self.unfinished

    async def worker(self) -> None:
        for cell in self.waiting:
            await self.one(cell)

    async def one(self, cell: Cell) -> None:
        before = curve(self.archive, cell, self.study.budget)
        if before.is_complete:
            return
        if progress.stop_requested.is_set():
            self.unfinished[cell.campaign] = "stopped on request"
            return
        ended = await conduct(cell.settings, lambda: self.enough(cell))
        after = curve(self.archive, cell, self.study.budget)
        if not after.is_complete:
            self.unfinished[cell.campaign] = _why(ended)

    def enough(self, cell: Cell) -> str | None:
        """Asked before each round."""
        now, budget = curve(self.archive, cell, self.study.budget), self.study.budget
        if not now.is_complete:
            return None
        return f"the study's budget of {budget.amount:g} {UNIT_NAMES[budget.unit]} is spent"


def _why(ended: Ended) -> str:
    if ended.ending == "finished":
        return f"all of its rounds are used up (budget.most_rounds) and its budget is not spent; {ended.sentence}"
    return ended.sentence
