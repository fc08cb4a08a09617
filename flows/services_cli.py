"""`nightshift doctor`, `sync`, `up`, `down`, `deploy`: this machine, its servers and what waits for them."""

from __future__ import annotations

from typing import Annotated

import typer

from cognition.archive import Archive
from flows import views
from flows.home import open_home
from flows.output import JsonFlag, console, fail, present

app = typer.Typer()


@app.command()
def doctor(as_json: JsonFlag = False) -> None:
    """What this machine offers: sandbox tiers, versions, state folder; and what to install for more."""
    from flows.doctor import examine, print_examination

    present(examine(open_home()), as_json, print_examination)


@app.command()
def sync(
    campaign: Annotated[str | None, typer.Argument(help="Publish everything of this campaign again")] = None,
) -> None:
    """Publish to MLflow what waits in the outbox, e.g. after MLflow was down."""
    from tasks.tracking import drain, open_tracker

    home = open_home()
    with Archive.open(home.archive_url) as archive:
        if campaign is not None:
            archive.requeue(views.chosen(archive, campaign))
        try:
            published = drain(open_tracker(home.tracking_uri, home.mlflow_artefacts), archive)
        except Exception as error:  # noqa: BLE001  # whatever MLflow raises, the answer is the same
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            fail(f"MLflow at {home.tracking_uri} did not take the results: {reason}; nothing is lost", code=1)
    console.print(f"{published} results published to {home.tracking_uri}")


@app.command()
def up(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, 127.0.0.1 if not given; beyond it anybody can run flows")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Start what unattended nights need: Prefect and MLflow servers, worker, deployments. What runs is left alone."""
    from flows import fleet

    present({"services": fleet.up(open_home(), host)}, as_json, views.print_services)


@app.command()
def down() -> None:
    """Stop the servers and the worker of this state folder."""
    from flows import fleet

    stopped = fleet.down(open_home())
    console.print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@app.command()
def deploy(
    source: Annotated[str | None, typer.Argument(help="A campaign's TOML; left out: prefect.yaml as it stands")] = None,
    cron: Annotated[str, typer.Option(help="When a night begins, five fields")] = "0 22 * * *",
    timezone: Annotated[str, typer.Option(help="Whose ten in the evening, e.g. Europe/Berlin")] = "UTC",
    rounds_per_night: Annotated[int, typer.Option(min=1, help="Rounds to add each night")] = 40,
    dry_run: Annotated[bool, typer.Option(help="Check and print, change nothing")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Create or update deployments on the Prefect server: those of prefect.yaml, or a campaign every night."""
    import asyncio

    from flows import deployments, fleet

    if source is None:
        wanted = deployments.of_this_folder()
    else:
        wanted = (deployments.nightly_of(source, cron, timezone, rounds_per_night),)
    if not dry_run:
        with fleet.connected(open_home()):
            asyncio.run(deployments.apply_all(wanted))
    present(deployments.report(wanted, dry_run), as_json, views.print_deployments)
