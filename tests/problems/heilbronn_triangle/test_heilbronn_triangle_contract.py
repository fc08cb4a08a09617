"""The contract suite over Heilbronn's problem in a triangle, with little CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from problems.heilbronn_triangle.problem import HeilbronnTriangle
from tasks.contract import Domain, FailureKind
from tests.contract_suite import BadProgram, DomainContract

HEAD = "def solve(n, seed, cpu_s):\n"
INVALID = frozenset({FailureKind.INVALID})


def answers(value: str) -> str:
    return f"{HEAD}    return {value}\n"


class TestHeilbronnTriangleContract(DomainContract):
    ceiling = 1.0  # no triangle inside is larger than the whole

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no solve": BadProgram("x = 1\n", frozenset({FailureKind.CHECK})),
        "raises": BadProgram(f"{HEAD}    raise ValueError('no')\n", frozenset({FailureKind.CRASH})),
        "never stops": BadProgram(f"{HEAD}    while True:\n        pass\n", frozenset({FailureKind.CPU_TIME})),
        "nothing": BadProgram(answers("None"), INVALID),
        "wrong count": BadProgram(answers("[(0, 0), (1, 0), (0, 1)]"), INVALID),
        "outside": BadProgram(answers("[(0, 0), (1, 0), (0, 1), (0.5, 0.6), (0.2, 0.2)]"), INVALID),
        "NaN": BadProgram(answers("[(float('nan'), 0.1)] * 5"), INVALID),
        "text for a number": BadProgram(answers("[('1/3', 0.1)] * 5"), INVALID),
        "three coordinates": BadProgram(answers("[(0.1, 0.1, 0.1)] * 5"), INVALID),
        "a huge array": BadProgram(answers("[(0.1, 0.1)] * 20000"), INVALID),
        "truth for a number": BadProgram(answers("[(True, False)] * 5"), INVALID),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "says its area": answers("{'points': [(0, 0)] * 5, 'smallest_area': 0.9}"),
        "a much larger triangle": answers("[(0, 0), (9, 0), (0, 9), (2, 3), (4, 1)]"),
        "all points on a line": answers("[(0, k / 5) for k in range(5)]"),
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return HeilbronnTriangle(HeilbronnTriangle.Options.model_validate({"n": 5, "cpu_s": 0.2}))
