"""The report as Markdown: for MLflow and for Prefect's artefacts. Text of models and candidates is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flows.report import words
from flows.report.escape import markdown_block, markdown_text
from flows.report.records import Best, Change, Report

#: Rows of a table; the HTML report and --json have the rest.
MOST_ROWS = 25


def render(report: Report) -> str:
    """The whole report; figures lie beside it and are not referred to."""
    return "\n".join(_parts(report)) + "\n"


def _parts(report: Report) -> Iterator[str]:
    yield f"# {report.campaign}\n"
    yield f"{text(words.headline(report))}\n"
    yield f"{report.rounds_recorded} of {report.rounds_asked} rounds recorded; made {words.moment(report.made_at)}."
    if report.ending:
        yield f"How the last run ended: {text(report.ending)}."
    yield "\n## What to look at\n"
    yield from [
        f"- {'**' if one.urgent else ''}{text(one.sentence)}{'**' if one.urgent else ''}" for one in report.notices
    ]
    if not report.notices:
        yield "Nothing stands out."
    yield "\n## What is new\n"
    yield words.news(report)
    yield from _table(
        ("round", "candidate", "score"),
        (
            (line.index, line.candidate, words.score(line.fitness, line.standard_error))
            for line in report.news.new_bests
        ),
    )
    if report.best:
        yield from _best(report, report.best)
    yield from _front(report)
    yield from _lineage(report)
    yield from _outcomes(report)
    yield from _cost(report)
    yield from _origins(report)
    yield from _items(report)


def text(written: str, most_chars: int | None = None) -> str:
    """Others' words for a line or a cell, cut if they are too many."""
    return markdown_text(written[:most_chars])


def _best(report: Report, best: Best) -> Iterator[str]:
    yield f"\n## The best: {best.id}\n"
    yield from _table(
        ("what", "value"),
        [
            (text(report.goal.metric), words.score(best.fitness, best.standard_error)),
            ("against the baseline", words.difference(best.gain, best.gain_standard_error)),
            ("interval", words.interval(best.fitness, best.standard_error, best.evaluations) or "not known"),
            ("evaluations", best.evaluations),
            ("proposer", text(f"{best.proposer}, model {best.model or 'none'}")),
            ("sandbox", best.sandbox_tier),
        ],
    )
    yield f"\nMotivation: {text(best.motivation) or 'none given'}\n"
    yield f"Analysis: {text(best.analysis) or 'none'}\n"
    for name, change in (("its parent", best.to_parent), ("the baseline", best.to_baseline)):
        if change is not None:
            yield from _change(name, change)


def _change(name: str, change: Change) -> Iterator[str]:
    yield f"\n### Difference to {name}, {change.against}\n"
    yield markdown_block(change.diff, "diff")
    if change.lines_left_out:
        yield f"\n{change.lines_left_out} more lines: `nightshift compare` shows them."


def _front(report: Report) -> Iterator[str]:
    if not report.front:
        return
    yield "\n## The Pareto front\n"
    yield text(words.about_front(report)) + "\n"
    heads = ("candidate", *(text(words.objective(each)) for each in report.goal.objectives), "score", "in no ranking")
    rows = (
        (point.id, *(f"{value:.6g}" for value in point.values), words.score(point.fitness, None), text(point.unranked))
        for point in report.front
        if point.is_on_front
    )
    yield from _table(heads, rows)


def _lineage(report: Report) -> Iterator[str]:
    if not report.lineage:
        return
    yield "\n## What the best was made from\n"
    yield from _table(
        ("round", "candidate", "score", "made from", "main line"),
        (
            (
                one.round_index,
                one.id,
                words.score(one.fitness, one.standard_error),
                ", ".join(one.made_from) or "nothing before it",
                "yes" if one.is_main_line else "",
            )
            for one in report.lineage
        ),
        left_out=report.lineage_left_out,
    )


def _outcomes(report: Report) -> Iterator[str]:
    yield "\n## How the rounds ended\n"
    rows = [(words.shown(one.name), words.GROUP_WORDS[one.group], one.count) for one in report.outcomes]
    yield from _table(("kind", "group", "rounds"), rows)
    if report.rates:
        yield f"\n### Whose fault, and where\n\n{words.ABOUT_RATES}"
        yield from _table(words.RATE_HEADS, words.rate_rows(report.rates))
    if report.refused:
        yield "\n### Refused proposals\n"
        yield from _table(("reason", "rounds"), ((text(one.name, 400), one.count) for one in report.refused))
    if report.faults:
        yield "\n### Rounds that failed by our machine's fault\n"
        rows_of_faults = ((one.round_id, one.step or "unknown", text(one.reason, 400)) for one in report.faults)
        yield from _table(("round", "step", "reason"), rows_of_faults)


def _cost(report: Report) -> Iterator[str]:
    total = report.total
    yield "\n## Cost\n"
    yield (
        f"{words.price(total)}; {total.tokens} tokens in {total.calls} calls; "
        f"sandbox {words.seconds(total.cpu_s)} CPU, {words.seconds(total.gpu_s)} GPU "
        "(of what was measured; failed candidates are not in it).\n"
    )
    yield from _table(
        ("role", "models", "calls", "prompt tokens", "answer tokens", "price"),
        (
            (
                text(one.role),
                text(", ".join(one.models)),
                one.use.calls,
                one.use.prompt_tokens,
                one.use.completion_tokens,
                words.price(one.use),
            )
            for one in report.roles
        ),
    )
    costly = sorted(report.rounds, key=lambda line: (-line.use.tokens, -(line.use.cpu_s or 0.0)))
    yield "\n### By candidate, the costliest first\n"
    yield from _table(
        ("round", "outcome", "tokens", "price", "CPU"),
        (
            (line.index, words.shown(line.kind), line.use.tokens, words.price(line.use), words.seconds(line.use.cpu_s))
            for line in costly
        ),
    )


def _origins(report: Report) -> Iterator[str]:
    if report.origins is None:
        return
    yield "\n## Where the ideas came from\n"
    yield f"{words.ABOUT_ORIGINS}\n"
    yield f"- All: {words.origins(report.origins)}"
    winning = report.winning_origins
    yield f"- Above the baseline: {words.origins(winning) if winning else 'none yet'}"


def _items(report: Report) -> Iterator[str]:
    if not report.items:
        return
    yield "\n## Cognition items: what appeared with what\n"
    yield words.about_items(report) + "\n"
    yield from _table(
        ("item", "retrieved: improved", "others", "declared: improved", "others", "insight"),
        (
            (
                text(one.id),
                one.with_improving,
                one.with_others,
                one.declared_by_improving,
                one.declared_by_others,
                text(one.insight, 200),
            )
            for one in report.items
        ),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]], left_out: int = 0) -> Iterator[str]:
    """A table, cut after MOST_ROWS; nothing without rows. Cells are escaped by whoever makes them."""
    listed = list(rows)
    if not listed:
        return
    yield ""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    yield from ("| " + " | ".join(str(cell) for cell in row) + " |" for row in listed[:MOST_ROWS])
    more = max(0, len(listed) - MOST_ROWS) + left_out
    if more:
        yield f"\nand {more} more."
