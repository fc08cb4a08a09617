"""The mutant zoo and the reference mixers through the checks, in the sandbox."""

from __future__ import annotations

import pytest

from arch import budget, exchange, knowledge, rules, verdicts
from arch.domain import Arch, ArchOptions
from arch.recipes import LAPTOP, RUNGS, causal_lengths
from arch.reference import LINEAR, YARDSTICK, program
from cognition.records import CodeBlock
from tasks.contract import Issue, Measurements, Sandbox, Score
from tasks.probed import WrongForm
from tasks.recombine import genome as genomes
from tasks.recombine.render import render
from tests.arch.zoo import MUTANTS
from tests.arch.zoo import program as mutant
from tests.contract_suite import default_gene

LENGTHS = causal_lengths(RUNGS.values())
FEW = (
    "gated leak, zero at the start",
    "leak in train mode only",
    "leak at the training length only",
    "element-wise T x T",
    "fixed dtype, hidden",
    "recurrent hides its state",
)
STATIC = {"fixed-shape", "fixed-dtype", "quadratic", "patching", "forbidden-call", "forbidden-import"}
ALL = [
    pytest.param(name, marks=() if name in FEW or found.check in STATIC else pytest.mark.slow)
    for name, found in MUTANTS.items()
]


def issues(code: str, sandbox: Sandbox) -> list[Issue]:
    """Static ones, and where there are none, dynamic ones: as the engine asks."""
    found = rules.issues(code)
    if found:
        return found
    probed = exchange.probe(code, LAPTOP, verdicts.CHECKS, LENGTHS, sandbox)
    assert isinstance(probed, exchange.Probed), probed
    return verdicts.issues(probed.numbers)


@pytest.mark.parametrize("name", ALL)
def test_every_mutant_is_caught_by_the_check_that_is_meant_for_it(name: str, torch_sandbox: Sandbox) -> None:
    assert MUTANTS[name].check in [issue.rule for issue in issues(mutant(name), torch_sandbox)]


@pytest.mark.parametrize("name", LINEAR)
def test_no_linear_reference_mixer_is_refused(name: str, torch_sandbox: Sandbox) -> None:
    assert Arch().check(program(name)) == []
    assert Arch().probe(program(name), torch_sandbox) == []


def test_softmax_attention_is_refused_for_being_quadratic_only(torch_sandbox: Sandbox) -> None:
    assert {issue.rule for issue in rules.issues(program(YARDSTICK))} == {"quadratic"}
    probed = exchange.probe(program(YARDSTICK), LAPTOP, verdicts.CHECKS, LENGTHS, torch_sandbox)
    assert isinstance(probed, exchange.Probed)
    assert [issue.message for issue in verdicts.issues(probed.numbers)] == [
        "recurrent: the state grows with time, by 16384 numbers in 256 tokens"
    ]


def test_the_evidence_is_measured(torch_sandbox: Sandbox) -> None:
    (issue,) = issues(mutant("leak in train mode only"), torch_sandbox)
    assert issue.message.startswith("causality: y[:")
    assert issue.message.endswith("float64)")
    assert "train mode" in issue.message


TWICE_AS_WIDE = program("delta_net").replace(
    "super().__init__()", "super().__init__()\n        head_dim = 2 * head_dim"
)


def test_a_mixer_over_the_budget_is_refused_with_its_size(torch_sandbox: Sandbox) -> None:
    strict = Arch(ArchOptions(front_tolerance=0.05))
    messages = [issue.message for issue in strict.probe(TWICE_AS_WIDE, torch_sandbox) if issue.rule == "budget"]
    assert [message.split(":")[1].strip() for message in messages] == [name.replace("_", " ") for name in budget.NAMES]
    assert "of the baseline's 8722 (limit +5%)" in messages[0]


def test_a_larger_mixer_may_compete_on_the_front(torch_sandbox: Sandbox) -> None:
    assert Arch(ArchOptions(front_tolerance=4.0)).probe(TWICE_AS_WIDE, torch_sandbox) == []
    refused = [issue.message for issue in Arch().probe(TWICE_AS_WIDE, torch_sandbox)]
    assert any(message.startswith("budget: state numbers: ") for message in refused)  # four times the baseline's
    assert all(message.endswith("(limit +100%)") for message in refused)


def test_a_score_of_a_larger_mixer_does_not_rank() -> None:
    metrics = {"bits_per_byte": 3.0, "benchmark_accuracy": 0.5, "parameters": 100.0, "state_numbers": 10.0}
    base = Measurements(metrics | {"flops_per_token": 50.0})
    larger = Measurements(base.metrics | {"benchmark_accuracy": 0.9, "state_numbers": 11.0})
    equal = Arch().score([base], [base])
    assert isinstance(equal, Score)
    assert equal.ranks
    found = Arch().score([larger], [base])
    assert isinstance(found, Score)
    assert found.unranked == "state numbers: 11, +10.0% of the baseline's 10 (limit +5%)"
    assert found.fitness > equal.fitness


BLOCKS = [item.block for item in knowledge.items() if item.block is not None]
BLOCKS_SLOW_BUT_ONE = [BLOCKS[0], *(pytest.param(block, marks=pytest.mark.slow) for block in BLOCKS[1:])]


@pytest.mark.parametrize("block", BLOCKS_SLOW_BUT_ONE, ids=lambda block: block.name)
def test_every_block_makes_a_mixer_that_passes_within_the_budget(block: CodeBlock, torch_sandbox: Sandbox) -> None:
    template = knowledge.template()
    blocks = genomes.catalogue(template, knowledge.items())
    plain = {"feature": "unit_silu", "write": "sigmoid_write", "decay": "softplus_decay", "update": "gated_delta"}
    plain |= {"path": "linear_path", "route": "add_both", block.slot: block.name}
    genome = genomes.Genome(
        tuple((slot.name, default_gene(blocks, slot.name, plain[slot.name])) for slot in knowledge.SLOTS)
    )
    code = render(genome, template, blocks)
    assert Arch().check(code) == []
    assert Arch().probe(code, torch_sandbox) == []


def test_numbers_of_the_wrong_form_are_not_taken_for_an_answer() -> None:
    honest = {"parameters": {"count": 3}}
    assert verdicts.issues(honest, ("parameters",)) == []
    forgeries: tuple[object, ...] = (
        None,
        {},
        {"parameters": 3},
        {"parameters": {}},
        {"parameters": {"count": "many"}},
        {"parameters": {"count": 10**400}},
        {**honest, "x": {}},
    )
    for forged in forgeries:
        with pytest.raises(WrongForm):
            verdicts.issues(forged, ("parameters",))


def test_literals_in_init_and_small_windows_are_no_fixed_shapes() -> None:
    code = program("delta_net").replace("beta_BTH = self", "x_BTD.unflatten(-1, (4, -1))\n        beta_BTH = self")
    assert rules.issues(code) == []
