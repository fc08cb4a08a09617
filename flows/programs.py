"""The program that a command means: a file, a candidate's id, or CAMPAIGN-best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cognition.archive import Archive
from cognition.records import Candidate
from flows.config import ConfigError
from flows.home import Home
from tasks.contract import Domain
from tasks.sandbox import open_sandbox
from tasks.sandbox.leftovers import own
from tasks.sandbox.parse_gate import parse

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


def pass_checks(home: Home, domain: Domain, code: str, unsafe: bool) -> None:
    """The checks of a round, before a program is taken out of the engine. Raises ConfigError with the first issue."""
    with open_sandbox(own(home.scratch), unsafe=unsafe, preload=domain.preload) as sandbox:
        unparsed = parse(code, sandbox)
        if unparsed is not None:
            raise ConfigError(f"the program cannot be parsed: {unparsed.reason}")
        issues = domain.check(code) or domain.probe(code, sandbox)
    if issues:
        raise ConfigError(f"the program is refused ({issues[0].rule}): {issues[0].message}")
