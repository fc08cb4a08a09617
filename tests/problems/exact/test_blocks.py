"""The blocks of the exact problems make programs that run in the sandbox and are verified."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import registry
from tasks.artefacts import UriWorkspace
from tasks.contract import Sandbox, Score
from tasks.recombine import genome as genomes
from tasks.recombine.render import render
from tasks.sandbox import open_sandbox
from tests.contract_suite import default_gene, judge

PROBLEMS = ("autocorrelation", "heilbronn_triangle", "max_min_distance", "minimum_overlap")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("scratch"), preload=("numpy", "scipy.optimize"), unsafe=True) as sandbox:
        yield sandbox


def scores(problem: str, sandbox: Sandbox, folder: Path, most: int | None) -> Iterator[tuple[tuple[str, ...], Score]]:
    """What the first so many combinations of blocks reach, with their authors' constants."""
    domain = registry.load(problem, {"cpu_s": 0.4})
    brief = domain.brief()
    assert brief.template is not None
    blocks = genomes.catalogue(brief.template, brief.items)
    slots = list(blocks.slots)
    for number, names in enumerate(itertools.islice(itertools.product(*blocks.slots.values()), most)):
        genes = ((slot, default_gene(blocks, slot, name)) for slot, name in zip(slots, names, strict=True))
        program = render(genomes.Genome(tuple(genes)), brief.template, blocks)
        workspace = UriWorkspace((folder / str(number)).as_uri())
        outcome = judge(domain, program, sandbox, workspace).outcome
        assert isinstance(outcome, Score), f"{names}: {outcome}"
        yield names, outcome


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_combination_of_blocks_beats_the_seed_program(problem: str, sandbox: Sandbox, tmp_path: Path) -> None:
    domain = registry.load(problem, {"cpu_s": 0.4})
    seed = judge(domain, domain.brief().seed_program, sandbox, UriWorkspace((tmp_path / "seed").as_uri())).outcome
    assert isinstance(seed, Score)
    assert [score.fitness > seed.fitness for _, score in scores(problem, sandbox, tmp_path, 1)] == [True]


@pytest.mark.parametrize("problem", [*PROBLEMS, "circle_packing"])
def test_with_a_counted_clock_a_search_repeats_to_the_last_bit(problem: str, sandbox: Sandbox, tmp_path: Path) -> None:
    domain = registry.load(problem, {"cpu_s": 0.3, "clock": "calls"})
    assert "each time one is asked it moves on by 0.005 s" in domain.brief().program_contract
    assert "moves on" not in registry.load(problem, {}).brief().program_contract
    brief = domain.brief()
    assert brief.template is not None
    blocks = genomes.catalogue(brief.template, brief.items)
    genes = ((slot, default_gene(blocks, slot, next(iter(names)))) for slot, names in blocks.slots.items())
    program = render(genomes.Genome(tuple(genes)), brief.template, blocks)
    twice = [
        judge(domain, program, sandbox, UriWorkspace((tmp_path / name).as_uri())).outcome for name in ("one", "two")
    ]
    assert isinstance(twice[0], Score)
    assert twice[0] == twice[1]


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_combination_of_blocks_scores(problem: str, sandbox: Sandbox, tmp_path: Path) -> None:
    known = registry.load(problem, {}).brief().best_known
    found = dict(scores(problem, sandbox, tmp_path, None))
    assert len(found) >= 6
    assert known is not None
    assert [names for names, score in found.items() if score.fitness > known] == []
