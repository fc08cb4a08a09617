"""The contract suite over the first autocorrelation inequality, with little CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from problems.autocorrelation.problem import Autocorrelation
from tasks.contract import Domain, FailureKind
from tests.contract_suite import BadProgram, DomainContract

HEAD = "def solve(steps, seed, cpu_s):\n"
INVALID = frozenset({FailureKind.INVALID})


def answers(value: str) -> str:
    return f"{HEAD}    return {value}\n"


class TestAutocorrelationContract(DomainContract):
    ceiling = -1.28  # lower bound on the constant: Cloninger and Steinerberger, arXiv 1403.7988

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no solve": BadProgram("x = 1\n", frozenset({FailureKind.CHECK})),
        "raises": BadProgram(f"{HEAD}    raise ValueError('no')\n", frozenset({FailureKind.CRASH})),
        "nothing": BadProgram(answers("None"), INVALID),
        "nothing in it": BadProgram(answers("[]"), INVALID),
        "zero": BadProgram(answers("[0.0] * 20"), INVALID),
        "below 0": BadProgram(answers("[1.0, -1e-12, 1.0]"), INVALID),
        "NaN": BadProgram(answers("[1.0, float('nan')]"), INVALID),
        "infinite": BadProgram(answers("[1.0, float('inf')]"), INVALID),
        "too many steps": BadProgram(answers("[1.0] * 1001"), INVALID),
        "text for a number": BadProgram(answers("['1'] * 20"), INVALID),
        "nested": BadProgram(answers("[[1.0] * 20]"), INVALID),
        "nearly 0": BadProgram(answers("[1.0, 1e-200]"), INVALID),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "says its bound": answers("{'heights': [1.0] * 20, 'negative_upper_bound': -1.0}"),
        "one spike": answers("[0.0] * 10 + [1e9] + [0.0] * 9"),
        "cancels": answers("[(-1.0) ** k for k in range(20)]"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return Autocorrelation(Autocorrelation.Options.model_validate({"steps": 20, "cpu_s": 0.2}))
