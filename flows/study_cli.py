"""`nightshift study`: arms of one campaign, compared over seeds at an equal budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.home import open_home
from flows.output import JsonFlag, console, errors, present

app = typer.Typer()


@app.command()
def study(
    file: Annotated[Path, typer.Argument(help="A study's TOML file, e.g. campaigns/study-packing.toml")],
    out: Annotated[Path | None, typer.Option(help="Copy table, figures and raw data into this folder")] = None,
    only_report: Annotated[bool, typer.Option("--only-report", help="Evaluate what there is; run nothing")] = False,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Use an in-process Prefect server that ends with the run")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare arms of a campaign over seeds at an equal budget; go on where it stopped. Exit code 1: cells missing."""
    from flows.study import command, settings

    wanted, home = settings.load(file), open_home()
    if only_report:
        report = command.report(home, wanted)
    else:
        report = command.run(home, wanted, errors if as_json else console, ephemeral=ephemeral)
    if out is not None:
        command.copied(report, out)
    present(report, as_json, command.show)
    if not only_report and (missing := report["results"]["missing"]):
        sys.exit(130 if "stopped on request" in missing.values() else 1)
