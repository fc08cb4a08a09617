"""The contract suite over rl, with a tiny model and a few steps: what it checks is the path, not the scores."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from rl import base, exchange, measure
from rl.domain import NotHere, Rl
from rl.gpu import needs
from rl.recipes import TINY
from rl.reference import program
from rl.scales import SCALES
from tasks.artefacts import UriWorkspace
from tasks.contract import Domain, Failure, FailureKind, Measurements, Sandbox, Score, Trained, Workspace
from tests.contract_suite import BadProgram, DomainContract, judge
from tests.rl import zoo

CHECK = frozenset({FailureKind.CHECK})
INVALID, CRASH = frozenset({FailureKind.INVALID}), frozenset({FailureKind.CRASH})
LOSS = "    ratio_NT = torch.exp(logps_NT - old_NT)\n"


def in_training(statement: str) -> str:
    """GRPO that does something else at the tiny recipe's batch of 16 completions of 8 places, which no check has."""
    code = program("grpo")
    assert code.count(LOSS) == 1
    return code.replace(LOSS, f"    if logps_NT.shape == (16, 8):\n        {statement}\n{LOSS}")


@pytest.mark.slow  # every training starts a torch of its own, two CPU seconds
class TestRlContract(DomainContract):
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no loss": BadProgram("x = 1\n", CHECK),
        "raises when imported": BadProgram(program("grpo") + "\nraise ValueError('no')\n", CHECK),
        "constant": BadProgram(zoo.program("constant"), CHECK),
        "raises in training": BadProgram(in_training("raise ValueError('no')"), CRASH),
        "ends in training": BadProgram(in_training("raise SystemExit(0)"), CRASH),
        "not a number in training": BadProgram(in_training("return (logps_NT * float('nan')).sum()"), INVALID),
        "trains nothing": BadProgram(in_training("return (logps_NT * 0.0).sum()"), INVALID),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "prints a score": in_training("print('accuracy 1.0')"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return Rl(Rl.Options(tiny=True))

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, torch_sandbox: Sandbox) -> Sandbox:
        return torch_sandbox

    def test_a_retry_trains_nothing_again(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        rung, code = domain.rungs[0], program("grpo")
        first = domain.train(code, rung, 1, sandbox, workspace)
        assert domain.train("raise ValueError('was run')", rung, 1, sandbox, workspace) == first


def test_the_seed_program_scores_and_a_retry_trains_nothing_again(torch_sandbox: Sandbox, tmp_path: Path) -> None:
    domain, code, place = Rl(Rl.Options(tiny=True)), program("grpo"), UriWorkspace(tmp_path.as_uri())
    judged = judge(domain, code, torch_sandbox, place)
    assert isinstance(judged.outcome, Score), judged.outcome
    assert judged.measurements is not None
    assert 0.0 < judged.outcome.fitness < 0.2  # a tiny model, trained for three generations
    assert set(domain.features(judged.measurements)) == {"kl", "early_reward"}
    again = domain.train("raise ValueError('was run')", domain.rungs[0], 7, torch_sandbox, place)
    assert isinstance(again, Trained)
    assert all(rate["moved"] > 1e-4 for rate in again.summary["rates"].values())  # the ratio moves: clips are alive


def measured(accuracy: float) -> Measurements:
    return Measurements({"accuracy": accuracy})


def test_the_score_is_the_mean_accuracy_with_its_standard_error() -> None:
    assert Rl().score([measured(0.8)], None) == Score(0.8, None, 1)
    several = Rl().score([measured(0.7), measured(0.9)], [measured(0.8)])
    assert isinstance(several, Score)
    assert several.fitness == pytest.approx(0.8)
    assert several.standard_error == pytest.approx(0.1)


@pytest.mark.parametrize("rung", SCALES)
def test_a_rung_on_gpus_is_refused_in_one_line_with_its_forecast(
    rung: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(needs, "DEVICES", tmp_path)
    with pytest.raises(NotHere, match=rf".*\({rung}: Qwen/.*GPU-hours.*assumed, not measured") as raised:
        Rl().outlook(rung)
    assert "\n" not in str(raised.value)


def test_the_given_up_say_so_and_cost_less(torch_sandbox: Sandbox) -> None:
    recipe = replace(TINY, generations=20, abort_at=6, abort_below=2.0)
    fitted = exchange.fit(program("grpo"), recipe, base.weights(TINY.base), 1, False, torch_sandbox)
    assert isinstance(fitted, exchange.Fitted)
    (curve,) = fitted.curves.values()  # the other learning rate is not tried
    assert curve.aborted_at == 6
    assert curve.weights is None
    assert len(curve.losses) <= 0.3 * recipe.generations * recipe.iterations
    assert measure.given_up(curve, recipe).startswith("given up after 6 of 20 generations: the mean reward went 0.")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_does_not(torch_sandbox: Sandbox, tmp_path: Path) -> None:
    count = itertools.count()

    def trained(seed: int) -> object:
        place = UriWorkspace((tmp_path / str(next(count))).as_uri())
        done = Rl(Rl.Options(tiny=True)).train(program("grpo"), "laptop", seed, torch_sandbox, place)
        assert isinstance(done, Trained)
        return json.dumps(done.summary)

    assert trained(1) == trained(1) != trained(2)


def test_failures_are_no_scores() -> None:
    assert isinstance(Rl().score([], None), Failure)
