"""The contract suite over Erdos's minimum overlap problem, with little CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from problems.minimum_overlap.problem import MinimumOverlap
from tasks.contract import Domain, FailureKind
from tests.contract_suite import BadProgram, DomainContract

HEAD = "def solve(steps, seed, cpu_s):\n"
INVALID = frozenset({FailureKind.INVALID})


def answers(value: str) -> str:
    return f"{HEAD}    return {value}\n"


class TestMinimumOverlapContract(DomainContract):
    ceiling = -0.379005  # lower bound on the constant: E. P. White, 2022

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no solve": BadProgram("x = 1\n", frozenset({FailureKind.CHECK})),
        "raises": BadProgram(f"{HEAD}    raise ValueError('no')\n", frozenset({FailureKind.CRASH})),
        "nothing": BadProgram(answers("None"), INVALID),
        "nothing in it": BadProgram(answers("[]"), INVALID),
        "wrong integral": BadProgram(answers("[0.49] * 20"), INVALID),
        "no integral": BadProgram(answers("[0.0] * 20"), INVALID),
        "below 0": BadProgram(answers("[-1e-12, 1 + 1e-12]"), INVALID),
        "above 1": BadProgram(answers("[1.5, 0.0, 0.0]"), INVALID),
        "NaN": BadProgram(answers("[0.5, float('nan')]"), INVALID),
        "too many steps": BadProgram(answers("[0.5] * 1001"), INVALID),
        "text for a number": BadProgram(answers("['1/2'] * 20"), INVALID),
        "nested": BadProgram(answers("[[0.5] * 20]"), INVALID),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "says its overlap": answers("{'heights': [0.5] * 20, 'negative_overlap': -0.3}"),
        "an integral below 1": answers("[0.25] * 20"),
        "heights above 1": answers("[2.0, 0.0, 0.0, 0.0]"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return MinimumOverlap(MinimumOverlap.Options.model_validate({"steps": 20, "cpu_s": 0.2}))
