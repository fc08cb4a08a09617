"""The command line: `nightshift run circle_packing`, and what a person wants to know afterwards.

Commands that list or report take --json. Exit codes: 0 done, 1 the run failed, 2 something asked for is wrong,
130 interrupted. Every expected error is one line that says what happened and what to do.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from cognition.archive import Archive, ArchiveError
from cognition.records import MachineFault, round_id
from flows import (
    approval,
    arch_layers,
    budgets,
    cognition_cli,
    config,
    curate,
    export_cli,
    forecast,
    front_cli,
    leaving,
    measure,
    problem_cli,
    registry,
    replay_cli,
    rl_losses,
    study_cli,
    views,
)
from flows.home import Home, open_home
from flows.output import JsonFlag, console, errors, present
from flows.terminal import safe

app = typer.Typer(
    name="nightshift",
    help="Let a language model do AI research through the night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(curate.app, name="curate")
app.add_typer(cognition_cli.app)
app.add_typer(problem_cli.app)
app.add_typer(front_cli.app)
app.add_typer(study_cli.app)
app.add_typer(replay_cli.app)
app.add_typer(export_cli.app)
app.add_typer(arch_layers.app, name="arch")
app.add_typer(rl_losses.app, name="rl")

EXPECTED = (config.ConfigError, registry.UnknownProblem, ArchiveError, MachineFault)

MeasureChanged = Annotated[
    bool, typer.Option("--measure-changed", help="Go on although the problem's judge, data or seed program changed")
]
Ephemeral = Annotated[bool, typer.Option("--ephemeral", help="Use an in-process Prefect server that ends with the run")]


def main() -> None:
    """Entry point. The process also ends when something it uses does not let it."""
    try:
        run_command()
    except SystemExit as ending:
        leaving.within(ending.code if isinstance(ending.code, int) else 0)
        raise


def run_command() -> None:
    """The command of the command line; expected errors become one line and exit code 2."""
    try:
        app()
    except EXPECTED as error:
        fail(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fail(
            f"{error.filename or 'the state folder'}: {error.strerror}; nothing that was recorded is lost. "
            "Free some space or choose another folder with NIGHTSHIFT_HOME, then `nightshift resume`"
        )


def fail(message: str, code: int = 2) -> None:
    """One line to stderr, then exit."""
    errors.print(f"[red]nightshift:[/] {safe(' '.join(message.split()))}", soft_wrap=True)
    sys.exit(code)


@app.command()
def run(
    source: Annotated[str, typer.Argument(help="A problem's name or a TOML file of campaigns/")],
    rounds: Annotated[int | None, typer.Option(help="Evolution rounds in total")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the campaign")] = None,
    workers: Annotated[int | None, typer.Option(help="Rounds in flight")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the campaign")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any setting, e.g. sampler.kind=greedy")] = None,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run candidates without isolation (tagged)")] = False,
    no_audit: Annotated[bool, typer.Option("--no-audit", help="Do not audit a new problem first")] = False,
    accept_audit: Annotated[bool, typer.Option("--accept-audit", help="Run even if cheats get through")] = False,
    measure_changed: MeasureChanged = False,
    ephemeral: Ephemeral = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a campaign, or go on with the one of the same name."""
    overrides = config.parse_assignments(set_ or [])
    plain = {"rounds": rounds, "seed": seed, "workers": workers, "name": name}
    overrides |= {key: value for key, value in plain.items() if value is not None}
    if unsafe_no_sandbox:
        overrides["sandbox"] = {**overrides.get("sandbox", {}), "unsafe_no_sandbox": True}
    if no_audit or accept_audit:
        overrides["audit"] = {**overrides.get("audit", {}), "first_run": "off" if no_audit else "accept"}
    _run(config.load(source, overrides), ephemeral=ephemeral, as_json=as_json, measure_changed=measure_changed)


