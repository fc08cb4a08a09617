"""The work of a round does not grow with the archive: statements and SQLite's instructions are counted, not seconds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cognition.samplers import SamplerSettings, make_sampler
from tests.cognition.play import NAME, new_archive
from tests.cognition.populate import Work, brought, claimed, counted, populate

ROUNDS = 20


def work_of_rounds(folder: Path, kind: str, population: int) -> Work:
    sampler, rng = make_sampler(SamplerSettings.model_validate({"kind": kind})), random.Random(0)
    with new_archive(folder) as archive:
        populate(archive, population)
        with counted(archive) as work:
            for index in range(population, population + ROUNDS):
                claim = claimed(archive, sampler, index)
                assert claim.sample.parent is not None
                archive.record(brought(claim, f"x = {index}", rng))
                archive.top(NAME, 50, up_to=claim.sample.sequence)
                archive.recent(NAME, 50, up_to=claim.sample.sequence)
                archive.find_code(NAME, "0" * 64, up_to=claim.sample.sequence)
                archive.best(NAME)
                archive.spend(NAME)
    return work


@pytest.mark.parametrize("kind", ["ucb1", "map_elites"])
def test_a_round_costs_the_same_in_a_large_archive(tmp_path: Path, kind: str) -> None:
    # MAP-Elites reads cells, of which there are 5 x 100: a small archive is one in which most are taken.
    smaller = 1_000 if kind == "map_elites" else 100
    small, large = (work_of_rounds(tmp_path / str(count), kind, count) for count in (smaller, 3_000))
    assert large.statements <= 1.1 * small.statements
    assert large.hundreds_of_instructions <= 1.1 * small.hundreds_of_instructions
