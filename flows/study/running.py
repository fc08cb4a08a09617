"""Runs the cells of a study that are not finished, several at a time, each until its budget is spent.

What is finished is read from the archive and never run again; a cell that was interrupted goes on with the round it was
in. Another study, or the same one with other settings, under the name of this one is refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cognition.archive import Archive
from flows import engines, progress, registry
from flows.campaign import Ended, conduct
from flows.config import ConfigError
from flows.home import Home
from flows.study.cells import Cell, cells
from flows.study.ledger import Curve, curve
from flows.study.scripted.ladder import ladder_of
from flows.study.scripted.server import ScriptedResearcher
from flows.study.settings import UNIT_NAMES, StudySettings
from tasks.artefacts import UriWorkspace, workspace

logger = logging.getLogger(__name__)

RECORD = "study.json"
#: These change how a study is run, not what it measures.
_MAY_CHANGE = ("cells_at_once",)


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a study: curves of all cells, and why those that are not complete are not."""

    curves: tuple[Curve, ...]
    unfinished: dict[str, str]  # reason by campaign


def place_of(home: Home, study: StudySettings) -> UriWorkspace:
    """Where the study's own files are."""
    return workspace(home.artefact_root, "studies", study.name)


def refuse_other(home: Home, archive: Archive, study: StudySettings) -> None:
    """Other settings under a study's name would mix what cannot be compared. Raises ConfigError."""
    place, now = place_of(home, study), _measured(study)
    if place.exists(RECORD):
        before = json.loads(place.read(RECORD))
        if changed := sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key)):
            raise ConfigError(
                f"study {study.name} was begun with other settings ({', '.join(changed)}): its cells could not be "
                "compared with new ones. Choose another name"
            )
        return
    known = {campaign.name for campaign in archive.campaigns()}
    if taken := [cell.campaign for cell in cells(study) if cell.campaign in known]:
        raise ConfigError(f"the campaign {taken[0]} exists and is not of this study: choose another name")
    place.write(RECORD, json.dumps(now, indent=2).encode())


def _measured(study: StudySettings) -> dict[str, Any]:
    return {key: value for key, value in study.model_dump(mode="json").items() if key not in _MAY_CHANGE}


async def run(home: Home, study: StudySettings) -> Ran:
    """Run what is missing. Raises ConfigError."""
    with Archive.open(home.archive_url) as archive:
        refuse_other(home, archive, study)
        async with researcher(study) as url:
            ordered = cells(study, url)
            unfinished = await _Runner(archive, study, ordered).to_the_end()
        return Ran(tuple(curve(archive, cell, study.budget) for cell in ordered), unfinished)


def read(home: Home, study: StudySettings) -> Ran:
    """What there is, without running anything. Raises ConfigError."""
    with Archive.open(home.archive_url) as archive:
        refuse_other(home, archive, study)
        curves = tuple(curve(archive, cell, study.budget) for cell in cells(study))
    return Ran(curves, {one.campaign: "not run yet" for one in curves if not one.is_complete})


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
