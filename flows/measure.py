"""Whether a campaign goes on under the measure that it began with: the problem's files, compared with those of then.

Scores of two measures cannot be compared, so a campaign whose judge, sandboxed code, data or seed program changed under
it is refused, until somebody says otherwise (`--measure-changed`, which the report repeats). What proposers are told
may change; it is noted. Nothing is compared before the first recorded round. flows/problem_source.py says which files
are which. No check is made while rounds run: what a process has loaded, it keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from cognition.archive import Archive
from cognition.records import JSON
from flows import problem_source, registry
from flows.config import ConfigError, Settings
from flows.problem_source import Files
from tasks.contract import Domain

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered: the files, and what has changed since the first run, in sentences."""

    files: Files
    told_otherwise: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()  # changes of the measure that somebody accepted
    domain: str = ""  # the problem's own name, under which its cognition items are
    revision: int = 0  # how often the measure was replaced: step results of an earlier one are not taken up


def refuse_changed(archive: Archive, settings: Settings, domain: Domain) -> None:
    """Raises ConfigError if the campaign has scores that were measured by other files."""
    changed = measure_changes(archive, settings, domain)
    if changed:
        raise ConfigError(
            f"campaign {settings.name} was measured by other files of {settings.problem} ({changed} since its first "
            "run): scores would not be comparable. Put them back, choose another name (`nightshift run --name`), or "
            "go on all the same with --measure-changed, which the report will say"
        )


def measure_changes(archive: Archive, settings: Settings, domain: Domain) -> str:
    """Which files of the measure are not those of the first run; "" if all are, or if nothing is recorded yet."""
    if not _has_scores(archive, settings.name):
        return ""
    known = known_of(archive, settings.name)
    if known is not None:
        return differing(known.files.measure, problem_source.parts_of(settings.problem, domain).measure)
    before = archive.source_of(settings.name)  # of an older version, which remembered one hash over everything
    if before is None or settings.problem in registry.BUILT_IN:
        return ""
    is_same = before == problem_source.source_of(settings.problem, domain)
    return "" if is_same else "changed; which ones was not noted"


def note(archive: Archive, settings: Settings, domain: Domain) -> None:
    """Remember the files of a campaign that begins, and what those who propose are told otherwise since."""
    now, known = problem_source.parts_of(settings.problem, domain), known_of(archive, settings.name)
    if known is None:
        known = Known(now, domain=domain.name)
    elif not _has_scores(archive, settings.name):
        replaced = bool(differing(known.files.measure, now.measure))
        known = Known(now, domain=domain.name, revision=known.revision + replaced)
    elif changed := differing(known.files.told, now.told):
        sentence = f"what proposers are told changed after {_so_far(archive, settings.name)}: {changed}"
        known = replace(
            known, files=Files(known.files.measure, now.told), told_otherwise=(*known.told_otherwise, sentence)
        )
    _keep(archive, settings, known)


def accept(archive: Archive, settings: Settings, domain: Domain) -> None:
    """Let the campaign go on under another measure, and remember that it did. Nothing, if the measure is the same."""
    changed = measure_changes(archive, settings, domain)
    if not changed:
        return
    now, known = problem_source.parts_of(settings.problem, domain), known_of(archive, settings.name)
    known = known or Known(now, domain=domain.name)
    sentence = (
        f"the measure was changed after {_so_far(archive, settings.name)} ({changed}), and that was accepted "
        "(--measure-changed): scores before and after it, the baseline's among them, are not of one measure"
    )
    files = Files(now.measure, known.files.told)
    accepted = (*known.accepted, sentence)
    _keep(archive, settings, replace(known, files=files, accepted=accepted, revision=known.revision + 1))


def shared_with(archive: Archive, settings: Settings, domain: Domain) -> str:
    """A campaign of another problem that has the same name, and so the same cognition items; "" if there is none."""
    if settings.retrieve.cognition != "shared":
        return ""
    for other in archive.campaigns():
        if other.problem != settings.problem and other.settings.get("retrieve", {}).get("cognition") != "own":
            known = known_of(archive, other.name)
            if known is not None and known.domain == domain.name:
                return f"{other.name} ({other.problem})"
    return ""


def revision_of(archive: Archive, campaign: str) -> int:
    """How often the campaign's measure was replaced."""
    known = known_of(archive, campaign)
    return 0 if known is None else known.revision


def known_of(archive: Archive, campaign: str) -> Known | None:
    """What is remembered of a campaign; None before its first run, and of older versions."""
    stored = archive.files_of(campaign)
    return None if stored is None else decoded(stored)


def decoded(stored: JSON) -> Known:
    """From plain data."""
    return TypeAdapter(Known).validate_python(stored)


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The names whose content is another, in words; "" if there are none.

    >>> differing({"a": "1", "b": "2"}, {"a": "0", "c": "3"})
    'a changed, b is gone, c is new'
    """
    found = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            found.append(f"{name} is gone")
        elif name not in before:
            found.append(f"{name} is new")
        elif not problem_source.is_same(before[name], now[name]):
            found.append(f"{name} changed")
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(found[:MOST_NAMED]) + more


def _keep(archive: Archive, settings: Settings, known: Known) -> None:
    archive.keep_files(settings.name, settings.problem, asdict(known))


def _has_scores(archive: Archive, campaign: str) -> bool:
    return bool(archive.recorded_rounds(campaign))


def _so_far(archive: Archive, campaign: str) -> str:
    return f"{len(archive.recorded_rounds(campaign) - {0})} rounds"
