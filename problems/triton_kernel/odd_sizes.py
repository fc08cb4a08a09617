"""Sizes that nobody knows beforehand, for the cases of every operation by rows. M rows, N columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from problems.triton_kernel.operation import Case


@dataclass(frozen=True, slots=True)
class OddSizes:
    """Makes an operation's cases. `scalars` are what launch is given beside tensors, in every case."""

    rng: np.random.Generator
    scalars: Mapping[str, float] = field(default_factory=dict)

    def odd(self, low: int, high: int) -> int:
        """An odd number, drawn."""
        return int(2 * self.rng.integers(low // 2, high // 2) + 1)

    def measured(self, name: str, m: int, n: int, dtype: str) -> Case:
        """Of fixed sizes: its traffic counts."""
        return Case(name, {"M": m, "N": n}, dtype, "normal", scalars=self.scalars, measured=True)

    def case(self, name: str, m: int, n: int, dtype: str, values: str, apart: int = 0) -> Case:
        """One whose traffic does not count."""
        return Case(name, {"M": m, "N": n}, dtype, values, apart, self.scalars)

    def common(self) -> tuple[Case, ...]:
        """What goes wrong at the edges of blocks, whatever is computed."""
        odd, case = self.odd, self.case
        return (
            case("one element", 1, 1, "float32", "normal"),
            case("one column", odd(3, 20), 1, "float16", "normal"),
            case("odd", odd(3, 12), odd(60, 300), "float32", "normal"),
            case("past a power of two", odd(3, 8), 257, "bfloat16", "normal"),
            case("long row", 3, odd(1100, 2500), "float16", "normal"),
            case("rows apart", odd(3, 8), odd(100, 200), "float16", "normal", apart=int(self.rng.integers(3, 40))),
        )
