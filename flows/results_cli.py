"""`nightshift status`, `best`, `show`, `report`, `compare`: what there is. Reads only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cognition.archive import Archive
from flows import config, views
from flows.home import open_home
from flows.output import JsonFlag, console, present
from flows.terminal import safe

app = typer.Typer()


@app.command()
def status(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; all if left out")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Campaigns, their rounds by outcome, best, spend; what waits for MLflow."""
    home = open_home()
    with Archive.open(home.archive_url) as archive:
        report = views.status_report(archive, home, campaign)
    present(report, as_json, views.print_status)


@app.command()
def best(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    out: Annotated[Path | None, typer.Option(help="Copy program and figures into this folder")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The best candidate: program, score, figure."""
    with Archive.open(open_home().archive_url) as archive:
        found = archive.best(views.chosen(archive, campaign))
        if found is None:
            raise config.ConfigError("nothing is scored yet; see `nightshift status`")
        report = views.candidate_report(archive, found, out)
    present(report, as_json, views.print_candidate)


@app.command()
def show(
    candidate: Annotated[str, typer.Argument(help="A candidate's id, e.g. circle-packing-0007")],
    out: Annotated[Path | None, typer.Option(help="Copy program and figures into this folder")] = None,
    as_json: JsonFlag = False,
) -> None:
    """One candidate: program, motivation, parents, outcome, analysis, model calls."""
    with Archive.open(open_home().archive_url) as archive:
        report = views.candidate_report(archive, archive.candidate(candidate), out)
    present(report, as_json, views.print_candidate)


@app.command(name="report")
def morning_report(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it to this file, .html (with figures) or .md")] = None,
    since: Annotated[str | None, typer.Option(help="What counts as new: 12h, 2d, or since 2026-01-31T22:00")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The morning report: the best, what is new, what to look at, what it cost."""
    from flows.report import command

    home = open_home()
    with Archive.open(home.archive_url) as archive:
        made = command.make(archive, home, views.chosen(archive, campaign), since, out)
    if as_json:
        sys.stdout.write(command.as_json(made))
    elif out is None:
        command.show(console, made)
    else:
        console.print(f"written to {safe(str(out))}", soft_wrap=True)


@app.command()
def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A candidate's id")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another's, of the same or another campaign")],
    as_json: JsonFlag = False,
) -> None:
    """Two candidates side by side: scores with their uncertainty, programs, lineage, cost; the link into MLflow."""
    from flows.comparison import command

    home = open_home()
    with Archive.open(home.archive_url) as archive:
        found = command.make(archive, home, one, other)
    if as_json:
        sys.stdout.write(command.as_json(found))
    else:
        command.show(console, found)
