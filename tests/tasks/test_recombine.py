"""The offline proposer on a toy domain: determinism, labels, bounds, and that it learns where random does not."""

from __future__ import annotations

import ast
import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognition.records import Candidate, CodeBlock, Failure, FailureKind, Item, Outcome, Provenance, Score, Tunable
from tasks.contract import Brief, Slot, Template
from tasks.proposal import Context, Proposal, Proposer
from tasks.recombine import RandomCombination, Recombine, RecombineSettings
from tasks.recombine.genome import Catalogue, Gene, Genome, catalogue, crossover, fresh_gene, jitter
from tasks.recombine.history import read_history
from tasks.recombine.render import render

PROGRAM = '''"""A toy."""

from __future__ import annotations

import math

# {blocks}


def answer() -> float:
    return left() * math.sqrt(right())
'''
TEMPLATE = Template((Slot("left", "a factor"), Slot("right", "another")), PROGRAM)


def item(slot: str, name: str, *tunables: Tunable) -> Item:
    arguments = ", ".join(["*", *(tunable.name for tunable in tunables)]) if tunables else ""
    source = f"def {name}({arguments}):\n    # kept\n    return {tunables[0].name if tunables else 1.0}\n"
    return Item(f"toy-{name}", "toy", name, block=CodeBlock(slot, name, source, tunables))


ITEMS = (
    item("left", "one"),
    item("left", "some", Tunable("size", 0.5, 0.1, 1.0), Tunable("count", 3, 1, 9)),
    item("left", "worst"),
    item("right", "wide", Tunable("width", 1.0, 0.01, 100.0, log=True)),
    item("right", "kind", Tunable("which", 1.0, choices=(1.0, 4.0, 9.0))),
)
BRIEF = Brief("goal", "contract", "seed", ITEMS, template=TEMPLATE)
BLOCKS = catalogue(TEMPLATE, ITEMS)


def candidate(seq: int, genome: Genome | None, outcome: Outcome, code: str = "") -> Candidate:
    stored = genome.to_json() if genome else None
    provenance = Provenance("recombine", "blocks", genome=stored) if genome else Provenance("baseline")
    return Candidate(f"c{seq}", seq, "toy", seq, code, "", "", (), provenance, outcome)


def genome_of(left: str, right: str) -> Genome:
    names = {"left": left, "right": right}
    return Genome(tuple((slot, fresh_gene(BLOCKS.block(slot, name), Random(0), 1.0)) for slot, name in names.items()))


def context(seed: int, tried: Iterable[Candidate] = (), parent: Candidate | None = None, **more: Any) -> Context:
    known = tuple(tried)
    scored = sorted((c for c in known if c.fitness is not None), key=lambda c: -(c.fitness or 0.0))
    return Context("toy-0001", seed, BRIEF, parent, blocks=ITEMS, elites=tuple(scored), recent=known[::-1], **more)


def ask(proposer: Proposer, given: Context, refused: tuple[Failure, ...] = ()) -> Proposal:
    proposal = asyncio.run(proposer.propose(given, refused))
    assert isinstance(proposal, Proposal), proposal
    return proposal


def run(code: str) -> float:
    names: dict[str, Any] = {}
    exec(compile(code, "toy", "exec"), names)  # our own test program
    return float(names["answer"]())


PAST = [
    candidate(0, None, Score(0.0)),
    *(candidate(k, genome_of("one", "wide"), Score(2.0 + 0.01 * k)) for k in range(1, 6)),
    *(candidate(k, genome_of("worst", "kind"), Score(1.0)) for k in range(6, 11)),
    candidate(11, genome_of("some", "kind"), Failure(FailureKind.CRASH, "it crashed")),
]


def test_the_program_runs_and_keeps_the_authors_text() -> None:
    genome = Genome(
        (("left", Gene("some", (("size", 0.25), ("count", 2)))), ("right", Gene("kind", (("which", 4.0),))))
    )
    code = render(genome, TEMPLATE, BLOCKS)
    assert code.splitlines()[0] == "# recombined from blocks some, kind; no language model involved"
    assert "left = partial(some, size=0.25, count=2)\nright = partial(kind, which=4.0)" in code
    assert code.count("# kept") == 2
    assert run(code) == 0.5


@pytest.mark.parametrize("proposer", [Recombine(), RandomCombination()])
def test_the_same_context_gives_the_same_program(proposer: Proposer) -> None:
    assert ask(proposer, context(3, PAST)) == ask(proposer, context(3, PAST))
    assert len({ask(proposer, context(seed, PAST)).code for seed in range(20)}) >= 8


