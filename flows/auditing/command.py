"""The command `nightshift audit`: its report as plain data, and drawn for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from cognition.records import JSON
from flows.auditing.audit import audit
from flows.terminal import safe

ORDER = {"scored": 0, "reached": 1, "fault": 2, "not tried": 3, "held": 4}


def make(problem: str, options: Mapping[str, JSON], rung: str | None) -> dict[str, Any]:
    """The audit as a dictionary. Raises UnknownProblem, ConfigError, MachineFault."""
    found = audit(problem, options, rung)
    counts = Counter(finding.result for finding in found.findings)
    return {**asdict(found), "counts": dict(counts), "passed": found.passed}


def show(console: Console, report: dict[str, Any]) -> None:
    """What broke first, then what held and how."""
    table = Table("cheat", "result", "fitness", "why", title=safe(f"{report['problem']} at {report['rung']}"))
    for row in sorted(report["findings"], key=lambda row: ORDER[row["result"]]):
        fitness = "" if row["fitness"] is None else f"{row['fitness']:.6g}"
        why = f"{row['failure']}: {row['reason']}" if row["failure"] else row["reason"]
        table.add_row(safe(row["cheat"]), row["result"], fitness, safe(why[:100]))
    console.print(table)
    console.print(
        f"seed program: {report['seed_fitness']:.10g}, sandbox {report['sandbox_tier']}, {report['seconds']:.0f} s"
    )
    if not report["repeats"]:
        console.print("the seed program does not score the same twice on one seed: the evaluator is not deterministic")
    console.print(_sentence(report["counts"]), soft_wrap=True)


def _sentence(counts: dict[str, int]) -> str:
    broken = counts.get("scored", 0) + counts.get("reached", 0)
    if broken:
        return (
            f"[bold]{broken} of {sum(counts.values())} cheats got what they wanted: the evaluator cannot be trusted[/]"
        )
    if counts.get("fault", 0):
        return "No cheat scored, but our machine failed under some: run it again when it is less loaded"
    return f"all {counts.get('held', 0)} cheats were held"
