"""The command `nightshift promote`: checks its settings, runs the flow, draws the table."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from flows.config import ConfigError, Settings
from flows.finalists import Plan, at_rung
from flows.home import Home
from flows.terminal import safe
from tasks.llm import BudgetExhausted

COLUMNS = ("finalist", "explored", "gain", "s.e.", "lower", "upper", "seeds", "verdict")
MEANINGS = {
    "promoted": "its gain is above the gate at its share of alpha",
    "not promoted": "better on average, but that may be chance",
    "demoted": "not better than the baseline on fresh seeds",
    "failed": "got no score on a fresh seed",
}


def plan(values: dict[str, Any]) -> Plan:
    """Checked settings of a promotion. Raises ConfigError."""
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(sorted(Plan.model_fields))
        raise ConfigError(f"promote: {place}: {first['msg'].removeprefix('Value error, ')} (of {allowed})") from None


def run(home: Home, settings: Settings, wanted: Plan, *, ephemeral: bool) -> dict[str, Any]:
    """Promote and return the report. Raises ConfigError, MachineFault."""
    from flows import runtime  # Prefect reads its environment when it is imported, and `enter` sets it

    at_rung(settings, wanted)  # what cannot be promoted is said before a server is started
    runtime.enter(home, ephemeral=ephemeral)
    try:
        return runtime.run_promotion(settings, wanted)
    except BudgetExhausted as error:
        raise ConfigError(f"{error} What was measured is kept") from None


def show(console: Console, report: dict[str, Any]) -> None:
    """The table, and what it means."""
    table = Table(*COLUMNS, title=safe(f"{report['campaign']}: gain over {report['baseline']} at {report['rung']}"))
    for row in report["finalists"]:
        table.add_row(*_cells(row))
    console.print(table)
    for verdict in dict.fromkeys(row["verdict"] for row in report["finalists"]):
        console.print(f"{verdict}: {MEANINGS.get(verdict, 'wants further seeds')}")
    console.print(
        f"{report['tried']} rounds were tried; {report['tests']} tests on fresh seeds so far, each candidate once at a "
        f"rung. The campaign promotes something that is not better with a chance of {report['alpha']:.3g} at most.",
        soft_wrap=True,
    )
    if (held_out := report["held_out"]) is not None:
        console.print(held_out_note(held_out), soft_wrap=True)
    for changed in report["changes"]:
        console.print(f"[bold red]{safe(changed)}[/]", soft_wrap=True)
    if note := noise_note(report):
        console.print(note, soft_wrap=True)
    if not report["finalists"]:
        console.print("no candidate has a better score than the baseline: nothing to test")


def noise_note(report: dict[str, Any]) -> str:
    """What is said where scores have no noise, or seem to have none."""
    if report["deterministic"]:
        return "The problem is deterministic: two seeds show that it is, and a gain is taken as it is."
    measured = [row for row in report["finalists"] if "spread" in row]
    if measured and not any(row["spread"] for row in measured):
        return (
            "Every seed gave the same gain. If the problem has no noise at all, let it say so (`deterministic = True`, "
            "docs/trust.md): two seeds will do then."
        )
    return ""


def held_out_note(held_out: dict[str, Any]) -> str:
    """What the one look at the held-out test showed."""
    shown = [f"{row['candidate']} {_outcome(row)}" for row in held_out["finalists"]]
    seen = f"gain on the held-out test {held_out['rung']}: {', '.join(shown)}. " if shown else ""
    return safe(f"{seen}Looks at it so far: {held_out['touches']}, one for each promoted finalist.")


def _outcome(row: dict[str, Any]) -> str:
    return f"no score ({row['reason'][:80]})" if row["gain"] is None else f"{row['gain']:+.4g}"


def _cells(row: dict[str, Any]) -> list[str]:
    explored = f"{row['explored']:.6g}"
    if "gain" not in row:
        return [row["candidate"], explored, "", "", "", "", "", f"{row['verdict']}: {safe(row['reason'][:80])}"]
    numbers = [_number(row[name]) for name in ("gain", "standard_error", "lower", "upper")]
    held = f": no sure gain on {safe(', '.join(row['held_back_by']))}" if row["held_back_by"] else ""
    return [row["candidate"], explored, *numbers, str(row["replicates"]), f"{row['verdict']}{held}"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
