"""Where ideas came from: shares by what proposals declare, of all and of those above the baseline."""

from __future__ import annotations

import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Failure, FailureKind, Item, Provenance, Score
from flows import summary
from flows.report import markdown
from flows.report.provenance import shares
from flows.report.records import Shares
from tests.flows.report.scenes import item, play, report_of


def declared(*sources: str, candidates: tuple[str, ...] = ()) -> Provenance:
    return Provenance("openai", sources=sources, candidates=candidates)


def test_a_candidate_is_divided_among_what_it_names() -> None:
    items = {"paper": Item("paper", "d", "x"), "lesson": Item("lesson", "d", "y", provenance="experience")}
    data = Item("issue", "d", "z", provenance="data")
    assert shares([declared("paper")], items) == Shares(1.0, 0.0, 0.0, 1)
    assert shares([declared("issue")], {"issue": data}) == Shares(1.0, 0.0, 0.0, 1)
    assert shares([declared("lesson")], items) == Shares(0.0, 1.0, 0.0, 1)
    assert shares([declared()], items) == Shares(0.0, 0.0, 1.0, 1)
    assert shares([declared("paper", "lesson", candidates=("a-1", "a-2"))], items) == Shares(0.25, 0.75, 0.0, 1)
    recombined = Provenance("recombine", sources=("paper",), built_on=("a-1",))
    assert shares([recombined, declared()], items) == Shares(0.25, 0.25, 0.5, 2)
    assert shares([], items) is None


def test_the_report_and_mlflow_have_them_for_all_and_for_the_winners(archive: Archive) -> None:
    item(archive, "paper", "Known.")
    ItemStore(archive).upsert([Item("lesson", "packing", "Taught.", provenance="experience")])
    first = play(archive, 0, 1.0, provenance=Provenance("baseline"))
    play(archive, 1, 2.0, first, provenance=declared("lesson"))
    play(archive, 2, 3.0, first, provenance=declared("paper", "lesson"))
    play(archive, 3, 0.5, first, provenance=declared())
    play(archive, 4, Failure(FailureKind.CRASH, "it crashed"), first, provenance=declared("paper"))
    report = report_of(archive)
    assert report.origins == Shares(0.375, 0.375, 0.25, 4)
    assert report.winning_origins == Shares(0.25, 0.75, 0.0, 2)
    metrics = summary.origins(report)
    assert metrics["origin/novel"] == pytest.approx(0.25)
    assert metrics["origin_winners/experience"] == pytest.approx(0.75)
    text = markdown.render(report)
    assert "- All: 38% cognition, 38% experience, 25% novel (4 candidates)" in text
    assert "- Above the baseline: 25% cognition, 75% experience, 0% novel (2 candidates)" in text


def test_no_winner_is_in_no_ranking(archive: Archive) -> None:
    first = play(archive, 0, 1.0, provenance=Provenance("baseline"))
    play(archive, 1, Score(9.0, unranked="its state is larger"), first, provenance=declared())
    report = report_of(archive)
    assert (report.origins, report.winning_origins) == (Shares(0.0, 0.0, 1.0, 1), None)


def test_a_campaign_without_candidates_has_no_shares(archive: Archive) -> None:
    play(archive, 0, 1.0, provenance=Provenance("baseline"))
    report = report_of(archive)
    assert (report.origins, report.winning_origins) == (None, None)
    assert summary.origins(report) == {}
