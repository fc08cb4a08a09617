"""The program that a command means: a file, a candidate's id, or CAMPAIGN-best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cognition.archive import Archive
from cognition.records import Candidate
from flows.config import ConfigError

BEST = "-best"


@dataclass(frozen=True, slots=True)
class Named:
    """A program, and the candidate that it is; None for a file."""

    code: str
    candidate: Candidate | None = None


def named(archive_url: str, name: str, problem: str) -> Named:
    """What is called so, of a campaign of that problem if it is a candidate. Raises ConfigError, ArchiveError."""
    path = Path(name)
    if path.suffix == ".py" or path.is_file():
        try:
            return Named(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {path}: {error}") from error
    with Archive.open(archive_url) as archive:
        campaign = name.removesuffix(BEST) if name.endswith(BEST) else archive.candidate(name).campaign
        of = archive.campaign(campaign).problem
        if of != problem:
            raise ConfigError(f"{name} is of a campaign of {of}, not of {problem}")
        found = archive.best(campaign) if name.endswith(BEST) else archive.candidate(name)
    if found is None:
        raise ConfigError(f"nothing of {campaign} is scored yet; see `nightshift status`")
    return Named(found.code, found)
