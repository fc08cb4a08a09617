"""The table of a study, for a terminal and as Markdown; the same cells in both."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from flows.study.results import ArmResult, Results
from flows.terminal import safe
from tasks.trust.arms import Comparison, least_p
from tasks.trust.gains import Summary

_UNITS = {"cpu_s": "CPU-seconds", "tokens": "tokens", "rounds": "rounds"}


def heads(results: Results) -> list[str]:
    """The columns."""
    levels = [f"reached {reached.level:g}" for reached in results.arms[0].reached]
    against = f"against {results.arms[0].arm}"
    planted = ["planted"] if any(line.expected for line in results.arms) else []
    return [
        "arm", "cells", "rounds", "final best (sd)", f"final {against}", "g", "p",
        "mean of best so far (sd)", f"mean {against}", "g", "p", *levels, *planted,
    ]  # fmt: skip


def rows(results: Results) -> list[list[str]]:
    """One line per arm."""
    has_planted = any(line.expected for line in results.arms)
    return [_row(line, has_planted) for line in results.arms]


def _row(line: ArmResult, has_planted: bool) -> list[str]:
    reached = [
        f"{one.cells}/{line.cells}" + ("" if one.median_rounds is None else f" (round {one.median_rounds:g})")
        for one in line.reached
    ]
    return [
        line.arm,
        str(line.cells),
        "-" if line.rounds is None else f"{line.rounds:.1f}",
        _summary(line.final),
        *_against(line.final_against, line.final_p),
        _summary(line.area),
        *_against(line.area_against, line.area_p),
        *reached,
        *([_planted(line)] if has_planted else []),
    ]


def _summary(found: Summary | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.5f}" + ("" if found.sd is None else f" ({found.sd:.5f})")


def _against(found: Comparison | None, p: float | None) -> list[str]:
    if found is None or p is None:
        return ["-", "-", "-"]
    if found.effect is None:
        return [f"{found.difference:+.5f} [all {found.seeds} equal]", "-", f"{p:.3f}"]
    return [f"{found.difference:+.5f} [{found.lower:+.5f}, {found.upper:+.5f}]", f"{found.effect:+.2f}", f"{p:.3f}"]


def _planted(line: ArmResult) -> str:
    if line.expected is None:
        return "-"
    if line.too_few is not None:
        return f"{line.expected}: cannot be told from {line.too_few} pairs"
    found = {None: "not tested", True: "found", False: "NOT found"}[line.is_recovered]
    return f"{line.expected}: {found}"


def notes(results: Results) -> list[str]:
    """What the numbers are, and what is missing."""
    said = [
        f"Every cell spent {results.budget:g} {_UNITS[results.unit]} after its baseline; what was found later does not "
        "count. The mean of best so far is the area under the curve over what was spent, divided by the budget.",
        f"Differences are paired by seed; intervals are Student's t, {100 * (1 - results.alpha):g}% for all "
        f"{results.comparisons} comparisons of a column together (Bonferroni). g: mean difference in standard "
        "deviations of the differences (Hedges). p: exact sign flips, corrected by Holm's method.",
    ]
    if few := _few(results):
        said.append(few)
    if results.missing:
        listed = "; ".join(f"{campaign}: {reason}" for campaign, reason in sorted(results.missing.items())[:5])
        said.append(f"Not complete and left out: {len(results.missing)} cells ({listed}).")
    return [*said, *results.remarks]


def _few(results: Results) -> str:
    """What is said where no difference could be found, however large."""
    pairs = [one.seeds for line in results.arms for one in (line.final_against,) if one is not None]
    if not pairs or (least := least_p(min(pairs), results.comparisons)) <= results.alpha:
        return ""
    return (
        f"With {min(pairs)} pairs the corrected p is never below {least:.3g}: too few to find anything at "
        f"{results.alpha:g}, whatever the intervals say. They want roughly normal differences."
    )


def markdown(results: Results) -> str:
    """Title, table, notes."""
    head = heads(results)
    lines = [f"# {results.title}", "", _line(head), "|" + "---|" * len(head), *map(_line, rows(results)), ""]
    return "\n".join([*lines, *(f"{note}\n" for note in notes(results))])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def show(console: Console, results: Results) -> None:
    """The same for a terminal: two tables, since one would be too wide."""
    head, body = heads(results), rows(results)
    for title, columns in (("final best", (0, 1, 2, 3, 4, 5, 6)), ("over the budget", (0, *range(7, len(head))))):
        table = Table(*(head[k] for k in columns), title=safe(f"{results.title}: {title}"))
        for row in body:
            table.add_row(*(safe(row[k]) for k in columns))
        console.print(table)
    for note in notes(results):
        console.print(safe(note), soft_wrap=True)
