"""The report as one HTML file with its figures inside: nothing is loaded from anywhere, no script runs in it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from flows.report import words
from flows.report.records import Change, Report
from flows.terminal import without_controls

#: Rows of the table of rounds: the newest.
MOST_ROUNDS = 200


def render(report: Report, figures: Mapping[str, bytes]) -> str:
    """The page; `figures`: PNG files by name (flows/report/figures)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    pictures = {name: base64.b64encode(content).decode() for name, content in figures.items()}
    template = environment.get_template("page.j2")
    return template.render(report=report, figures=pictures, words=words, most_rounds=MOST_ROUNDS, diff_lines=diff_lines)


def _printable(value: object) -> object:
    """Whatever is put into the page is without control characters; Jinja escapes it after that."""
    return without_controls(value) if type(value) is str else value


def diff_lines(change: Change) -> list[tuple[str, str]]:
    """Class and text of each line.

    >>> diff_lines(Change("a-0000", "+new"))
    [('added', '+new')]
    """
    classes = {"+": "added", "-": "removed", "@": "place"}
    return [(classes.get(line[:1], ""), line) for line in change.diff.splitlines()]