def test_the_order_of_blocks_and_candidates_does_not_matter() -> None:
    one = context(5, PAST)
    other = Context("toy-0001", 5, BRIEF, None, blocks=ITEMS[::-1], elites=one.recent[:9], recent=one.recent[::-1])
    assert ask(Recombine(), one).provenance.genome == ask(Recombine(), other).provenance.genome


def test_a_refusal_leads_to_another_program() -> None:
    first = ask(Recombine(), context(3, PAST))
    second = ask(Recombine(), context(3, PAST), (Failure(FailureKind.DUPLICATE, "tried before"),))
    assert first.code != second.code


def test_it_says_what_it_is() -> None:
    proposal = ask(Recombine(), context(4, PAST))
    assert (proposal.provenance.proposer, proposal.provenance.form) == ("recombine", "blocks")
    assert proposal.provenance.model is None
    assert proposal.motivation.startswith("Recombined from code blocks, no language model involved.")
    genome = BLOCKS.read(json.loads(json.dumps(proposal.provenance.genome)))
    assert genome is not None
    assert proposal.provenance.sources == tuple(f"toy-{gene.block}" for _, gene in genome.genes)
    assert proposal.code == render(genome, TEMPLATE, BLOCKS)


def test_the_control_says_what_it_is() -> None:
    proposal = ask(RandomCombination(), context(4, PAST))
    assert proposal.provenance.proposer == "random"
    assert "Combined at random" in proposal.motivation
    assert proposal.code.startswith("# random combination of blocks")


def test_a_motivation_names_what_changed_and_in_which_candidate() -> None:
    only_swap = Recombine(RecombineSettings(jitter=0, swap=1, crossover=0, fresh=0, stale_rounds=99))
    motivation = ask(only_swap, context(1, PAST)).motivation
    assert "In candidate c" in motivation
    assert "slot " in motivation
    assert " -> " in motivation


def test_the_lineage_is_what_the_motivation_names_and_not_what_was_sampled() -> None:
    settings = {"jitter": 0, "swap": 0, "crossover": 0, "fresh": 0, "stale_rounds": 99}
    for move, parents in (("swap", 1), ("jitter", 1), ("crossover", 2), ("fresh", 0)):
        proposal = ask(Recombine(RecombineSettings.model_validate({**settings, move: 1})), context(1, PAST))
        built_on = proposal.provenance.built_on
        assert built_on is not None
        assert len(built_on) == parents
        assert all(f"candidate {candidate} " in proposal.motivation for candidate in built_on)


def drawn(proposer: Proposer, tried: Iterable[Candidate], slot: str, draws: int = 60) -> Counter[str]:
    known = list(tried)
    return Counter(ask(proposer, context(k, known)).provenance.genome[slot]["block"] for k in range(draws))


def test_thompson_sampling_prefers_what_did_well_and_random_does_not() -> None:
    fresh_only = Recombine(RecombineSettings(jitter=0, swap=0, crossover=0, fresh=1, stale_rounds=99, first_rounds=0))
    learned = drawn(fresh_only, PAST, "left")
    assert learned["one"] > 2 * learned["worst"]
    control = drawn(RandomCombination(), PAST, "left")
    assert min(control.values()) > 60 / 3 / 2


def test_a_block_often_comes_with_constants_that_did_well() -> None:
    proven = Gene("some", (("size", 0.321), ("count", 7)))
    tried = [*PAST, candidate(12, genome_of("some", "wide").replace("left", proven), Score(9.0))]
    fresh_only = Recombine(RecombineSettings(jitter=0, swap=0, crossover=0, fresh=1, stale_rounds=99))
    genes = [ask(fresh_only, context(k, tried)).provenance.genome["left"] for k in range(80)]
    constants = [gene["constants"] for gene in genes if gene["block"] == "some"]
    share = sum(each == dict(proven.constants) for each in constants) / len(constants)
    assert 0.3 < share < 0.8


def test_first_rounds_try_every_block() -> None:
    assert set(drawn(Recombine(), PAST[:1], "left")) == {"one", "some", "worst"}


def test_when_stale_the_best_combination_is_left_alone() -> None:
    stale = [*PAST, *(candidate(k, genome_of("one", "wide"), Score(1.5)) for k in range(12, 30))]
    motivations = [ask(Recombine(), context(k, stale)).motivation for k in range(40)]
    assert 8 < sum("No better candidate for 24 rounds" in text for text in motivations) < 32
    assert not any("No better" in ask(Recombine(), context(k, PAST)).motivation for k in range(40))


