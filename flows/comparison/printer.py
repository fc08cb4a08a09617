"""A comparison for the terminal. Text of models and candidates is escaped."""

from __future__ import annotations

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from flows.comparison.records import Comparison, MetricRow, Side
from flows.report import words
from flows.terminal import safe, without_controls

#: Rows of a lineage.
MOST_ANCESTORS = 15


def show(console: Console, comparison: Comparison) -> None:
    """Print it."""
    a, b = comparison.a, comparison.b
    for warning in comparison.warnings:
        console.print(f"[bold white on red] CAREFUL [/] [bold red]{safe(warning)}[/]")
    console.print(_sides(a, b))
    console.print(_metrics(comparison))
    console.print(f"[bold]code[/], from {a.id} to {b.id}")
    if comparison.diff.strip():
        console.print(Syntax(without_controls(comparison.diff), "diff", theme="ansi_light", word_wrap=True))
    else:
        console.print("the programs are the same")
    console.print(f"[bold]common ancestor[/]  {comparison.common_ancestor or 'none'}")
    for side in (a, b):
        console.print(_lineage(side))
    if comparison.mlflow_url:
        console.print(f"[bold]MLflow[/]  {safe(comparison.mlflow_url)}", soft_wrap=True)
    else:
        console.print(f"[bold]MLflow[/]  {safe(comparison.mlflow_hint)}", soft_wrap=True)


def _sides(a: Side, b: Side) -> Table:
    table = Table("", f"A  {a.id}", f"B  {b.id}", box=None)
    for name, left, right in (
        ("campaign", a.campaign, b.campaign),
        ("outcome", _outcome(a), _outcome(b)),
        ("re-test", a.retest or "none against it", b.retest or "none against it"),
        ("proposer", _proposer(a), _proposer(b)),
        ("sandbox", a.sandbox_tier, b.sandbox_tier),
        ("rung", ", ".join(a.measure.rungs), ", ".join(b.measure.rungs)),
        ("evaluations", str(a.evaluations), str(b.evaluations)),
        ("model calls", words.price(a.use), words.price(b.use)),
        ("tokens", str(a.use.tokens), str(b.use.tokens)),
        ("CPU", words.seconds(a.use.cpu_s), words.seconds(b.use.cpu_s)),
        ("motivation", " ".join(a.motivation.split())[:300], " ".join(b.motivation.split())[:300]),
    ):
        table.add_row(name, safe(left), safe(right))
    return table


def _outcome(side: Side) -> str:
    if side.outcome == "scored":
        shown = words.score(side.fitness, side.standard_error)
        return f"{shown}  {words.interval(side.fitness or 0.0, side.standard_error, side.evaluations)}".rstrip()
    return f"{words.shown(side.outcome)}: {' '.join(side.reason.split())[:300]}"


def _proposer(side: Side) -> str:
    return f"{side.proposer}, model {side.model or 'none'}"


def _metrics(comparison: Comparison) -> Table:
    table = Table("metric", "A", "B", "B - A", title="± is one standard error, where it is known", title_justify="left")
    for row in comparison.metrics:
        difference = _difference(row)
        table.add_row(
            safe(row.name),
            words.score(row.a, row.a_standard_error),
            words.score(row.b, row.b_standard_error),
            difference,
        )
    return table


def _difference(row: MetricRow) -> str:
    text = words.difference(row.difference, row.difference_standard_error)
    return f"{text} (seed by seed)" if row.is_paired else text


def _lineage(side: Side) -> Table:
    table = Table("round", "made from", "score", title=f"lineage of {side.id}", title_justify="left")
    for one in side.lineage[:MOST_ANCESTORS]:
        style = "" if one.is_main_line else "dim"
        made_from = ", ".join(one.made_from) or "nothing before it"
        table.add_row(str(one.round_index), made_from, words.score(one.fitness, one.standard_error), style=style)
    if len(side.lineage) > MOST_ANCESTORS:
        table.add_row("", f"and {len(side.lineage) - MOST_ANCESTORS} more", "")
    return table
