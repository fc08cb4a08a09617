"""Reports of the CLI: built as plain dictionaries (which --json prints), then drawn for people with rich."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from cognition import tree
from cognition.archive import Archive
from cognition.records import Artefact, Candidate, Failure, Score, round_id
from flows import config, fleet, retest, spending
from flows.auditing import first_run
from flows.home import Home
from flows.report import words
from flows.terminal import safe, without_controls
from tasks import artefacts, trees
from tasks.publication import unified_diff

if TYPE_CHECKING:
    from flows.campaign import Ended
    from flows.trying import Attempt


def chosen(archive: Archive, campaign: str | None) -> str:
    """The campaign of that name, or the newest. Raises ConfigError if there is none."""
    if campaign is not None:
        return archive.campaign(campaign).name
    newest = archive.campaigns()
    if not newest:
        raise config.ConfigError("there is no campaign yet; start one with `nightshift run circle_packing`")
    return newest[0].name


def split_round(archive: Archive, name: str) -> tuple[str, int]:
    """Campaign and index of a round id. Raises ConfigError."""
    campaign, _, index = name.rpartition("-")
    if not campaign or not (index.isascii() and index.isdecimal()):
        raise config.ConfigError(f"{name!r} is not a round id; they look like circle-packing-0007")
    return archive.campaign(campaign).name, int(index)


def outcome_report(outcome: Score | Failure | None) -> dict[str, Any]:
    """An outcome with its kind spelled out."""
    if outcome is None:
        return {"kind": "none"}
    if isinstance(outcome, Score):
        return {"kind": "scored", **asdict(outcome)}
    return {"kind": str(outcome.kind), "reason": outcome.reason, "trace": outcome.trace}


def candidate_report(archive: Archive, candidate: Candidate, out: Path | None) -> dict[str, Any]:
    """Everything about one candidate; with `out`, program and artefacts are copied there."""
    evaluations = archive.evaluations(candidate.id)
    files = {a.name: a for e in evaluations for a in e.measurements.artefacts}
    calls = archive.calls(round_id(candidate.campaign, candidate.round_index))
    report = {
        "id": candidate.id,
        "campaign": candidate.campaign,
        "round": candidate.round_index,
        "outcome": outcome_report(candidate.outcome),
        "retest": retest.mark_of(archive, candidate.campaign, candidate.id),
        "metrics": candidate.metrics,
        "features": candidate.features,
        "breakdown": evaluations[0].measurements.breakdown if evaluations else {},
        "parents": list(candidate.parents),
        "lineage": list(candidate.lineage),
        "provenance": asdict(candidate.provenance),
        "sandbox_tier": candidate.sandbox_tier,
        "motivation": candidate.motivation,
        "analysis": candidate.analysis,
        "artefacts": {name: _place(a) for name, a in files.items()},
        "model_calls": [_call_report(call) for call in calls],
        "spend": spending.candidate_report(archive, candidate, calls, evaluations),
        "program": candidate.code,
        "files": _files_report(archive, candidate),
    }
    if out is not None:
        report["artefacts"] = _copied(candidate, list(files.values()), out)
    return report


def _files_report(archive: Archive, candidate: Candidate) -> dict[str, Any] | None:
    """Of a candidate with several files: their names, and what differs from what it was made from. None: one file."""
    if not tree.is_tree(candidate.code):
        return None
    parent = archive.candidate(candidate.lineage[0]) if candidate.lineage else None
    if parent is None:
        return {"names": _names(candidate), "against": None, "changes": [], "diff": ""}
    return {
        "names": _names(candidate),
        "against": parent.id,
        "changes": _changes(parent, candidate),
        "diff": unified_diff(parent.code, candidate.code, parent.id, candidate.id),
    }


def _names(candidate: Candidate) -> list[str]:
    try:
        return list(tree.read(candidate.code))
    except tree.TreeError:  # an answer that was recorded as it came
        return []


def _changes(parent: Candidate, candidate: Candidate) -> list[dict[str, Any]]:
    try:
        found = trees.changes(tree.files_of(parent.code), tree.files_of(candidate.code))
    except tree.TreeError:
        return []
    return [
        {"name": each.path, "change": each.word, "added": each.counts[0], "removed": each.counts[1]} for each in found
    ]


def _place(artefact: Artefact) -> str:
    path = artefacts.local_path(artefact.uri)
    return str(path) if path is not None else artefact.uri


def _copied(candidate: Candidate, files: list[Artefact], out: Path) -> dict[str, str]:
    out.mkdir(parents=True, exist_ok=True)
    names = _written(candidate, out)
    for artefact in files:
        (out / artefact.name).write_bytes(artefacts.read(artefact.uri))
    return {name: str(out / name) for name in [*names, *(a.name for a in files)]}


def _written(candidate: Candidate, out: Path) -> list[str]:
    """The program's file, or those of a tree in a folder `program`; text that is no tree is written as it is."""
    if tree.is_tree(candidate.code) and _names(candidate):
        return [f"program/{name}" for name in trees.to_folder(candidate.code, out / "program")]
    (out / tree.ONE_FILE).write_text(candidate.code)
    return [tree.ONE_FILE]


