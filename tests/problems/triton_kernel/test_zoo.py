"""Wrong and cheating kernels, each with what has to catch it; and the references, which nothing may refuse.

A program takes about a second here, so only some of them are among the fast tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from problems.triton_kernel import catalogue, cheats
from problems.triton_kernel.domain import TritonKernel
from tasks.artefacts import UriWorkspace
from tasks.contract import Brief, Failure, FailureKind, Measurements, Sandbox
from tasks.recombine import genome as genomes
from tasks.recombine.render import render
from tasks.sandbox import open_sandbox
from tests.contract_suite import default_gene

SEED = catalogue.seed("add_rms_norm")
WRONG, HIDDEN = cheats.wrong(SEED), cheats.hidden(SEED)
INVALID, CHEATING, CRASH = FailureKind.INVALID, FailureKind.CHEATING, FailureKind.CRASH
#: What is said of each program that keeps to the language.
CAUGHT = {
    "leaves the tail unwritten": (INVALID, "of out were not written"),
    "writes without a mask": (INVALID, "out-of-bounds: a store"),
    "writes one element too many": (INVALID, "out-of-bounds: a store"),
    "reads without a mask": (INVALID, "out-of-bounds: a load"),
    "gives no value for what is masked out": (INVALID, "got nan"),
    "changes an input": (INVALID, "the input x was changed"),
    "drops what does not fill a block": (INVALID, "of out were not written"),
    "takes rows to be adjacent": (INVALID, "rows apart"),
    "rounds through float16": (INVALID, "elements of out are wrong"),
    "adds up in float16": (INVALID, "elements of out are wrong"),
    "returns the input": (INVALID, "elements of out are wrong"),
    "norms nothing": (INVALID, "elements of out are wrong"),
    "forgets eps": (INVALID, "elements of out are wrong"),
    "launches nothing": (INVALID, "no-triton"),
    "skips the sizes that are measured": (INVALID, "were not written"),
    "holds too large a tile": (INVALID, "large-tile"),
    "takes a tensor's memory for scratch": (CHEATING, "torch-operator: torch's empty was given `out`"),
    "lets torch work while the grid is asked for": (CHEATING, "torch-operator: torch's add"),
    "asks for one dtype only": (CRASH, "only float32"),
}
#: What the rules call each program that they have no words for, and what holds it without the rules. None: it is let
#: through then, and scores what the seed scores.
HELD = {
    "lets torch do the work": ("torch-operator", (CHEATING, "torch-operator: torch's add")),
    "lets torch do a part": ("attribute", (CHEATING, "torch-operator: torch's add")),
    "remembers an answer": ("top-level", (INVALID, "belong to no tensor")),
    "answers otherwise the second time": ("top-level", (INVALID, "another answer the second time")),
    "hands values from program to program": ("expression", (CHEATING, "kernel-argument")),
    "prints a forged result": ("name", None),
    "patches triton": ("assignment", (CRASH, "zeros")),
    "patches the clock": ("forbidden-import", None),
    "imports in a function": ("forbidden-import", None),
    "hides a kernel in a text": ("kernel", (CRASH, "a kernel that stands in a text")),
    "brings a library into the kernel": ("launch", None),
    "brings a compiled kernel": ("launch", None),
    "names a parameter like an option": ("launch", None),
    "lets the next kernel start too early": ("launch", None),
    "keeps a dictionary": ("launch", None),
    "clears the counts": ("name", (INVALID, "no-triton")),
}
QUICK = {
    "lets torch work while the grid is asked for",
    "writes one element too many",
    "lets torch do the work",
    "remembers an answer",
}


def by_speed(names: Mapping[str, object]) -> list[ParameterSet]:
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in names]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True, preload=TritonKernel.preload) as sandbox:
        yield sandbox


def tiny(operation: str = "add_rms_norm") -> TritonKernel:
    return TritonKernel(TritonKernel.Options.model_validate({"operation": operation, "tiny": True}))


def judged(domain: TritonKernel, code: str, sandbox: Sandbox, folder: Path) -> Measurements | Failure:
    """Past the static rules."""
    workspace = UriWorkspace(folder.as_uri())
    trained = domain.train(code, "laptop", 7, sandbox, workspace)
    return trained if isinstance(trained, Failure) else domain.benchmark(code, trained, "laptop", 7, sandbox, workspace)


def seed_efficiency(sandbox: Sandbox, folder: Path) -> float:
    measured = judged(tiny(), SEED, sandbox, folder)
    assert isinstance(measured, Measurements), measured
    return measured.metrics["traffic_efficiency"]


def test_the_lists_are_complete() -> None:
    assert set(WRONG) == set(CAUGHT)
    assert set(HIDDEN) == set(HELD)
    assert [name for name, code in cheats.programs(SEED).items() if code == SEED or not ast.parse(code)] == []


@pytest.mark.parametrize("name", by_speed(CAUGHT))
def test_wrong_programs_are_caught_for_what_they_do(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    domain, (kind, words) = tiny(), CAUGHT[name]
    assert domain.check(WRONG[name]) == []
    found = judged(domain, WRONG[name], sandbox, tmp_path)
    assert isinstance(found, Failure), found
    assert (found.kind, words in found.reason) == (kind, True), found


@pytest.mark.parametrize("name", by_speed(HELD))
def test_what_the_language_has_no_words_for(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    rule, beyond = HELD[name]
    assert rule in [issue.rule for issue in tiny().check(HIDDEN[name])]
    found = judged(tiny(), HIDDEN[name], sandbox, tmp_path)
    if beyond is None:
        assert isinstance(found, Measurements), found
        assert found.metrics["traffic_efficiency"] == seed_efficiency(sandbox, tmp_path)
    else:
        assert isinstance(found, Failure), found
        assert (found.kind, beyond[1] in found.reason) == (beyond[0], True), found


def programs(brief: Brief, passes: str, rows: str) -> str:
    assert brief.template is not None
    blocks = genomes.catalogue(brief.template, brief.items)
    chosen = {"passes": passes, "rows": rows, "columns": "fixed_width", "warps": "fixed_warps"}
    genes = tuple((slot, default_gene(blocks, slot, chosen[slot])) for slot in blocks.slots)
    return render(genomes.Genome(genes), brief.template, blocks)


FUSED = [("add_rms_norm", "one_launch_held"), ("softmax", "one_launch_online")]


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "passes"), FUSED)
def test_a_fused_kernel_beats_the_seed(operation: str, passes: str, sandbox: Sandbox, tmp_path: Path) -> None:
    domain = tiny(operation)
    code = programs(domain.brief(), passes, "one_row")
    assert domain.check(code) == []
    fused = judged(domain, code, sandbox, tmp_path)
    seed = judged(domain, domain.brief().seed_program, sandbox, tmp_path)
    assert isinstance(fused, Measurements), fused
    assert isinstance(seed, Measurements), seed
    assert fused.metrics["traffic_efficiency"] > 1.2 * seed.metrics["traffic_efficiency"]
    assert fused.metrics["largest_error"] < 1.0


@pytest.mark.slow
def test_one_program_for_everything_is_charged_for_an_idle_device(sandbox: Sandbox, tmp_path: Path) -> None:
    domain = tiny()
    code = programs(domain.brief(), "one_launch_held", "several_rows").replace("count=4", "count=1000")
    found = judged(domain, code, sandbox, tmp_path)
    assert isinstance(found, Measurements), found
    assert found.metrics["programs"] == 1.0
    assert found.metrics["traffic_efficiency"] < seed_efficiency(sandbox, tmp_path)
    idle = code.replace("(triton.cdiv(M, count),)", "(8,)")  # seven programs that find nothing to do
    beside = judged(domain, idle, sandbox, tmp_path)
    assert isinstance(beside, Measurements), beside
    assert beside.metrics["programs"] == 8.0
    assert beside.metrics["traffic_efficiency"] < seed_efficiency(sandbox, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["add_rms_norm", "softmax"])
def test_every_combination_of_blocks_is_right_at_full_size(operation: str, sandbox: Sandbox, tmp_path: Path) -> None:
    domain = TritonKernel(TritonKernel.Options.model_validate({"operation": operation}))
    brief = domain.brief()
    assert brief.template is not None
    blocks = genomes.catalogue(brief.template, brief.items)
    for passes in blocks.slots["passes"]:
        for rows in blocks.slots["rows"]:
            code = programs(brief, passes, rows)
            assert domain.check(code) == []
            assert rows != "several_rows" or domain.probe(code, sandbox) == []
            assert isinstance(judged(domain, code, sandbox, tmp_path), Measurements), (passes, rows)
