"""What was begun under a study's name, and what there is of it; runs nothing.

Another study, or the same one with other settings, under the name of this one is refused: cells that cannot be compared
would be mixed.
"""

from __future__ import annotations

import json
from typing import Any

from cognition.archive import Archive
from flows.config import ConfigError
from flows.home import Home
from flows.study.cells import cells
from flows.study.ledger import Ran, curve
from flows.study.same_files import remarks
from flows.study.settings import StudySettings
from tasks.artefacts import UriWorkspace, workspace

RECORD = "study.json"
#: These change how a study is run, not what it measures.
_MAY_CHANGE = ("cells_at_once",)


def place_of(home: Home, study: StudySettings) -> UriWorkspace:
    """Where the study's own files are."""
    return workspace(home.artefact_root, "studies", study.name)


def begin(home: Home, archive: Archive, study: StudySettings) -> None:
    """Note the study's settings under its name, or find that they are the same as before. Raises ConfigError."""
    refuse_other(home, archive, study)
    place_of(home, study).write(RECORD, json.dumps(_measured(study), indent=2).encode())


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


def _measured(study: StudySettings) -> dict[str, Any]:
    return {key: value for key, value in study.model_dump(mode="json").items() if key not in _MAY_CHANGE}


def read(home: Home, study: StudySettings) -> Ran:
    """What there is, without running anything. Raises ConfigError."""
    with Archive.open(home.archive_url) as archive:
        refuse_other(home, archive, study)
        ordered = cells(study)
        curves = tuple(curve(archive, cell, study.budget) for cell in ordered)
        said = remarks(archive, ordered)
    return Ran(curves, {one.campaign: "its budget is not spent yet" for one in curves if not one.is_complete}, said)
