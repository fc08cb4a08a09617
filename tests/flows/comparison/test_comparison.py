"""Two candidates side by side, played by hand; and when their scores may not be compared."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cognition.archive import Archive
from cognition.errors import ArchiveError
from cognition.records import Failure, FailureKind, Score
from flows.comparison import command, mlflow_view, printer
from flows.comparison.gather import gather
from flows.home import Home, open_home
from tests.flows.report.scenes import HOSTILE, NAME, add_campaign, call, play


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


def _printed(archive: Archive, home: Home, a: str, b: str) -> str:
    shown = io.StringIO()
    printer.show(Console(file=shown, width=200), command.make(archive, home, a, b))
    return shown.getvalue()


def test_metrics_with_their_uncertainty_seed_by_seed(archive: Archive) -> None:
    a = play(archive, 0, Score(2.0, 0.3, 2), metrics=(1.0, 3.0))
    b = play(archive, 1, Score(3.0, 0.4, 2), a, metrics=(2.0, 4.5))
    fitness, total = gather(archive, a, b).metrics
    assert fitness.difference == 1.0
    assert fitness.difference_standard_error == pytest.approx(0.5)
    assert (total.a, total.a_standard_error, total.b) == (2.0, 1.0, 3.25)
    assert total.is_paired
    assert total.difference_standard_error == pytest.approx(0.25)  # of 1.0 and 1.5: the seeds' own spread is gone


def test_one_evaluation_has_no_uncertainty(archive: Archive, home: Home) -> None:
    a, b = play(archive, 0, 1.0), play(archive, 1, 2.0)
    total = gather(archive, a, b).metrics[1]
    assert (total.difference, total.difference_standard_error, total.is_paired) == (1.0, None, False)
    assert "±" not in _printed(archive, home, a, b).replace("± is one standard error", "")


def test_a_failure_has_no_score_and_no_difference(archive: Archive, home: Home) -> None:
    a, b = play(archive, 0, 1.0), play(archive, 1, Failure(FailureKind.CRASH, "divided by zero"))
    fitness = gather(archive, a, b).metrics[0]
    assert (fitness.b, fitness.difference) == (None, None)
    shown = _printed(archive, home, a, b)
    assert "crash: divided by zero" in shown
    assert "no score" in shown


def test_lineage_and_the_youngest_common_ancestor(archive: Archive) -> None:
    first = play(archive, 0, 1.0)
    second = play(archive, 1, 2.0, first)
    left, right = play(archive, 2, 2.5, second, first), play(archive, 3, 2.1, second)
    child = play(archive, 4, 3.0, left)
    stranger = play(archive, 5, 0.5)
    assert gather(archive, child, right).common_ancestor == second
    assert gather(archive, child, left).common_ancestor == left
    assert gather(archive, child, stranger).common_ancestor is None
    assert [one.id for one in gather(archive, child, right).a.lineage] == [child, left, second, first]


def test_the_diff_is_plain_in_json(archive: Archive, home: Home) -> None:
    a, b = play(archive, 0, 1.0, code="x = 1\n"), play(archive, 1, 2.0, code="x = 2\n")
    call(archive, f"{NAME}-0001", "researcher", None)
    stored = json.loads(command.as_json(command.make(archive, home, a, b)))
    assert stored["diff"].splitlines()[-2:] == ["-x = 1", "+x = 2"]
    assert "\x1b" not in stored["diff"]
    assert stored["b"]["use"]["unpriced_calls"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"options": {"n": 32}}, "different problem options"),
        ({"evaluate": {"rung": "explore", "replicates": 3}}, "different numbers of replicates"),
    ],
)
def test_other_settings_of_another_campaign_are_said_first(
    archive: Archive, home: Home, settings: dict[str, object], said: str
) -> None:
    a = play(archive, 0, 1.0)
    add_campaign(archive, "other", **settings)
    b = play(archive, 0, 2.0, name="other")
    shown = _printed(archive, home, a, b)
    assert said in shown.splitlines()[0]
    assert "CAREFUL" in shown.splitlines()[0]


def test_other_rungs_are_said_and_not_subtracted(archive: Archive) -> None:
    a, b = play(archive, 0, 1.0), play(archive, 1, 2.0, rung="verify")
    found = gather(archive, a, b)
    assert "different rungs, explore and verify" in found.warnings[0]
    assert [(row.name, row.difference) for row in found.metrics[1:]] == [("explore/sum", None), ("verify/sum", None)]


def test_other_problems_have_nothing_in_common(archive: Archive) -> None:
    a = play(archive, 0, 1.0)
    archive.create_campaign("cards", "card_game", 0, {"options": {}, "evaluate": {"rung": "x", "replicates": 1}}, "1")
    b = play(archive, 0, 2.0, name="cards")
    assert gather(archive, a, b).warnings == (
        "different problems, circle_packing and card_game: the scores have nothing to do with each other",
    )


def test_one_campaign_compares_without_warnings(archive: Archive) -> None:
    a, b = play(archive, 0, 1.0), play(archive, 1, 2.0)
    assert gather(archive, a, b).warnings == ()


def test_an_unknown_candidate_is_named(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="packing-0009"):
        gather(archive, play(archive, 0, 1.0), "packing-0009")


def test_hostile_text_does_not_reach_the_terminal(archive: Archive, home: Home) -> None:
    a = play(archive, 0, 1.0)
    b = play(archive, 1, 2.0, code=f"x = '''{HOSTILE}'''\n", motivation=HOSTILE)
    shown = _printed(archive, home, a, b)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]markup[/red]" in shown


def test_without_a_server_it_says_how_to_start_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    url, hint = mlflow_view.link(home, ("a-0000", "a-0001"), "nightshift compare a-0000 a-0001")
    assert url is None
    assert f"mlflow ui --backend-store-uri sqlite:///{home.root}/mlflow.db" in hint


def test_the_address_is_the_one_that_mlflows_own_page_makes() -> None:
    """Its bundle must still have the route and the two parameters: a new MLflow may move them."""
    from importlib.metadata import files

    bundles = [file for file in files("mlflow") or [] if file.name.startswith("main.") and file.suffix == ".js"]
    assert bundles
    source = "".join(Path(str(bundle.locate())).read_text(errors="replace") for bundle in bundles)
    assert "?runs=${JSON.stringify(" in source
    assert '"/compare-runs"' in source
