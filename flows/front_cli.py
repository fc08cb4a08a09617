"""`nightshift front`: the Pareto front of a campaign whose problem has several objectives. Reads only."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cognition.archive import Archive
from flows.config import ConfigError
from flows.home import Home, open_home
from flows.output import JsonFlag, present
from flows.report import command, figures, words
from flows.report.records import Report
from flows.terminal import safe
from flows.views import chosen

app = typer.Typer()


@app.command()
def front(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the figure here, .png or .svg")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The candidates that no other beats on every objective at once."""
    if out is not None and out.suffix not in (".png", ".svg"):
        raise ConfigError(f"--out {out}: the figure is written as .png or .svg")
    home = open_home()
    with Archive.open(home.archive_url) as archive:
        report = _report(archive, home, chosen(archive, campaign))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(figures.one(report, "front", "svg" if out.suffix == ".svg" else "png"))
    present(_as_record(report), as_json, lambda console, _: _print(console, report))


def _report(archive: Archive, home: Home, name: str) -> Report:
    report = command.make(archive, home, name, None, None)
    if not report.goal.objectives:
        raise ConfigError(f"{report.problem} has one objective, {report.goal.metric}: see `nightshift best {name}`")
    return report


def _as_record(report: Report) -> dict[str, Any]:
    names = [each.metric for each in report.goal.objectives]
    return {
        "campaign": report.campaign,
        "objectives": [asdict(each) for each in report.goal.objectives],
        "scalarisation": report.goal.scalarisation,
        "scored": len(report.front),
        "front": [
            {
                "candidate": point.id,
                "objectives": dict(zip(names, point.values, strict=True)),
                "fitness": point.fitness,
                "unranked": point.unranked,
            }
            for point in report.front
            if point.is_on_front
        ],
    }


def _print(console: Console, report: Report) -> None:
    console.print(safe(words.about_front(report)))
    table = Table("candidate", *(safe(words.objective(each)) for each in report.goal.objectives), "score", "")
    for point in report.front:
        if point.is_on_front:
            values = (f"{value:.6g}" for value in point.values)
            table.add_row(point.id, *values, words.score(point.fitness, None), safe(point.unranked))
    console.print(table)