def _call_report(call: Any) -> dict[str, Any]:
    kept = ("role", "attempt", "model", "prompt_tokens", "completion_tokens", "price_usd", "latency_s")
    return {name: getattr(call, name) for name in kept}


def campaign_report(archive: Archive, name: str) -> dict[str, Any]:
    """One campaign in numbers."""
    campaign = archive.campaign(name)
    rounds = archive.rounds(name)
    best = archive.best(name)
    outcomes = Counter(summary.outcome_kind or summary.state for summary in rounds)
    failed = [{"round": s.id, "reason": s.reason} for s in rounds if s.state == "failed"]
    return {
        "campaign": name,
        "problem": campaign.problem,
        "rounds_recorded": sum(s.state == "recorded" and s.index > 0 for s in rounds),
        "rounds_asked": campaign.settings["rounds"],
        "outcomes": dict(outcomes),
        "machine_failures": failed,
        "best": None if best is None else _best_report(best),
        "demoted": {name: retest.mark(one) for name, one in archive.demoted(name).items()},
        **spending.campaign_report(archive, campaign),
    }


def _best_report(best: Candidate) -> dict[str, Any]:
    assert isinstance(best.outcome, Score)  # the ranking holds nothing else
    shown = {"fitness": best.fitness, "standard_error": best.outcome.standard_error}
    return {"id": best.id, **shown, "evaluations": best.outcome.evaluations}


def run_report(archive: Archive, name: str, ended: Ended) -> dict[str, Any]:
    """What `run` says at the end."""
    audited = first_run.note_of(archive, name)
    return {**campaign_report(archive, name), "ending": ended.ending, "sentence": ended.sentence, "audit": audited}


def status_report(archive: Archive, home: Home, campaign: str | None) -> dict[str, Any]:
    """All campaigns or one; servers; what waits."""
    names = [campaign] if campaign else [c.name for c in archive.campaigns()]
    return {
        "home": str(home.root),
        "services": fleet.report(home),
        "waiting_for_mlflow": len(archive.pending(10_000)),
        "campaigns": [campaign_report(archive, name) for name in names],
    }


def print_services(console: Console, report: dict[str, Any]) -> None:
    """Servers, worker, supervisor."""
    for name, service in report["services"].items():
        colour = "green" if service["state"] in ("running", "given") else "yellow"
        console.print(f"{name:>15}  [{colour}]{service['state']}[/]  {service.get('url', '')}", soft_wrap=True)


def print_deployments(console: Console, report: dict[str, Any]) -> None:
    """Deployments with their schedules."""
    done = "on the server" if report["applied"] else "checked, nothing changed"
    console.print(f"version {report['version']}, work pool {report['work_pool']}: {done}")
    for deployment in report["deployments"]:
        console.print(f"  [bold]{deployment['name']}[/]  {safe(deployment['campaign'] or '')}")
        for schedule in deployment["schedules"]:
            state = "" if schedule["active"] else "  (switched off)"
            console.print(f"    {schedule['cron']}  {schedule['timezone']}{state}")


def print_run(console: Console, report: dict[str, Any]) -> None:
    """The last lines of a run."""
    if report["ending"] in ("finished", "enough", "interrupted", "budget", "wall_time", "unapproved"):
        console.print(f"\n[bold]{safe(report['sentence'])}[/]")
    outcomes = ", ".join(f"{count} {kind}" for kind, count in sorted(report["outcomes"].items()))
    console.print(f"outcomes: {outcomes or 'none'}; {spending.line(report['spend'])}")
    if report["audit"]:
        console.print(safe(report["audit"]), soft_wrap=True)
    if report["best"]:
        console.print(f"look at it: nightshift best {report['campaign']} --out best/")


