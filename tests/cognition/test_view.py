"""What samplers see of the archive: visits, islands, migration, and the past exactly as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import select, text

from cognition.archive import Archive
from cognition.elites import cell_of
from cognition.records import STEPS, Failure, Grid, Sample, Score
from cognition.samplers import Arm, SamplerSettings, make_sampler
from cognition.schema import campaigns, elites
from cognition.view import ArchiveView, newest_sequence
from tests.cognition.play import CRASH, NAME, evolve, no_parent, opened, placed, played, result

T = TypeVar("T")
GRID = Grid(islands=2, bins=10, migration_every=1000, migration_rate=0.5)


def seen(archive: Archive, ask: Callable[[ArchiveView], T], up_to: int | None = None, opened: int | None = None) -> T:
    with archive.database.read() as tx:
        drawn = tx.execute(select(campaigns.c.opened).where(campaigns.c.name == NAME)).scalar_one()
        sequence = newest_sequence(tx) if up_to is None else up_to
        return ask(ArchiveView(tx, NAME, sequence, drawn if opened is None else opened))


def island(archive: Archive, number: int, up_to: int | None = None) -> list[str]:
    return [arm.candidate[-4:] for arm in seen(archive, lambda view: view.elites(number, 70), up_to)]


def test_visits_count_every_round_that_was_started(archive: Archive) -> None:
    first, second = played(archive, 0, 1.0), played(archive, 1, 2.0)
    played(archive, 2, CRASH, first)
    failed = opened(archive, 3, first)
    archive.fail_round(failed.round_id, failed.token, "disk full")
    opened(archive, 3, first)  # a retry is the same visit
    opened(archive, 4, first)
    opened(archive, 5, second)
    assert seen(archive, lambda view: view.visits([first, second])) == {first: 3, second: 1}
    assert seen(archive, lambda view: view.visits([first, second]), opened=4) == {first: 2, second: 0}


def test_the_pool_is_the_best_of_the_campaign_up_to_the_sequence(archive: Archive) -> None:
    archive.create_campaign("other", "p", 0, {}, "1")
    claim = archive.open_round("other", 0, "me", 60, no_parent)
    archive.record(result(claim, Score(99.0)))
    outcomes: list[float | Failure] = [1.0, CRASH, 3.0, 2.0]
    for index, outcome in enumerate(outcomes):
        played(archive, index, outcome)
    assert seen(archive, lambda view: view.pool(2)) == [Arm("packing-0002", 3.0), Arm("packing-0003", 2.0)]
    assert seen(archive, lambda view: view.pool(2), up_to=3) == [Arm("packing-0000", 1.0)]


def test_the_baseline(archive: Archive) -> None:
    assert seen(archive, lambda view: view.baseline()) is None
    played(archive, 0, 1.0)
    played(archive, 1, 2.0)
    assert seen(archive, lambda view: view.baseline()) == Arm("packing-0000", 1.0)


def test_a_cell_holds_its_best_and_islands_are_apart(archive: Archive) -> None:
    placed(archive, 0, 1.0, 0, GRID, complexity=0.11, diversity=0.5)
    placed(archive, 1, 2.0, 0, GRID, complexity=0.19, diversity=0.5)  # the same cell, better
    placed(archive, 2, 1.5, 0, GRID, complexity=0.15, diversity=0.5)  # the same cell, worse
    placed(archive, 3, 0.5, 0, GRID, complexity=0.21, diversity=0.5)  # another cell
    placed(archive, 4, 9.0, 1, GRID, complexity=0.11, diversity=0.5)  # another island
    assert island(archive, 0) == ["0001", "0003"]
    assert island(archive, 1) == ["0004"]


def test_islands_can_be_read_as_they_were(archive: Archive) -> None:
    for index, fitness in enumerate([1.0, 2.0, 0.5, 3.0]):
        placed(archive, index, fitness, 0, GRID, complexity=0.5)
    assert [island(archive, 0, up_to) for up_to in range(5)] == [[], ["0000"], ["0001"], ["0001"], ["0003"]]


def test_a_domain_s_feature_is_an_axis(archive: Archive) -> None:
    placed(archive, 0, 1.0, 0, GRID, complexity=0.5, symmetry=0.1)
    placed(archive, 1, 2.0, 0, GRID, complexity=0.5, symmetry=0.9)
    assert island(archive, 0) == ["0001", "0000"]
    assert cell_of({"b": -1.0, "a": 7.0}, 4) == "a=3,b=0"


def test_elites_migrate_to_the_next_island_and_take_part_in_sampling(archive: Archive) -> None:
    grid = Grid(islands=3, bins=10, migration_every=4, migration_rate=0.5)
    placed(archive, 0, 1.0, 0, grid, complexity=0.1)
    placed(archive, 1, 5.0, 0, grid, complexity=0.2)
    placed(archive, 2, 2.0, 1, grid, complexity=0.2)
    assert island(archive, 1) == ["0002"]
    placed(archive, 3, 0.5, 2, grid, complexity=0.3)
    assert island(archive, 0) == ["0001", "0000", "0003"]  # from island 2: a ring
    assert island(archive, 1) == ["0001"]  # the best half of island 0; it wins the cell of 0002
    assert island(archive, 2) == ["0002", "0003"]  # what left island 1 is what was there before
    assert island(archive, 1, up_to=3) == ["0002"]
    settings = {"kind": "map_elites", "map_elites": {"islands": 3, "exploration": 0.0, "exploitation": 1.0}}
    migrant = make_sampler(SamplerSettings.model_validate(settings))
    drawn: list[Sample] = evolve(archive, migrant, range(7, 8))
    assert (drawn[0].island, drawn[0].parent) == (1, "packing-0001")


def test_a_migrant_arrives_once(archive: Archive) -> None:
    grid = Grid(islands=2, bins=10, migration_every=1, migration_rate=1.0)
    for index in range(6):
        placed(archive, index, 1.0 + index, index % 2, grid, complexity=index / 10)
    with archive.database.read() as tx:
        pairs = tx.execute(select(elites.c.candidate, elites.c.island)).all()
    assert len(set(pairs)) == len(pairs) == 12


@pytest.mark.parametrize(("rate", "islands"), [(0.0, 2), (1.0, 1)])
def test_migration_can_be_off(archive: Archive, rate: float, islands: int) -> None:
    grid = Grid(islands, 10, 1, rate)
    placed(archive, 0, 1.0, 0, grid, complexity=0.1)
    assert (island(archive, 0), island(archive, 1)) == (["0000"], [])


def test_a_superseded_elite_gives_its_cells_back(archive: Archive) -> None:
    grid = Grid(islands=2, bins=10, migration_every=3, migration_rate=0.5)
    placed(archive, 0, 1.0, 0, grid, complexity=0.1)
    placed(archive, 1, 2.0, 0, grid, complexity=0.1)
    placed(archive, 2, 9.0, 0, grid, complexity=0.1)  # migrates to island 1
    assert (island(archive, 0), island(archive, 1)) == (["0002"], ["0002"])
    archive.reopen_round("packing-0002", "train", STEPS)
    claim = opened(archive, 2)
    archive.record(result(claim, CRASH))
    assert (island(archive, 0), island(archive, 1)) == (["0001"], [])
    assert (island(archive, 0, up_to=3), island(archive, 1, up_to=3)) == (["0002"], ["0002"])


def test_a_view_cannot_be_used_to_see_another_campaign_s_islands(archive: Archive) -> None:
    placed(archive, 0, 1.0, 0, GRID, complexity=0.1)
    with archive.database.read() as tx:
        assert ArchiveView(tx, "other", 99, 99).elites(0, 70) == []


QUERIES = {
    "pool": "SEARCH scores USING INDEX scores_by_rank (campaign=?)",
    "visits": "SEARCH rounds USING INDEX rounds_by_parent (parent=? AND opened<?)",
    "elites": "SEARCH elites USING INDEX elites_by_island (campaign=? AND island=? AND until>?)",
}


@pytest.mark.parametrize("archive_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("question", QUERIES)
def test_every_question_of_a_sampler_is_answered_from_an_index(archive: Archive, question: str) -> None:
    played(archive, 0, 1.0)
    asked: list[str] = []
    questions: dict[str, Callable[[ArchiveView], object]] = {
        "pool": lambda view: view.pool(70),
        "visits": lambda view: view.visits(["packing-0000"]),
        "elites": lambda view: view.elites(0, 70),
    }
    with archive.database.read() as tx:
        raw = tx.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(asked.append)
        questions[question](ArchiveView(tx, NAME, 99, 99))
        raw.set_trace_callback(None)
        plan = [row[3] for statement in asked for row in tx.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert QUERIES[question] in plan
    assert not [step for step in plan if step.startswith("SCAN")]
