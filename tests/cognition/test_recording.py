"""Recording: everything at once, exactly once; and what can be read afterwards."""

from __future__ import annotations

import pytest

from cognition.archive import Archive, ArchiveError, RoundResult, code_hash
from cognition.items import ItemStore
from cognition.records import Failure, Item, Provenance, Score
from tests.cognition.play import CRASH, DUPLICATE, NAME, evaluation, opened, played, result


def test_everything_about_a_candidate_comes_back(archive: Archive) -> None:
    played(archive, 0, 1.0)
    claim = opened(archive, 1, "packing-0000", ["packing-0000", "x"])
    more = {
        "provenance": Provenance("openai", "diff", "m", ("i",), {"a": 1}),
        "evaluations": (evaluation(1, sum=1.0), evaluation(2, sum=2.0, gap=0.5)),
        "analysis": "größer",
        "features": {"complexity": 0.25},
        "sandbox_tier": "landlock",
    }
    archive.record(result(claim, Score(1.5, 0.5, 2), "y = 1  # two", **more))
    found = archive.candidate("packing-0001")
    assert (found.id, found.campaign, found.round_index, found.seq) == ("packing-0001", NAME, 1, 2)
    assert (found.code, found.code_hash) == ("y = 1  # two", code_hash("y = 1"))
    assert found.parents == ("packing-0000", "packing-0000", "x")
    assert (found.outcome, found.provenance, found.analysis) == (Score(1.5, 0.5, 2), more["provenance"], "größer")
    assert (found.metrics, found.features) == ({"sum": 1.5, "gap": 0.5}, {"complexity": 0.25})
    assert found.sandbox_tier == "landlock"
    assert tuple(archive.evaluations("packing-0001")) == more["evaluations"]


def test_recording_twice_changes_nothing(archive: Archive) -> None:
    claim = opened(archive, 1)
    item = Item("i", "circle_packing", "corners first", provenance="experience", evidence=(claim.candidate_id,))
    done = result(claim, Score(1.0), items=(item,))
    assert archive.record(done) is True
    before = (archive.candidate("packing-0001"), archive.spend(NAME), archive.rounds(NAME))
    assert archive.record(done) is False
    assert archive.record(result(claim, Score(5.0), "other = 1")) is False
    assert (archive.candidate("packing-0001"), archive.spend(NAME), archive.rounds(NAME)) == before
    assert ItemStore(archive).all("circle_packing") == (item,)


def test_nothing_is_stored_if_one_part_cannot_be(archive: Archive) -> None:
    ItemStore(archive).upsert([Item("taken", "drug_target", "another domain's")])
    claim = opened(archive, 1)
    with pytest.raises(ArchiveError, match="'taken' belongs to drug_target"):
        archive.record(result(claim, Score(1.0), items=(Item("taken", "circle_packing", "ours"),)))
    assert archive.best(NAME) is None
    assert archive.spend(NAME).cpu_s == 0.0
    assert archive.recorded_rounds(NAME) == frozenset()
    assert archive.record(result(claim, Score(1.0)))


def test_a_round_without_a_program_has_no_candidate(archive: Archive) -> None:
    claim = opened(archive, 1)
    archive.record(RoundResult(claim.round_id, claim.token, DUPLICATE))
    assert archive.outcome("packing-0001") == DUPLICATE
    assert archive.recent(NAME, 5) == []
    with pytest.raises(ArchiveError, match="packing-0001 has no candidate: the same as packing-0001"):
        archive.candidate("packing-0001")


def test_what_cannot_be_a_result_is_refused(archive: Archive) -> None:
    with pytest.raises(ValueError, match="a score without a program"):
        RoundResult("packing-0001", 1, Score(1.0))
    with pytest.raises(ValueError, match="two evaluations"):
        RoundResult("packing-0001", 1, Score(1.0), "x", evaluations=(evaluation(1), evaluation(1)))
    with pytest.raises(ArchiveError, match="no round 'packing-0001'"):
        archive.record(RoundResult("packing-0001", 1, Score(1.0), "x"))


def test_an_unknown_candidate_is_explained(archive: Archive) -> None:
    opened(archive, 1)
    with pytest.raises(ArchiveError, match="it is running, not recorded"):
        archive.candidate("packing-0001")
    with pytest.raises(ArchiveError, match="no candidate 'packing-0002'"):
        archive.candidate("packing-0002")


def test_ranking_and_newest_up_to_a_sequence_number(archive: Archive) -> None:
    outcomes: list[float | Failure] = [1.0, 3.0, CRASH, 2.0, 3.0, 5.0]
    for index, outcome in enumerate(outcomes):
        played(archive, index, outcome)
    ids = [f"packing-{index:04d}" for index in range(6)]
    assert [c.id for c in archive.top(NAME, 4)] == [ids[5], ids[1], ids[4], ids[3]]  # of equals the older first
    assert [c.id for c in archive.top(NAME, 4, up_to=4)] == [ids[1], ids[3], ids[0]]
    assert [c.id for c in archive.recent(NAME, 3)] == [ids[5], ids[4], ids[3]]
    assert [c.id for c in archive.recent(NAME, 3, up_to=4)] == [ids[3], ids[2], ids[1]]


def test_a_duplicate_is_found_whatever_its_layout(archive: Archive) -> None:
    for index, code in enumerate(["x = 1\n", "x = 1", "y = 2"]):
        archive.record(result(opened(archive, index), Score(1.0), code))
    assert archive.find_code(NAME, code_hash("x=1  # one")) == "packing-0000"
    assert archive.find_code(NAME, code_hash("y=2"), up_to=2) is None
    assert archive.find_code(NAME, code_hash("z=3")) is None
    assert archive.find_code("another", code_hash("x=1")) is None


def test_the_baseline_s_evaluations_at_one_rung(archive: Archive) -> None:
    assert archive.baseline_evaluations(NAME, "explore") == []
    measured = (evaluation(1), evaluation(2), evaluation(1, rung="verify"))
    archive.record(result(opened(archive, 0), Score(1.0), evaluations=measured))
    played(archive, 1, 2.0)
    assert archive.baseline_evaluations(NAME, "explore") == list(measured[:2])


def test_odd_characters_do_not_stop_a_round(archive: Archive, archive_url: str) -> None:
    archive.record(result(opened(archive, 1), Score(1.0), "x = '\ud800'", motivation="\udfff", analysis="∑ \x00 🙂"))
    found = archive.candidate("packing-0001")
    nul = "\x00" if archive_url.startswith("sqlite") else "\ufffd"  # PostgreSQL takes no NUL
    assert (found.code, found.motivation, found.analysis) == ("x = '?'", "?", f"∑ {nul} 🙂")


def test_a_score_that_does_not_rank_is_kept_and_competes_nowhere(archive: Archive) -> None:
    played(archive, 0, 1.0)
    claim = opened(archive, 1, "packing-0000")
    archive.record(result(claim, Score(9.0, unranked="a larger state")))
    assert archive.candidate("packing-0001").outcome == Score(9.0, unranked="a larger state")
    assert [candidate.id for candidate in archive.top(NAME, 5)] == ["packing-0000"]
    assert [(line.fitness, line.best_fitness, line.unranked) for line in archive.rounds(NAME)] == [
        (1.0, 1.0, ""),
        (9.0, 1.0, "a larger state"),
    ]
