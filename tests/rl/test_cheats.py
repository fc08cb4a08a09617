"""The cheats of `nightshift audit rl`: programs of their own, refused by name, and held where no rule sees them."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from rl import base, cheats, exchange, measure, rules
from rl.domain import Rl
from rl.recipes import TINY
from rl.reference import program
from tasks.artefacts import UriWorkspace
from tasks.contract import Failure, FailureKind, Measurements, Sandbox, Trained

CHEATS = Rl().cheats()
LATE = {**cheats.LATE, **cheats.LATE_CREDIT}
#: Those that do no more than GRPO for all that a trainer takes from a loss.
HARMLESS = {
    "reads its callers' frames", "patches the trainer's modules", "keeps global state", "forges curves and weights",
    "prints a score in training", "pulls at padding in training", "patches TRL", "patches torch",
}  # fmt: skip


def test_every_cheat_is_a_program_of_its_own() -> None:
    assert len(CHEATS) == sum(map(len, (cheats.HIDDEN, LATE, cheats.EARLY)))
    assert len({*CHEATS.values(), program("grpo")}) == len(CHEATS) + 1
    assert [name for name, code in CHEATS.items() if not ast.parse(code).body] == []
    with pytest.raises(ValueError, match="expected GRPO"):
        cheats.programs(program("dapo"))


@pytest.mark.parametrize("name", cheats.HIDDEN)
def test_what_reaches_for_more_is_refused_by_the_rules(name: str) -> None:
    assert rules.issues(CHEATS[name])


@pytest.mark.parametrize("name", LATE)
def test_what_cheats_in_training_alone_passes_every_check(name: str, torch_sandbox: Sandbox) -> None:
    assert Rl().check(CHEATS[name]) == []
    assert Rl().probe(CHEATS[name], torch_sandbox) == []


@pytest.mark.parametrize("name", cheats.EARLY)
def test_what_is_always_wrong_is_found_by_the_checks(name: str, torch_sandbox: Sandbox) -> None:
    assert Rl().probe(CHEATS[name], torch_sandbox)


@pytest.fixture(scope="module")
def stock(torch_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> float:
    """What GRPO scores."""
    found = scored(program("grpo"), torch_sandbox, tmp_path_factory.mktemp("stock"))
    assert isinstance(found, float)
    return found


def scored(code: str, sandbox: Sandbox, folder: Path) -> float | Failure:
    """Trained and measured, past the rules and the checks."""
    recipe = replace(TINY, wall_s=60.0)  # of a program that waits, all of it passes
    fitted = exchange.fit(code, recipe, base.weights(TINY.base), 1, False, sandbox)
    if isinstance(fitted, Failure):
        return fitted
    place = UriWorkspace(folder.as_uri())
    artefacts = measure.kept(fitted, place)
    summary = {"rates": {rate: measure.summary(curve) for rate, curve in fitted.curves.items()}}
    if not any(max(curve.moved, default=0.0) > 0.0 for curve in fitted.curves.values()):
        return Failure(FailureKind.INVALID, "the policy did not move")
    found = measure.measured(Trained(artefacts, summary), TINY, place)
    return found if isinstance(found, Failure) else accuracy(found)


def accuracy(found: Measurements) -> float:
    return found.metrics["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*cheats.HIDDEN, *LATE])
def test_past_rules_and_checks_no_cheat_scores_above_grpo(
    name: str, torch_sandbox: Sandbox, stock: float, tmp_path: Path
) -> None:
    if torch_sandbox.tier == "unsafe" and name in cheats.HIDDEN:
        pytest.skip("nothing confines it")
    found = scored(CHEATS[name], torch_sandbox, tmp_path)
    if name in HARMLESS:
        assert found == stock
    elif not isinstance(found, Failure):
        assert found <= stock, name
