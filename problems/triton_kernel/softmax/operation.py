"""out = exp(x - max(x)) / sum(exp(x - max(x))) for each row. Minus infinity stands for what is masked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from problems.triton_kernel.dtypes import Doubles
from problems.triton_kernel.odd_sizes import OddSizes
from problems.triton_kernel.operation import Argument, Case, Doubled, Operation

#: Beyond where exp leaves the range of float32, but for the differences in a row.
LARGE = {"float32": 3e4, "float16": 3e4, "bfloat16": 3e4}


def draw(case: Case, rng: np.random.Generator) -> Doubled:
    """Inputs of one case."""
    m, n = case.sizes["M"], case.sizes["N"]
    x_MN: Doubles = 2.0 * rng.standard_normal((m, n))
    if case.values == "large":
        x_MN = LARGE[case.dtype] + 32.0 * rng.integers(-2, 3, (m, n)).astype(np.float64)
    if case.values == "negative":
        x_MN = x_MN - 2000.0 * rng.integers(1, 3, (m, 1))
    if case.values == "tiny":
        x_MN = 1e-6 * x_MN
    if case.values == "equal":
        x_MN = np.full((m, n), -7.25)
    if case.values == "masked":
        x_MN[rng.random((m, n)) < 0.5] = -np.inf
        x_MN[np.arange(m), rng.integers(0, n, m)] = 1.0  # no row is masked out as a whole
    return {"x": x_MN}


def reference(inputs: Doubled, scalars: Mapping[str, float]) -> Doubled:
    """In float64."""
    raised_MN = np.exp(inputs["x"] - inputs["x"].max(axis=1, keepdims=True))
    return {"out": raised_MN / raised_MN.sum(axis=1, keepdims=True)}


def cases(rng: np.random.Generator) -> Sequence[Case]:
    """The measured ones first, then sizes that nobody knows beforehand."""
    make = OddSizes(rng)
    odd, case = make.odd, make.case
    return (
        make.measured("wide", 32, 1000, "float16"),
        make.measured("narrow", 128, 80, "bfloat16"),
        make.measured("exact", 32, 768, "float32"),
        *make.common(),
        case("large", odd(3, 8), odd(200, 400), "float32", "large"),
        case("large halves", odd(3, 8), odd(100, 200), "float16", "large"),
        case("far below zero", odd(3, 8), odd(100, 200), "float32", "negative"),
        case("tiny", odd(3, 8), odd(100, 200), "bfloat16", "tiny"),
        case("all equal", odd(3, 8), odd(60, 100), "bfloat16", "equal"),
        case("masked", odd(5, 9), odd(60, 300), "float32", "masked"),
        case("masked halves", odd(5, 9), odd(600, 1300), "float16", "masked"),
    )


OPERATION = Operation(
    name="softmax",
    signature="launch(x, out)",
    title="softmax of each row",
    formula=(
        "for x [M, N]:  out = exp(x - row maximum) / row sum of exp(x - row maximum); entries of x may be minus "
        "infinity, but never a whole row"
    ),
    arguments=(Argument("x", "input", "MN"), Argument("out", "output", "MN")),
    scalars=(),
    draw=draw,
    reference=reference,
    cases=cases,
    flops=lambda sizes: 5 * sizes["M"] * sizes["N"],
    eager="softmax",
)