@app.command()
def resume(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    rounds: Annotated[int | None, typer.Option(help="A new total of rounds")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A new limit, e.g. limits.max_usd=20")] = None,
    measure_changed: MeasureChanged = False,
    ephemeral: Ephemeral = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on with a campaign where it stopped; failed rounds are run again, and budgets can be topped up."""
    with _archive(open_home()) as archive:
        stored = archive.campaign(views.chosen(archive, campaign))
    changes = config.parse_assignments(set_ or []) | ({} if rounds is None else {"rounds": rounds})
    values = budgets.topped_up(stored.settings, changes)
    settings = config.validate(values, f"campaign {stored.name}")
    _run(settings, ephemeral=ephemeral, as_json=as_json, measure_changed=measure_changed)


def _run(settings: config.Settings, *, ephemeral: bool, as_json: bool, measure_changed: bool) -> None:
    from flows import live, progress, runtime

    domain = registry.load(settings.problem, settings.options)
    metric = domain.brief().shown_as
    home = open_home()
    with _archive(home) as archive:
        if measure_changed:
            measure.accept(archive, settings, domain)
        measure.refuse_changed(archive, settings, domain)
        shared = measure.shared_with(archive, settings, domain)
    expected = forecast.before_start(settings, domain, home)
    ui = runtime.enter(home, ephemeral=ephemeral)
    screen = errors if as_json else console
    if ui:
        screen.print(f"Prefect UI {ui}  (stop it with `nightshift down`)")
    screen.print(expected, soft_wrap=True)
    if shared:
        screen.print(
            safe(
                f"another problem is called {domain.name} too, that of {shared}: they share their cognition items. "
                'Another `name` in problem.py, or retrieve.cognition = "own", keeps them apart'
            ),
            soft_wrap=True,
        )
    with live.LiveView(screen, metric) as view:
        progress.watch(view)
        ended = runtime.run_campaign(
            settings,
            lambda: screen.print(
                "finishing the rounds in flight; Ctrl-C again stops at once. "
                f"`nightshift resume {settings.name}` goes on"
            ),
        )
    with _archive(home) as archive:
        report = views.run_report(archive, settings.name, ended)
    present(report, as_json, views.print_run)
    if ended.is_failure:
        fail(f"{ended.sentence}. `nightshift resume {settings.name}` tries again", code=1)
    if ended.ending == "interrupted":
        sys.exit(130)


@app.command()
def rerun(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A round id, e.g. circle-packing-0007")],
    from_: Annotated[str, typer.Option("--from", help="The first step to run again")] = "train",
    ephemeral: Ephemeral = False,
) -> None:
    """Run a recorded round again from a step on; the earlier steps' results are kept."""
    from flows import runtime
    from flows.claim import is_dead
    from tasks.engine import STEPS

    home = open_home()
    with _archive(home) as archive:
        campaign, index = views.split_round(archive, round_name)
        if from_ not in STEPS:
            raise config.ConfigError(f"there is no step {from_!r}; steps are {', '.join(STEPS)}")
        settings = config.validate(archive.campaign(campaign).settings, f"campaign {campaign}")
        runtime.enter(home, ephemeral=ephemeral)  # before the round is reopened: a server that fails costs nothing
        archive.release_leases(campaign, is_dead)
        archive.reopen_round(round_id(campaign, index), from_, STEPS)
    state = runtime.run_single_round(settings, index)
    console.print(f"{round_name}: {state}")
    if state != "Completed":
        fail(f"{round_name} ended as {state}; see `nightshift status`", code=1)


@app.command()
def promote(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    finalists: Annotated[int, typer.Option(help="How many of the best candidates are tested")] = 5,
    rung: Annotated[str, typer.Option(help="same, next, or one of the problem's rungs")] = "same",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="cap, first, step, gate or alpha, e.g. cap=40")
    ] = None,
    ephemeral: Ephemeral = False,
    as_json: JsonFlag = False,
) -> None:
    """Test the best candidates and the baseline on fresh seeds, and say which are really better."""
    from flows import promoting

    home = open_home()
    with _archive(home) as archive:
        stored = archive.campaign(views.chosen(archive, campaign))
    settings = config.validate(stored.settings, f"campaign {stored.name}")
    plan = promoting.plan(config.parse_assignments(set_ or []) | {"finalists": finalists, "rung": rung})
    report = promoting.run(home, settings, plan, ephemeral=ephemeral)
    present(report, as_json, promoting.show)


@app.command()
def approve(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    no: Annotated[bool, typer.Option("--no", help="Refuse instead")] = False,
    rung: Annotated[str | None, typer.Option(help="Another rung than the campaign's, for a promotion")] = None,
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """Say yes (or no) to a campaign whose rung needs it; one that waits sees it at once."""
    home = open_home()
    with _archive(home) as archive:
        stored = archive.campaign(views.chosen(archive, campaign))
    rung = rung or str(stored.settings["evaluate"]["rung"])
    decision = approval.Decision("veto" if no else "accept", note)
    approval.decide(approval.campaign_desk(home.artefact_root, stored.name), approval.key_of(rung), decision)
    console.print(f"rung {safe(rung)} of {stored.name} is {'refused' if no else 'approved'}")


@app.command()
def accept(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A round that waits, e.g. circle-packing-0007")],
    motivation: Annotated[str, typer.Option(help="A text in place of the proposal's motivation")] = "",
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """Let a round's proposal go on, as it is or with another motivation."""
    _decide(round_name, approval.Decision("edit" if motivation else "accept", note, motivation))


@app.command()
def veto(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A round that waits, e.g. circle-packing-0007")],
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """End a round's proposal before anything is spent on it."""
    _decide(round_name, approval.Decision("veto", note))


def _decide(round_name: str, decision: approval.Decision) -> None:
    home = open_home()
    with _archive(home) as archive:
        identity = round_id(*views.split_round(archive, round_name))
    desk = approval.round_desk(home.artefact_root, identity)
    key = approval.asked(desk)
    if key is None:
        raise config.ConfigError(f"{identity} waits for no decision; see approval.motivations in docs/operations.md")
    if (known := approval.decision_of(desk, key)) is not None:
        raise config.ConfigError(f"{identity} is decided already: {known.verdict}, {known.note or 'without a note'}")
    approval.decide(desk, key, decision)
    console.print(f"{identity}: {decision.verdict}")


@app.command()
def status(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; all if left out")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Campaigns, their rounds by outcome, best, spend; what waits for MLflow."""
    home = open_home()
    with _archive(home) as archive:
        report = views.status_report(archive, home, campaign)
    present(report, as_json, views.print_status)


@app.command()
def best(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    out: Annotated[Path | None, typer.Option(help="Copy program and figures into this folder")] = None,
    as_json: JsonFlag = False,
) -> None:
    """The best candidate: program, score, figure."""
    with _archive(open_home()) as archive:
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
    with _archive(open_home()) as archive:
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
    with _archive(home) as archive:
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
    with _archive(home) as archive:
        found = command.make(archive, home, one, other)
    if as_json:
        sys.stdout.write(command.as_json(found))
    else:
        command.show(console, found)


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
    with _archive(home) as archive:
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


def _archive(home: Home) -> Archive:
    return Archive.open(home.archive_url)


if __name__ == "__main__":
    main()
