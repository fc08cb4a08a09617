"""`nightshift run`, `resume`, `rerun`, `promote`: what spends something. Begins, and says how it ended."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cognition.archive import Archive
from cognition.records import round_id
from flows import budgets, config, forecast, measure, registry, views
from flows.home import open_home
from flows.output import JsonFlag, console, errors, fail, present
from flows.terminal import safe

app = typer.Typer()

MeasureChanged = Annotated[
    bool, typer.Option("--measure-changed", help="Go on although the problem's judge, data or seed program changed")
]
Ephemeral = Annotated[bool, typer.Option("--ephemeral", help="Use an in-process Prefect server that ends with the run")]


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
    with Archive.open(open_home().archive_url) as archive:
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
    with Archive.open(home.archive_url) as archive:
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
    with Archive.open(home.archive_url) as archive:
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
    with Archive.open(home.archive_url) as archive:
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
    with Archive.open(home.archive_url) as archive:
        stored = archive.campaign(views.chosen(archive, campaign))
    settings = config.validate(stored.settings, f"campaign {stored.name}")
    plan = promoting.plan(config.parse_assignments(set_ or []) | {"finalists": finalists, "rung": rung})
    report = promoting.run(home, settings, plan, ephemeral=ephemeral)
    present(report, as_json, promoting.show)
