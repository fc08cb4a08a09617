"""`nightshift curate sweep`: one campaign per category and quality level (paper, section 4.2), and one table.

A sweep is a campaign's TOML with a table [sweep]. Each cell is a campaign of its own, named NAME-CATEGORY-QUALITY, with
these options set; the same command goes on where it stopped, since campaigns do. A cell that fails is reported and the
next one runs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.table import Table

from cognition.archive import Archive
from cognition.records import MachineFault, Measurements
from flows import config, forecast, output, registry
from flows.config import ConfigError, Settings
from flows.home import Home, open_home
from flows.output import JsonFlag
from flows.terminal import safe

if TYPE_CHECKING:
    from flows.campaign import Ended


STOPPED = "stopped on request"  # as a campaign says it


class SweepSettings(BaseModel):
    """Which cells a sweep has. Every category with every quality level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    categories: tuple[str, ...] = Field(min_length=1)
    qualities: tuple[str, ...] = Field(("high", "low"), min_length=1)


def sweep(
    source: Annotated[Path, typer.Argument(help="A campaign's TOML file with a table [sweep]")],
    rounds: Annotated[int | None, typer.Option(help="Evolution rounds of each campaign")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting, for all campaigns")] = None,
    table_only: Annotated[
        bool, typer.Option("--table", help="Print the table of what is done and run nothing")
    ] = False,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Use an in-process Prefect server")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Run one campaign per category and quality, or go on with them; then one table."""
    overrides = config.parse_assignments(set_ or []) | ({} if rounds is None else {"rounds": rounds})
    cells = planned(source, overrides)
    home = open_home()
    endings = {} if table_only else _run(cells, home, ephemeral, as_json)
    with Archive.open(home.archive_url) as archive:
        rows = [row(archive, settings, endings.get(settings.name, "")) for settings in cells]
    output.present({"sweep": source.stem, "cells": rows}, as_json, _print)
    if any("failed:" in ending for ending in endings.values()):
        sys.exit(1)
    if any(STOPPED in ending for ending in endings.values()):
        sys.exit(130)


def planned(source: Path, overrides: dict[str, Any]) -> list[Settings]:
    """The campaigns of a sweep. Raises ConfigError for anything in the file that is wrong, before one is run."""
    values = config.merge(config.read_toml(source), overrides)
    if "sweep" not in values:
        raise ConfigError(f"{source} has no table [sweep] with categories; `nightshift run` runs a single campaign")
    try:
        wanted = SweepSettings.model_validate(values.pop("sweep"))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{source}: sweep.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    values.setdefault("name", source.stem)
    cells = []
    for category in wanted.categories:
        for quality in wanted.qualities:
            name = f"{values['name']}-{category.replace('_', '-')}-{quality}"
            more = {"name": name, "options": {"category": category, "quality": quality}}
            settings = config.validate(config.merge(values, more), str(source))
            registry.load(settings.problem, settings.options)
            cells.append(settings)
    return cells


def _run(cells: list[Settings], home: Home, ephemeral: bool, as_json: bool) -> dict[str, str]:
    """How each campaign ended, in a sentence."""
    from flows import progress, runtime

    ui = runtime.enter(home, ephemeral=ephemeral)
    screen = output.errors if as_json else output.console
    if ui:
        screen.print(f"Prefect UI {ui}  (stop it with `nightshift down`)")
    endings: dict[str, str] = {}
    for settings in cells:
        if progress.stop_requested.is_set():
            endings[settings.name] = f"not started: {STOPPED}"
            continue
        try:
            ended = _run_one(settings, home, screen)
        except MachineFault as error:
            endings[settings.name] = f"failed: {error}"
        else:
            endings[settings.name] = f"failed: {ended.sentence}" if ended.is_failure else ended.sentence
        screen.print(f"{settings.name}: {safe(endings[settings.name])}", soft_wrap=True)
    return endings


def _run_one(settings: Settings, home: Home, screen: Console) -> Ended:
    from flows import live, progress, runtime

    domain = registry.load(settings.problem, settings.options)
    screen.print(forecast.before_start(settings, domain, home), soft_wrap=True)
    with live.LiveView(screen, domain.brief().shown_as) as view:
        progress.watch(view)
        ended: Ended = runtime.run_campaign(settings, lambda: screen.print("finishing the rounds in flight"))
    return ended


def row(archive: Archive, settings: Settings, ending: str) -> dict[str, Any]:
    """One cell: rounds done, the best, its F1 and what it gained over the untouched texts, with intervals."""
    cell: dict[str, Any] = {
        "campaign": settings.name,
        "category": settings.options["category"],
        "quality": settings.options["quality"],
        "rounds": 0,
        "wanted": settings.rounds,
        "best": None,
        "ending": ending,
    }
    if settings.name not in [campaign.name for campaign in archive.campaigns()]:
        return cell
    cell["rounds"] = len(archive.recorded_rounds(settings.name) - {0})
    best = archive.best(settings.name)
    if best is None:
        return cell
    measured = archive.evaluations(best.id)[0].measurements
    return {**cell, "best": best.id, **_estimates(measured)}


def _estimates(measured: Measurements) -> dict[str, Any]:
    intervals = measured.breakdown["intervals_95"]
    names = ("f1", "f1_gain_over_raw", "judge_gain_over_raw", "bits_saved_over_raw")
    found: dict[str, Any] = {name: [measured.metrics[name], *intervals[name]] for name in names}
    return {**found, "retention": measured.metrics["retention"], "judge": measured.breakdown["judge"]}


def _print(console: Console, report: dict[str, Any]) -> None:
    table = Table(title=f"{safe(report['sweep'])}: the best of each campaign, with 95% intervals")
    table.add_column("category, quality", no_wrap=True)
    for name in ("rounds", "F1", "F1 over raw", "judge over raw", "bits saved", "kept"):
        table.add_column(name)
    for cell in report["cells"]:
        label, rounds = f"{cell['category']}, {cell['quality']}", f"{cell['rounds']}/{cell['wanted']}"
        if cell["best"] is None:
            table.add_row(label, rounds, safe(cell["ending"] or "not run yet"))
            continue
        names = ("f1", "f1_gain_over_raw", "judge_gain_over_raw", "bits_saved_over_raw")
        values = [_interval(*cell[name]) for name in names]
        table.add_row(label, rounds, *values, f"{cell['retention']:.2f}")
    console.print(table)
    judges = ", ".join(sorted({cell["judge"] for cell in report["cells"] if cell["best"]}))
    if judges:
        console.print(
            f"judge: {judges}. On development families: finalists are measured by `nightshift curate examine`"
        )


def _interval(value: float, low: float, high: float) -> str:
    """A value with its interval.

    >>> _interval(0.5, 0.4, 0.6)
    '0.500 (0.400 to 0.600)'
    """
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
