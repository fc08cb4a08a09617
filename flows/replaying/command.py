"""The commands `nightshift replay` and `nightshift cassette`: settings checked, the replay run, its report drawn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from cognition.archive import Archive
from cognition.records import JSON
from flows import registry
from flows.config import ConfigError, Settings
from flows.home import Home, open_home
from flows.replaying import differences, refusal, tape
from flows.replaying.export import export
from flows.replaying.records import Cassette
from flows.replaying.wanted import settings_of, with_sampler
from flows.terminal import safe
from flows.trust_settings import CassetteSettings

#: What would lead the replay out of its own folder.
_OUTSIDE = (
    "NIGHTSHIFT_ARCHIVE",
    "NIGHTSHIFT_ARTEFACTS",
    "NIGHTSHIFT_PLACE",
    "MLFLOW_TRACKING_URI",
    "PREFECT_API_URL",
    "PREFECT_HOME",
    "PREFECT_PROFILES_PATH",
    "PREFECT_LOCAL_STORAGE_PATH",
    "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK",
)
MOST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Wanted:
    """A replay that was asked for."""

    campaign: str
    cassette: Path | None = None
    problem: str | None = None
    sampler: str | None = None


def cassette_of(home: Home, wanted: Wanted) -> Cassette:
    """From the file, checked against the archive if the campaign is there too; else from the archive. ConfigError."""
    with Archive.open(home.archive_url) as archive:
        is_here = wanted.campaign in [known.name for known in archive.campaigns()]
        if wanted.cassette is None:
            return export(archive, wanted.campaign)
        cassette = tape.read(wanted.cassette)
        if cassette.header.campaign != wanted.campaign:
            raise ConfigError(f"{wanted.cassette} is of the campaign {cassette.header.campaign}, not {wanted.campaign}")
        refusal.refuse_without_sandbox(cassette)
        refusal.refuse_other_campaign(cassette, export(archive, wanted.campaign) if is_here else None)
    return cassette


def make_cassette(home: Home, campaign: str, out: Path, asked: dict[str, JSON]) -> dict[str, Any]:
    """Write a campaign's cassette. Raises ArchiveError, ConfigError, OSError."""
    with Archive.open(home.archive_url) as archive:
        cassette = export(archive, campaign)
    settings = Settings.model_validate(cassette.header.settings)
    try:
        how = CassetteSettings.model_validate(settings.cassette.model_dump() | asked)
    except ValidationError as error:
        raise ConfigError(f"cassette: {error.errors()[0]['msg']}") from None
    keys = sorted({model.key_variable for model in settings.models.values() if model.key_variable})
    made = tape.redacted(cassette, how, keys)
    tape.write(made, out)
    return summary(made) | {"file": str(out), "bytes": out.stat().st_size}


def summary(cassette: Cassette) -> dict[str, Any]:
    """What is on a cassette."""
    header = cassette.header
    return {
        "campaign": header.campaign,
        "problem": header.problem,
        "problem_hash": header.source,
        "contract_version": header.contract_version,
        "rounds": len(cassette.recorded),
        "answers": len(cassette.calls),
        "prompts": header.prompts,
        "made_by": header.made_by,
    }


def replay(home: Home, wanted: Wanted, progress: Callable[[int, int], None], *, ephemeral: bool) -> dict[str, Any]:
    """Replay and compare. Raises ConfigError, ArchiveError, UnknownProblem, MachineFault."""
    cassette = cassette_of(home, wanted)
    settings = settings_of(cassette, None if wanted.problem is None else registry.resolved(wanted.problem))
    domain = registry.load(settings.problem, settings.options)
    refusal.refuse_other_problem(cassette, settings, domain)
    if wanted.sampler is not None:
        refusal.refuse_sampler(settings, wanted.sampler)
    place = private_home(home, wanted.campaign)
    report = {"campaign": wanted.campaign, "problem": settings.problem, "home": str(place.root)}
    if wanted.sampler is not None and wanted.sampler != settings.sampler.kind:
        return report | _what_if(place, cassette, settings, wanted.sampler, progress, ephemeral)
    is_exact = bool(getattr(domain, "deterministic", False))
    return report | _compared(place, cassette, settings, is_exact, progress, ephemeral)


def private_home(home: Home, campaign: str) -> Home:
    """An empty state folder for the replay; that of the campaign's replay before is gone."""
    root = home.root / "replays" / campaign
    shutil.rmtree(root, ignore_errors=True)
    return open_home(root)


