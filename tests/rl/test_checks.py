"""The zoo of broken losses and the references through the checks, in the sandbox."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest

from rl import exchange, knowledge, rules, verdicts
from rl.domain import Rl
from rl.reference import NAMES, program
from tasks.contract import Issue, Sandbox
from tasks.probed import WrongForm
from tasks.recombine import genome as genomes
from tasks.recombine.render import render
from tests.contract_suite import default_gene
from tests.rl.zoo import MUTANTS
from tests.rl.zoo import program as mutant


def issues(code: str, sandbox: Sandbox) -> list[Issue]:
    """Static ones, and where there are none, dynamic ones: as the engine asks."""
    return rules.issues(code) or Rl().probe(code, sandbox)


STATIC = {"contract", "state", "patching", "forbidden-import", "forbidden-call", "forbidden-attribute"}
FEW_MUTANTS = (
    "loss per completion", "constant", "sign of the loss", "earlier groups count more", "no mask", "changes the mask",
    "random numbers of its own", "all pairs of tokens", *(name for name, it in MUTANTS.items() if it.check in STATIC),
)  # fmt: skip


def few_fast(names: Iterable[str], few: Container[str]) -> list[Any]:
    """The others are run by `make test-full`: a probe takes a tenth of a CPU second."""
    return [pytest.param(name, marks=() if name in few else pytest.mark.slow, id=name) for name in names]


@pytest.mark.parametrize("name", few_fast(MUTANTS, FEW_MUTANTS))
def test_every_mutant_is_caught_by_the_check_that_is_meant_for_it(name: str, torch_sandbox: Sandbox) -> None:
    assert MUTANTS[name].check in [issue.rule for issue in issues(mutant(name), torch_sandbox)]


@pytest.mark.parametrize("name", few_fast(NAMES, ("grpo", "grpo_kl", "algorithm_a")))
def test_no_reference_is_refused(name: str, torch_sandbox: Sandbox) -> None:
    assert issues(program(name), torch_sandbox) == []


BLOCKS = [item.block for item in knowledge.items() if item.block is not None]
PLAIN = {
    "credit": "mean_credit", "scale": "group_deviation", "surrogate": "clipped_ratio", "divergence": "free",
    "tokens": "every_token", "aggregate": "token_mean",
}  # fmt: skip


FEW_BLOCKS = ("rank_credit", "success_weighted", "budget_radius", "near_base", "impact_dropout", "between")


@pytest.mark.parametrize("name", few_fast((block.name for block in BLOCKS), FEW_BLOCKS))
def test_every_block_makes_a_loss_that_passes(name: str, torch_sandbox: Sandbox) -> None:
    template = knowledge.template()
    blocks = genomes.catalogue(template, knowledge.items())
    (block,) = (block for block in BLOCKS if block.name == name)
    chosen = PLAIN | {block.slot: name}
    genome = genomes.Genome(
        tuple((slot.name, default_gene(blocks, slot.name, chosen[slot.name])) for slot in knowledge.SLOTS)
    )
    assert issues(render(genome, template, blocks), torch_sandbox) == []


@pytest.mark.parametrize(
    "way",
    [
        "from torch import sys",
        "from functools import update_wrapper",
        "import typing\nkinds = typing.get_type_hints",
        "match math:\n    case object(sys=found):\n        pass",
        "text = '{0.sys}'.format(torch)",
        "from torch import *",
        "from torch.nn import Module",
    ],
)
def test_ways_around_the_rules_are_closed(way: str) -> None:
    found = {issue.rule for issue in rules.issues(f"import math\n{program('grpo')}\n{way}\n")}
    assert found & {"forbidden-attribute", "forbidden-import"}


def test_the_evidence_is_measured(torch_sandbox: Sandbox) -> None:
    (issue,) = issues(mutant("sign of the loss"), torch_sandbox)
    assert issue.message.startswith("sign: raising the probability of better completions changes the loss by +0.")


def test_the_limits_on_cost_are_well_above_stock_grpo(torch_sandbox: Sandbox) -> None:
    measured = exchange.probe(program("grpo"), False, torch_sandbox)
    assert isinstance(measured, dict)
    cost = measured["cost"]
    assert cost["operations"] * 3 < verdicts.MOST_OPERATIONS
    assert cost["traffic_per_token"] * 3 < verdicts.MOST_TRAFFIC
    assert cost["largest_per_token"] * 3 < verdicts.MOST_LARGEST


def test_numbers_of_the_wrong_form_are_not_taken_for_an_answer() -> None:
    empty: dict[str, dict[str, float]] = {name: {} for name in verdicts.CHECKS}
    for forged in (None, {}, {"shapes": 3}, empty, dict.fromkeys(verdicts.CHECKS, 1)):
        with pytest.raises(WrongForm):
            verdicts.issues(forged)


def test_a_program_says_at_its_top_whether_it_wants_a_reference() -> None:
    assert rules.uses_reference(program("grpo_kl"))
    assert not rules.uses_reference(program("grpo"))
    assert not rules.uses_reference("USES_REFERENCE = False\n")
