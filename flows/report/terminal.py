"""The report for the terminal: what fits on a screen or two. Text of models and candidates is escaped."""

from __future__ import annotations

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from flows.report import words
from flows.report.records import Best, Report
from flows.terminal import safe, without_controls

#: Lines of the difference to the parent; `nightshift compare` has all.
DIFF_LINES = 30
MOST_ROWS = 12


def show(console: Console, report: Report) -> None:
    """Print it."""
    console.print(f"[bold]{safe(report.campaign)}[/]  {safe(words.headline(report))}")
    console.print(f"{report.rounds_recorded} of {report.rounds_asked} rounds recorded. {words.news(report)}")
    if report.ending:
        console.print(f"how the last run ended: {safe(report.ending)}")
    for notice in report.notices:
        console.print(f"[{'bold red' if notice.urgent else 'yellow'}]look[/]  {safe(notice.sentence)}")
    if report.best:
        _best(console, report, report.best)
    _outcomes(console, report)
    _cost(console, report)
    if report.origins:
        winning = f"; above the baseline: {words.origins(report.winning_origins)}" if report.winning_origins else ""
        console.print(f"[bold]ideas from[/]  {words.origins(report.origins)}{winning}", soft_wrap=True)
    _items(console, report)


def _best(console: Console, report: Report, best: Best) -> None:
    known = words.interval(best.fitness, best.standard_error, best.evaluations)
    console.print(f"\n[bold]score[/]  {words.score(best.fitness, best.standard_error)}  {known}".rstrip())
    console.print(f"[bold]best[/]  {best.id}  {safe(' '.join(best.motivation.split())[:300])}")
    if best.to_parent:
        lines = best.to_parent.diff.splitlines()
        shown = without_controls("\n".join(lines[:DIFF_LINES]))
        console.print(Syntax(shown, "diff", theme="ansi_light", word_wrap=True))
        more = max(0, len(lines) - DIFF_LINES) + best.to_parent.lines_left_out
        if more:
            console.print(f"{more} more lines: nightshift compare {best.to_parent.against} {best.id}")
    table = Table("round", "made from", "score", "gap", title="what the best was made from", title_justify="left")
    for one in [one for one in report.lineage if one.is_main_line][:MOST_ROWS]:
        table.add_row(
            str(one.round_index),
            ", ".join(one.made_from) or "nothing before it",
            words.score(one.fitness, one.standard_error),
            words.gap(report.goal, one.fitness),
        )
    console.print(table)


def _outcomes(console: Console, report: Report) -> None:
    counts = ", ".join(f"{one.count} {words.shown(one.name)}" for one in report.outcomes)
    console.print(f"[bold]outcomes[/]  {counts or 'none'}")
    for row in words.rate_rows(report.rates):
        console.print(f"  {row[0]} in {row[1]}: {row[2]} of {row[3]} rounds ({row[4]})  {safe(row[5])}")
    for count in report.refused[:MOST_ROWS]:
        console.print(f"  refused {count.count} x  {safe(count.name[:200])}")
    for fault in report.faults[:MOST_ROWS]:
        where = f" in {fault.step}" if fault.step else ""
        console.print(f"  [red]{fault.round_id}[/]{where}  {safe(' '.join(fault.reason.split())[:300])}")


def _cost(console: Console, report: Report) -> None:
    total = report.total
    console.print(
        f"[bold]cost[/]  {words.price(total)}, {total.tokens} tokens, sandbox {words.seconds(total.cpu_s)} CPU "
        "(of what was measured)"
    )
    for role in report.roles:
        models = safe(", ".join(role.models))
        used = f"{role.use.calls} calls, {role.use.tokens} tokens, {words.price(role.use)}"
        console.print(f"  {safe(role.role)} ({models})  {used}")


def _items(console: Console, report: Report) -> None:
    if not report.items:
        return
    console.print(f"[bold]items[/]  {words.about_items(report)}")
    table = Table("item", "retrieved\nimproved / others", "declared\nimproved / others")
    table.columns[0].overflow = "fold"
    for use in report.items[:MOST_ROWS]:
        declared = f"{use.declared_by_improving} / {use.declared_by_others}"
        table.add_row(safe(use.id), f"{use.with_improving} / {use.with_others}", declared)
    console.print(table)
    if len(report.items) > MOST_ROWS:
        console.print(f"and {len(report.items) - MOST_ROWS} more: --json or --out has them")