def print_status(console: Console, report: dict[str, Any]) -> None:
    """The table of campaigns."""
    console.print(
        f"state folder {report['home']}; {report['waiting_for_mlflow']} results wait for MLflow", soft_wrap=True
    )
    print_services(console, report)
    table = Table("campaign", "rounds", "outcomes", "best", "spend")
    for campaign in report["campaigns"]:
        best = campaign["best"]
        table.add_row(
            campaign["campaign"],
            f"{campaign['rounds_recorded']}/{campaign['rounds_asked']}",
            ", ".join(f"{count} {kind}" for kind, count in sorted(campaign["outcomes"].items())),
            f"{words.score(best['fitness'], best['standard_error'])}\n{best['id']}" if best else "none",
            spending.cell(campaign),
        )
    console.print(table)
    for campaign in report["campaigns"]:
        for failure in campaign["machine_failures"]:
            console.print(f"[red]{failure['round']}[/] {safe(failure['reason'])}", soft_wrap=True)


def print_candidate(console: Console, report: dict[str, Any]) -> None:
    """A candidate for reading."""
    outcome = report["outcome"]
    scored = outcome["kind"] == "scored"
    title = _scored(outcome) if scored else f"{outcome['kind']}: {outcome['reason']}"
    if report["retest"]:
        console.print(f"[bold red]{safe(report['retest'])}[/]", soft_wrap=True)
    console.print(
        Panel(
            safe(title),
            title=report["id"],
            subtitle="made from " + (", ".join(report["lineage"]) or "nothing before it"),
        )
    )
    _print_program(console, report)
    for name in ("motivation", "analysis"):
        if report[name]:
            console.print(f"[bold]{name}[/]  {safe(report[name])}")
    table = Table("what", "value", show_header=False, box=None)
    for name, value in {**report["metrics"], **{f"feature {k}": v for k, v in report["features"].items()}}.items():
        table.add_row(name, f"{value:.10g}")
    for name, value in report["breakdown"].items():
        table.add_row(name, safe(str(value)))
    provenance = report["provenance"]
    table.add_row("proposer", f"{provenance['proposer']} ({provenance['form']}, model {provenance['model'] or 'none'})")
    table.add_row("sandbox", report["sandbox_tier"])
    table.add_row("spend", spending.line(report["spend"]))
    console.print(table)
    for name, place in report["artefacts"].items():
        console.print(f"{name}  {place}", soft_wrap=True)


def _scored(outcome: dict[str, Any]) -> str:
    """A score to the last digit, with the interval that its replicates give it."""
    error, count = outcome["standard_error"], outcome["evaluations"]
    if error is None:
        return f"{outcome['fitness']:.12g}  ({words.replicates(count)})"
    return f"{outcome['fitness']:.12g}  {words.interval(outcome['fitness'], error, count)} ({words.replicates(count)})"


def _print_program(console: Console, report: dict[str, Any]) -> None:
    """A single program in full; of a tree the files that differ from its parent's, the seed in full."""
    files = report["files"]
    if files is None or files["against"] is None:
        console.print(Syntax(without_controls(report["program"]), "python", theme="ansi_light", line_numbers=True))
        return
    unchanged = len(files["names"]) - sum(change["change"] != "removed" for change in files["changes"])
    console.print(f"[bold]files[/], against {files['against']}; {unchanged} as they were, all with --out FOLDER")
    for change in files["changes"]:
        console.print(f"  {change['change']:>7}  {safe(change['name'])}  +{change['added']} -{change['removed']}")
    console.print(Syntax(without_controls(files["diff"]), "diff", theme="ansi_light"))


def attempt_report(tried: Attempt) -> dict[str, Any]:
    """One tried program."""
    failed = tried.outcome if isinstance(tried.outcome, Failure) else None
    return {
        "fitness": tried.fitness,
        "failure": None if failed is None else {"kind": failed.kind, "reason": failed.reason, "trace": failed.trace},
        "metrics": tried.metrics,
        "cpu_s": tried.cpu_s,
        "sandbox_tier": tried.sandbox_tier,
        "logs": tried.logs,
    }


def print_attempt(console: Console, report: dict[str, Any]) -> None:
    """Its outcome first, then what was measured, then what it printed."""
    failure = report["failure"]
    if failure is None:
        console.print(f"[bold]fitness {report['fitness']:.10g}[/]")
    else:
        console.print(f"[bold]no score ({failure['kind']})[/]: {safe(failure['reason'])}", soft_wrap=True)
        console.print(safe(failure["trace"]), soft_wrap=True)
    for name, value in report["metrics"].items():
        console.print(f"  {safe(name)}  {value:.10g}")
    console.print(f"{report['cpu_s']:.2f} CPU-s in the sandbox {report['sandbox_tier']}")
    if report["logs"]:
        console.print(f"it printed:\n{safe(report['logs'])}", soft_wrap=True)