def test_the_samplers_parent_is_used() -> None:
    always = Recombine(RecombineSettings(jitter=1, swap=0, crossover=0, fresh=0, parent_share=1, stale_rounds=99))
    proposal = ask(always, context(2, PAST, parent=PAST[7]))
    assert "candidate c7 " in proposal.motivation


def test_a_known_program_is_not_proposed_again() -> None:
    known = ask(Recombine(), context(6, PAST))
    tried = [*PAST[:-1], candidate(11, None, Score(0.0), code=known.code)]
    assert ask(Recombine(), context(6, tried)).code != known.code


def test_without_a_template_it_says_so() -> None:
    bare = Context("toy-0001", 1, Brief("goal", "contract", "seed"), None)
    failure = asyncio.run(Recombine().propose(bare, ()))
    assert isinstance(failure, Failure)
    assert (failure.kind, "template" in failure.reason) == (FailureKind.UNUSABLE, True)


def test_an_empty_slot_is_named() -> None:
    lame = Context("toy-0001", 1, Brief("g", "c", "s", ITEMS[:3], template=TEMPLATE), None)
    failure = asyncio.run(Recombine().propose(lame, ()))
    assert isinstance(failure, Failure)
    assert "['right']" in failure.reason


def test_blocks_that_cannot_work_are_left_out() -> None:
    bad = (
        Item("b1", "toy", "broken", block=CodeBlock("left", "broken", "def broken(:\n")),
        Item("b2", "toy", "other name", block=CodeBlock("left", "missing", "def present():\n    pass\n")),
        Item("b3", "toy", "huge", block=CodeBlock("left", "huge", "def huge():\n    pass\n" + "#" * 30_000)),
        Item(
            "b4", "toy", "no such argument", block=CodeBlock("left", "f", "def f():\n    pass\n", (Tunable("x", 1.0),))
        ),
        Item("b5", "toy", "deep", block=CodeBlock("left", "deep", "(" * 5_000)),
    )
    assert catalogue(TEMPLATE, (*ITEMS, *bad)) == BLOCKS


@pytest.mark.parametrize("stored", [None, 1, "x", [], {}, {"left": {"block": "gone", "constants": {}}}, {"left": []}])
def test_a_foreign_genome_is_ignored(stored: object) -> None:
    assert BLOCKS.read(stored) is None
    odd = Candidate("c1", 1, "toy", 1, "", "", "", (), Provenance("openai", genome=stored), Score(9.0))
    assert read_history(context(1, [odd]), BLOCKS).tried == ()
    ask(Recombine(), context(1, [odd]))


def test_a_template_without_its_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected a line"):
        render(genome_of("one", "wide"), Template(TEMPLATE.slots, "x = 1\n"), BLOCKS)


def is_in_range(blocks: Catalogue, genome: Genome) -> bool:
    for slot, gene in genome.genes:
        for tunable, (name, value) in zip(blocks.block(slot, gene.block).tunables, gene.constants, strict=True):
            if name != tunable.name or isinstance(value, int) != tunable.is_integer:
                return False
            if tunable.choices and value not in tunable.choices:
                return False
            if tunable.low is not None and tunable.high is not None and not tunable.low <= float(value) <= tunable.high:
                return False
    return True


@given(st.integers(0, 2**32), st.floats(0.01, 1.0))
def test_every_move_stays_in_the_declared_ranges(seed: int, width: float) -> None:
    rng = Random(seed)
    genome = genome_of("some", "wide")
    for _ in range(5):
        other = Genome(
            tuple(
                (slot, fresh_gene(BLOCKS.block(slot, rng.choice(list(known))), rng))
                for slot, known in BLOCKS.slots.items()
            )
        )
        genome = crossover(jitter(genome, BLOCKS, rng, width), other, rng)
        assert is_in_range(BLOCKS, genome)
        assert BLOCKS.read(json.loads(json.dumps(genome.to_json()))) == genome
        ast.parse(render(genome, TEMPLATE, BLOCKS))


@given(st.integers(0, 2**32))
def test_jitter_moves_at_most_three_constants(seed: int) -> None:
    genome = genome_of("some", "wide")
    moved = jitter(genome, BLOCKS, Random(seed), 0.15)
    pairs = zip(genome.genes, moved.genes, strict=True)
    assert moved.basin == genome.basin
    assert 1 <= sum(a != b for (_, g), (_, h) in pairs for a, b in zip(g.constants, h.constants, strict=True)) <= 3
