"""summed = x + residual; out = summed / sqrt(mean(summed^2) + eps) * weight, for each row. RMS norm: arXiv 1910.07467.

`out` may be computed from the exact sum or from the rounded one that `summed` holds: the tolerance allows both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from problems.triton_kernel.dtypes import Doubles
from problems.triton_kernel.odd_sizes import OddSizes
from problems.triton_kernel.operation import Argument, Case, Doubled, Operation

EPS = {"eps": 1e-6}
#: How large the values of a case are, by type: their squares leave the range of float16, and in float32 and bfloat16
#: sums of squares come near the largest number without reaching it.
LARGE = {"float32": 1e16, "float16": 300.0, "bfloat16": 1e16}
TINY = {"float32": 1e-12, "float16": 2e-3, "bfloat16": 1e-12}


def draw(case: Case, rng: np.random.Generator) -> Doubled:
    """Inputs of one case."""
    m, n = case.sizes["M"], case.sizes["N"]
    scale = {"large": LARGE[case.dtype], "tiny": TINY[case.dtype]}.get(case.values, 1.0)
    x_MN, residual_MN = scale * rng.standard_normal((2, m, n))
    if case.values == "equal":
        x_MN, residual_MN = np.full((m, n), 0.75), np.full((m, n), 0.5)
    if case.values == "zero rows":
        x_MN[::2], residual_MN[::2] = 0.0, 0.0
    return {"x": x_MN, "residual": residual_MN, "weight": 1.0 + 0.3 * rng.standard_normal(n)}


def reference(inputs: Doubled, scalars: Mapping[str, float]) -> Doubled:
    """In float64."""
    summed_MN: Doubles = inputs["x"] + inputs["residual"]
    rms_M1 = np.sqrt(np.mean(summed_MN**2, axis=1, keepdims=True) + scalars["eps"])
    return {"out": summed_MN / rms_M1 * inputs["weight"], "summed": summed_MN}


def cases(rng: np.random.Generator) -> Sequence[Case]:
    """The measured ones first, then sizes that nobody knows beforehand."""
    make = OddSizes(rng, EPS)
    odd, case = make.odd, make.case
    return (
        make.measured("wide", 32, 1000, "float16"),
        make.measured("narrow", 64, 320, "bfloat16"),
        make.measured("exact", 32, 768, "float32"),
        *make.common(),
        case("large", odd(3, 8), odd(200, 400), "float32", "large"),
        case("large halves", odd(3, 8), odd(400, 600), "float16", "large"),
        case("large bfloat16", odd(3, 8), odd(100, 200), "bfloat16", "large"),
        case("tiny", odd(3, 8), odd(100, 200), "float32", "tiny"),
        case("tiny halves", odd(3, 8), odd(100, 200), "float16", "tiny"),
        case("all equal", odd(3, 8), odd(60, 100), "bfloat16", "equal"),
        case("zero rows", odd(4, 9), odd(60, 100), "float32", "zero rows"),
    )


OPERATION = Operation(
    name="add_rms_norm",
    signature="launch(x, residual, weight, eps, out, summed)",
    title="residual add, RMS norm and scale",
    formula=(
        "for x, residual [M, N] and weight [N]:  summed = x + residual;  "
        "out = summed / sqrt(mean over the row of summed^2 + eps) * weight"
    ),
    arguments=(
        Argument("x", "input", "MN"),
        Argument("residual", "input", "MN"),
        Argument("weight", "input", "N"),
        Argument("out", "output", "MN"),
        Argument("summed", "output", "MN"),
    ),
    scalars=("eps",),
    draw=draw,
    reference=reference,
    cases=cases,
    flops=lambda sizes: 5 * sizes["M"] * sizes["N"],
    eager="add_rms_norm",
)
