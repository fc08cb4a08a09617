"""What a model wrote stays text in every form of the report; and nothing that is unknown is shown as 0."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from rich.console import Console

from cognition.archive import Archive
from flows.report import deliver, figures, markdown, page, terminal
from flows.report.records import Goal
from tests.flows.report import scenes
from tests.flows.report.scenes import HOSTILE, NAME, SCENES, call, play, report_of

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture
def hostile(scene: Callable[..., Archive]) -> Archive:
    return scene(scenes.hostile)


class _Tags(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        assert all("javascript:" not in (value or "") for _, value in attrs)


def test_html_holds_no_tag_of_a_model(hostile: Archive) -> None:
    html = page.render(report_of(hostile, Goal(HOSTILE)), {"fitness": b"png"})
    found = _Tags()
    found.feed(html)
    assert "script" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on")]
    assert html.count("<img ") == 1  # the figure
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7*7 }}" in html  # not evaluated
    assert not CONTROLS.search(html)


def test_markdown_holds_no_markup_of_a_model(hostile: Archive) -> None:
    written = markdown.render(report_of(hostile, Goal(HOSTILE)))
    prose = re.sub(r"(?ms)^(`{3,})[a-z]*\n.*?^\1$", "", written)  # fenced code is shown as it is
    assert "<script" not in prose
    assert "<img" not in prose
    assert not re.search(r"(?<!\\)\[", prose)
    assert "://" not in prose
    assert not re.search(r"(?<!\\)`", prose)
    assert "\n# title" not in prose
    assert not CONTROLS.search(written)
    for row in [line for line in prose.splitlines() if line.startswith("|")]:
        assert len(re.findall(r"(?<!\\)\|", row)) in (3, 4, 6, 7)  # columns of the tables there are


def test_a_fence_cannot_be_closed_from_inside(hostile: Archive) -> None:
    written = markdown.render(report_of(hostile))
    fences = re.findall(r"(?m)^(`{3,})", written)
    assert fences
    assert min(map(len, fences)) > 3  # the hostile program has a fence of three


def test_the_terminal_gets_no_escape_and_no_markup_of_a_model(hostile: Archive) -> None:
    shown = io.StringIO()
    terminal.show(Console(file=shown, force_terminal=False, width=200), report_of(hostile, Goal(HOSTILE)))
    assert not CONTROLS.search(shown.getvalue())
    assert "[red]markup[/red]" in shown.getvalue()


def test_json_is_the_records(hostile: Archive) -> None:
    stored = json.loads(deliver.as_json(report_of(hostile)))
    assert stored["best"]["motivation"] == HOSTILE
    assert stored["rounds"][1]["fitness"] == 2.0


def test_an_unknown_price_is_never_zero(archive: Archive) -> None:
    play(archive, 0, 1.0)
    call(archive, f"{NAME}-0000", "researcher", None)
    report = report_of(archive)
    written = markdown.render(report)
    assert "unknown" in next(line for line in written.splitlines() if line.startswith("| researcher"))
    assert "$0" not in written
    assert "$0" not in page.render(report, {})


SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("busy", "long", "noisy", "beyond", "baseline")]


@pytest.mark.parametrize("name", ["hopeless", "nothing", "hostile", *SLOWER])
def test_every_figure_of_every_campaign_can_be_drawn(name: str, scene: Callable[..., Archive]) -> None:
    play_scene, goal = SCENES[name]
    report = report_of(scene(play_scene), goal)
    for figure, content in figures.draw(report):
        assert content.startswith(b"\x89PNG"), figure


def test_the_gap_axis_names_the_score_too(scene: Callable[..., Archive]) -> None:
    from matplotlib.figure import Figure

    from flows.report.figures import fitness

    figure = Figure()
    fitness._fill(figure.add_subplot(), report_of(scene(scenes.beyond), Goal("sum", 2.6359830849)))
    gaps, sums = figure.axes
    assert gaps.get_yscale() == "log"
    assert [label.get_text() for label in gaps.get_yticklabels()][:2] == ["0.0005", "0.001"]
    assert [label.get_text() for label in sums.get_yticklabels()][:2] == ["2.63548", "2.63498"]
