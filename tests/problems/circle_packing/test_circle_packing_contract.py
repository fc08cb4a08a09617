"""The contract suite over circle packing, with few circles and little CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from problems.circle_packing.domain import CirclePacking
from tasks.contract import Domain, FailureKind
from tests.contract_suite import BadProgram, DomainContract

HEAD = "def pack(n, width, height, seed, cpu_s):\n"
INVALID = frozenset({FailureKind.INVALID})
FOUR = "[(0.25, 0.25, {0}), (0.75, 0.25, {0}), (0.25, 0.75, {0}), (0.75, 0.75, {0})]"
SMALL = FOUR.format(0.1)


def answers(value: str) -> str:
    return f"{HEAD}    return {value}\n"


class TestCirclePackingContract(DomainContract):
    ceiling = 1.2  # four circles: at most 1.17157...

    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "no pack": BadProgram("x = 1\n", frozenset({FailureKind.CHECK})),
        "wrong arguments": BadProgram("def pack(n):\n    return []\n", frozenset({FailureKind.CHECK})),
        "forbidden import": BadProgram("import subprocess\n" + answers("[]"), frozenset({FailureKind.CHECK})),
        "raises": BadProgram(f"{HEAD}    raise ValueError('no')\n", frozenset({FailureKind.CRASH})),
        "wrong count": BadProgram(answers("[(0.5, 0.5, 0.1)]"), INVALID),
        "overlap": BadProgram(answers(FOUR.format(0.26)), INVALID),
        "negative radius": BadProgram(answers(FOUR.format(-0.1)), INVALID),
        "not a number": BadProgram(answers(FOUR.format("float('nan')")), INVALID),
        "infinite": BadProgram(answers(FOUR.format("float('inf')")), INVALID),
        "truth for a number": BadProgram(answers(FOUR.format("True")), INVALID),
        "an exponent in text": BadProgram(answers(FOUR.format("'1e-1'")), INVALID),
        "nothing": BadProgram(answers("None"), INVALID),
        "never stops": BadProgram(f"{HEAD}    while True:\n        pass\n", frozenset({FailureKind.CPU_TIME})),
    }
    liars: ClassVar[Mapping[str, str]] = {
        "adds a sum": answers(f"{{'circles': {SMALL}, 'sum_radii': 99.0, 'score': 99.0}}"),
        "a list that claims another length": (
            f"class L(list):\n    def __len__(self):\n        return 4\n{answers('L([(0.5, 0.5, 0.5)])')}"
        ),
        "prints a score": f"{HEAD}    print('sum_radii 99')\n    return {SMALL}\n",
    }

    @pytest.fixture
    def domain(self) -> Domain:
        return CirclePacking(CirclePacking.Options(n=4, cpu_s=0.2))
