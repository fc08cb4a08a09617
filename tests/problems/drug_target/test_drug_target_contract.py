"""The contract suite over drug_target, with two epochs on few pairs: what it checks is the path, not the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from problems.drug_target.domain import DrugTarget
from problems.drug_target.reference import program
from tasks.contract import Domain, FailureKind, Sandbox, Workspace
from tasks.sandbox import open_sandbox
from tests.contract_suite import BadProgram, DomainContract

CHECK = frozenset({FailureKind.CHECK})
SEED = program("drugban")
LAST = "        return logit_B\n"
TRAINING = "        if self.training and len(logit_B) > 20:\n            "


def ends(statement: str) -> str:
    """DrugBAN with another last line."""
    assert SEED.count(LAST) == 1
    return SEED.replace(LAST, f"{statement}\n{LAST}")


class TestDrugTargetContract(DomainContract):
    ceiling: ClassVar[float | None] = 1.0
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no model": BadProgram("x = 1\n", CHECK),
        "reads files": BadProgram("import os\n" + SEED, CHECK),
        "raises when imported": BadProgram("raise ValueError('no')\n" + SEED, CHECK),
        "wrong shape": BadProgram(ends("        logit_B = logit_B[:, None]"), CHECK),
        "looks at the batch": BadProgram(ends("        logit_B = logit_B - logit_B.mean()"), CHECK),
        "learns nothing": BadProgram(ends("        logit_B = torch.zeros_like(logit_B, requires_grad=True)"), CHECK),
        "raises in training": BadProgram(ends(f"{TRAINING}raise ValueError('no')"), frozenset({FailureKind.CRASH})),
        "not a number in training": BadProgram(
            ends(f"{TRAINING}logit_B = logit_B * float('nan')"), frozenset({FailureKind.INVALID})
        ),
        "not a number when asked": BadProgram(
            ends("        if not self.training and len(logit_B) > 20:\n            logit_B = logit_B / 0.0"),
            frozenset({FailureKind.INVALID}),
        ),
        "learns from what it is asked": BadProgram(
            ends("        if not self.training and len(logit_B) > 20:\n            logit_B = logit_B - logit_B.mean()"),
            frozenset({FailureKind.CHEATING}),
        ),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "prints a score": ends("        print('auroc 1.0')"),
        "is always sure": ends("        logit_B = logit_B * 0.0 + 1e6"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return DrugTarget(DrugTarget.Options(tiny=True))

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        scratch = tmp_path_factory.mktemp("scratch")
        with open_sandbox(scratch, unsafe=True, preload=DrugTarget.preload) as sandbox:
            yield sandbox

    def test_a_retry_trains_nothing_again(self, domain: Domain, sandbox: Sandbox, workspace: Workspace) -> None:
        first = domain.train(SEED, domain.rungs[0], 1, sandbox, workspace)
        assert domain.train("raise ValueError('was run')", domain.rungs[0], 1, sandbox, workspace) == first
