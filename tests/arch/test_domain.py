"""The contract suite over arch, with a tiny model and a few steps: what it checks is the path, not the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from arch import budget, scoring
from arch.domain import Arch
from arch.reference import program
from tasks.contract import Domain, Failure, FailureKind, Measurements, Sandbox, Score, Workspace
from tasks.sandbox import open_sandbox
from tests.arch import zoo
from tests.contract_suite import BadProgram, DomainContract

CHECK = frozenset({FailureKind.CHECK})
FORWARD = "        return self.mix(x_BTD, (None, None), steps=False)[0]\n"
TRAINING = (
    "        y = self.mix(x_BTD, (None, None), steps=False)[0]\n        if self.training and x_BTD.shape[0] == 4:\n"
)
TRIPLED = "super().__init__()\n        n_heads = 3 * n_heads"  # too large for the Pareto front, too


def in_training(statement: str) -> str:
    """DeltaNet that does something else in a training batch of the tiny recipe, which no check has."""
    code = program("delta_net")
    assert code.count(FORWARD) == 1
    return code.replace(FORWARD, f"{TRAINING}            {statement}\n        return y\n")


class TestArchContract(DomainContract):
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no mixer": BadProgram("x = 1\n", CHECK),
        "raises when imported": BadProgram("raise ValueError('no')\n" + program("delta_net"), CHECK),
        "leaks": BadProgram(zoo.program("gated leak, zero at the start"), CHECK),
        "too large": BadProgram(program("delta_net").replace("super().__init__()", TRIPLED), CHECK),
        "raises in training": BadProgram(in_training("raise ValueError('no')"), frozenset({FailureKind.CRASH})),
        "not a number in training": BadProgram(in_training("y = y * float('nan')"), frozenset({FailureKind.INVALID})),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "prints a score": program("delta_net").replace(
            "        conv, tail", "        print('recall_accuracy 1.0 bits_per_byte 0.1')\n        conv, tail"
        ),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return Arch(Arch.Options(tiny=True))

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        scratch = tmp_path_factory.mktemp("scratch")
        with open_sandbox(scratch, unsafe=True, preload=Arch.preload) as sandbox:
            yield sandbox

    @pytest.mark.slow
    def test_a_mixer_that_never_stops_runs_out_of_cpu_time(
        self, domain: Domain, sandbox: Sandbox, workspace: Workspace
    ) -> None:
        code = in_training("while True: pass")
        failure = domain.train(code, domain.rungs[0], 1, sandbox, workspace)
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.CPU_TIME

    def test_a_retry_trains_nothing_again(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        rung, code = domain.rungs[0], program("delta_net")
        first = domain.train(code, rung, 1, sandbox, workspace)
        assert domain.train("raise ValueError('was run')", rung, 1, sandbox, workspace) == first


def measured(bits: float, recall: float) -> Measurements:
    sizes = dict.fromkeys(budget.NAMES, 100.0)
    return Measurements({"bits_per_byte": bits, "benchmark_accuracy": recall, **sizes})


def fitness(candidate: list[Measurements], baseline: list[Measurements] | None) -> Score:
    score = Arch().score(candidate, baseline)
    assert isinstance(score, Score)
    return score


def test_the_baseline_scores_one_half() -> None:
    assert fitness([measured(3.0, 0.8)], None) == Score(0.5, None, 1)


def test_better_text_and_better_recall_both_raise_the_fitness() -> None:
    base = [measured(3.0, 0.8)]
    assert fitness([measured(2.9, 0.8)], base).fitness == pytest.approx(0.5 * (scoring.term(1 / 30) + 0.5))
    assert fitness([measured(3.0, 0.84)], base).fitness == pytest.approx(0.5 * (0.5 + scoring.term(0.05)))
    assert fitness([measured(3.1, 0.76)], base).fitness < 0.5


def test_one_term_cannot_outweigh_a_collapse_of_the_other() -> None:
    assert fitness([measured(0.5, 0.1)], [measured(3.0, 0.8)]).fitness == pytest.approx(0.5)


def test_seeds_give_a_standard_error() -> None:
    score = fitness([measured(3.0, 0.80), measured(3.0, 0.84)], [measured(3.0, 0.8), measured(3.0, 0.8)])
    assert score.evaluations == 2
    assert score.standard_error == pytest.approx(0.5 * 0.5 * (scoring.term(0.05) - 0.5))


def test_nothing_measured_is_a_failure() -> None:
    assert isinstance(Arch().score([], [measured(3.0, 0.8)]), Failure)