def _compared(
    place: Home,
    cassette: Cassette,
    settings: Settings,
    is_exact: bool,
    progress: Callable[[int, int], None],
    ephemeral: bool,
) -> dict[str, Any]:
    from flows.replaying import process

    played = process.play(place, cassette, settings, progress, ephemeral=ephemeral)
    name = settings.name
    found = differences.differences(name, cassette.picture, played.picture)
    return {
        "rounds_recorded": len(cassette.recorded),
        "rounds_replayed": played.rounds,
        "stopped": played.stopped,
        "answers": len(cassette.calls),
        "differences": [asdict(one) for one in found],
        "not_repeatable": list(differences.unrepeatable(name, cassette.picture, played.picture)),
        "deterministic": is_exact,
        "identical": not found and not played.stopped,
        "sandbox_tier": played.sandbox_tier,
    }


def _what_if(
    place: Home,
    cassette: Cassette,
    settings: Settings,
    sampler: str,
    progress: Callable[[int, int], None],
    ephemeral: bool,
) -> dict[str, Any]:
    from flows.replaying import process

    try:
        other = with_sampler(settings, sampler)
    except ValidationError as error:
        raise ConfigError(f"--sampler: {error.errors()[0]['msg']}") from None
    ran = process.what_if(place, cassette, other, progress, ephemeral=ephemeral)
    scores = {
        one["candidate"]: one["outcome"]["fitness"]
        for one in cassette.picture.rounds.values()
        if one.get("candidate") and one["outcome"]["kind"] == "scored"
    }
    best = cassette.picture.ranking[0] if cassette.picture.ranking else None
    recorded = {"best": best, "fitness": scores.get(best) if best else None, "sampler": settings.sampler.kind}
    return {"recorded": recorded, "instead": asdict(ran) | {"sampler": sampler}}


def leave_outside() -> None:
    """Forget, in this process, every place that is not the replay's own."""
    for name in _OUTSIDE:
        os.environ.pop(name, None)


def show(console: Console, report: dict[str, Any]) -> None:
    """The verdict first, then where it differs."""
    if "instead" in report:
        _show_what_if(console, report)
        return
    rounds = f"{report['rounds_replayed']} of {report['rounds_recorded']} rounds replayed ({report['sandbox_tier']})"
    if report["identical"]:
        console.print(
            f"[bold green]identical[/]: {rounds}, without a network; {report['answers']} answers of models from the "
            "recording. The archives agree up to ids and times (docs/replay.md)",
            soft_wrap=True,
        )
        return
    console.print(f"[bold red]not identical[/]: {rounds}, {len(report['differences'])} differences")
    if report["stopped"]:
        console.print(f"it stopped: {safe(report['stopped'])}", soft_wrap=True)
    _show_unrepeatable(console, report)
    for one in report["differences"][:MOST_SHOWN]:
        console.print(f"{one['where']}  {safe(one['what'])}", soft_wrap=True)
        console.print(f"    recorded  {safe(one['recorded'])}\n    replayed  {safe(one['replayed'])}", soft_wrap=True)
    if len(report["differences"]) > MOST_SHOWN:
        console.print(f"and {len(report['differences']) - MOST_SHOWN} more: --json has them")
    console.print(f"the replay's archive: NIGHTSHIFT_HOME={report['home']} nightshift show CANDIDATE", soft_wrap=True)


def _show_unrepeatable(console: Console, report: dict[str, Any]) -> None:
    names = report["not_repeatable"]
    if not names:
        return
    said = " although the problem says that it is deterministic" if report["deterministic"] else ""
    console.print(
        f"[bold]the evaluation does not repeat[/]{said}: in {len(names)} rounds the same program on the same seeds was "
        f"measured differently, first in {names[0]}. Programs that stop by the clock do that (docs/replay.md)",
        soft_wrap=True,
    )


def _show_what_if(console: Console, report: dict[str, Any]) -> None:
    for name in ("recorded", "instead"):
        one = report[name]
        fitness = "nothing scored" if one["fitness"] is None else f"best {one['fitness']:.10g} ({one['best']})"
        console.print(f"{name}, sampler {one['sampler']}: {fitness}")
    if report["instead"]["stopped"]:
        console.print(f"it stopped: {safe(report['instead']['stopped'])}", soft_wrap=True)
    console.print("Two single runs: their difference says little without further seeds.")
