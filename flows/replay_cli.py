"""`nightshift replay` and `nightshift cassette`: a recorded campaign once more, without a model or a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cognition.archive import Archive
from cognition.records import JSON
from flows.home import open_home
from flows.output import JsonFlag, console, errors, present
from flows.terminal import safe

app = typer.Typer()
cassettes = typer.Typer(no_args_is_help=True, help="Recorded campaigns as files, for another machine.")
app.add_typer(cassettes, name="cassette")

Campaign = Annotated[str, typer.Argument(help="The campaign")]


@app.command()
def replay(
    campaign: Campaign,
    cassette: Annotated[Path | None, typer.Option(help="A cassette; left out: what the archive has recorded")] = None,
    problem: Annotated[str | None, typer.Option(help="The problem's folder here, if it is elsewhere now")] = None,
    sampler: Annotated[str | None, typer.Option(help="Run it with another sampler instead of comparing")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a recorded campaign again without a network and compare. Exit code 1 if anything is not the same."""
    from flows.replaying import command

    screen = errors if as_json else console
    with screen.status(f"replaying {safe(campaign)}") as status:
        report = command.replay(
            open_home(),
            command.Wanted(campaign, cassette, problem, sampler),
            lambda done, of: status.update(f"replaying {safe(campaign)}: {done} of {of} rounds"),
            ephemeral=True,
        )
    present(report, as_json, command.show)
    if not report.get("identical", True):
        sys.exit(1)


@cassettes.command()
def export(
    campaign: Campaign,
    out: Annotated[Path | None, typer.Option(help="The file; CAMPAIGN.cassette.jsonl if left out")] = None,
    prompts: Annotated[str | None, typer.Option(help="full, hashed or patterns; else as the campaign says")] = None,
    redact: Annotated[list[str] | None, typer.Option(help="Black this regular expression out of the prompts")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write what a campaign was told, and what came of it, into one file. No keys are in it; answers are in full."""
    from flows.replaying import command

    asked: dict[str, JSON] = {} if prompts is None else {"prompts": prompts}
    if redact:
        asked |= {"prompts": "patterns", "patterns": redact}
    home = open_home()
    with Archive.open(home.archive_url) as archive:
        name = archive.campaign(campaign).name
    made = command.make_cassette(home, name, out or Path(f"{name}.cassette.jsonl"), asked)
    present(made, as_json, lambda screen, report: screen.print(_line(report), soft_wrap=True))


@cassettes.command()
def show(file: Annotated[Path, typer.Argument(help="A cassette")], as_json: JsonFlag = False) -> None:
    """What is on a cassette."""
    from flows.replaying import command, tape

    report = command.summary(tape.read(file)) | {"file": str(file), "bytes": file.stat().st_size}
    present(report, as_json, lambda screen, report: screen.print(_line(report), soft_wrap=True))


def _line(report: dict[str, JSON]) -> str:
    return safe(
        f"{report['file']}: {report['campaign']} of {report['problem']} (hash {str(report['problem_hash'])[:12]}), "
        f"{report['rounds']} rounds, {report['answers']} answers, prompts {report['prompts']}, {report['bytes']} bytes"
    )
