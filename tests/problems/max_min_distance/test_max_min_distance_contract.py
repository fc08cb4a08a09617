"""The contract suite over the ratio of largest to smallest distance, with little CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from problems.max_min_distance.problem import MaxMinDistance
from tasks.contract import Domain, FailureKind
from tests.contract_suite import BadProgram, DomainContract

HEAD = "def solve(n, dimension, seed, cpu_s):\n"
INVALID = frozenset({FailureKind.INVALID})


def answers(value: str) -> str:
    return f"{HEAD}    return {value}\n"


class TestMaxMinDistanceContract(DomainContract):
    ceiling = -1.0  # no ratio is below 1

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no solve": BadProgram("x = 1\n", frozenset({FailureKind.CHECK})),
        "raises": BadProgram(f"{HEAD}    raise ValueError('no')\n", frozenset({FailureKind.CRASH})),
        "nothing": BadProgram(answers("None"), INVALID),
        "wrong count": BadProgram(answers("[(0, 0), (1, 0), (0, 1)]"), INVALID),
        "one place": BadProgram(answers("[(0.5, 0.5)] * 5"), INVALID),
        "NaN": BadProgram(answers("[(float('nan'), k) for k in range(5)]"), INVALID),
        "infinite": BadProgram(answers("[(float('inf'), k) for k in range(5)]"), INVALID),
        "text for a number": BadProgram(answers("[('1', k) for k in range(5)]"), INVALID),
        "three coordinates": BadProgram(answers("[(0, 0, k) for k in range(5)]"), INVALID),
        "a huge array": BadProgram(answers("[(0, k) for k in range(20000)]"), INVALID),
        "nearly one place": BadProgram(answers("[(0, 0), (0, 1e-40), (1, 0), (0, 1), (1, 1)]"), INVALID),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "says its ratio": answers("{'points': [(0, 0)] * 5, 'negative_squared_ratio': -1.0}"),
        "a line": answers("[(0, k) for k in range(5)]"),
        "distances below what a float can square": answers("[(0, k * 1e-99) for k in range(5)]"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return MaxMinDistance(MaxMinDistance.Options.model_validate({"n": 5, "cpu_s": 0.2}))
