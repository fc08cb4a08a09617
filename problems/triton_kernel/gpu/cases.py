"""What is timed: three large shapes, one for each type, so that moving bytes is what takes time. M rows, N columns."""

from __future__ import annotations

from collections.abc import Sequence

from problems.triton_kernel.operation import Case, Operation

#: The two inputs of the first come to 67 MB, more than an H100's L2 has. The second has rows that fill no power of two.
TIMED = (("square", 4096, 4096, "bfloat16"), ("narrow", 16384, 1000, "float16"), ("exact", 4096, 2048, "float32"))
TINY = (("square", 8, 64, "bfloat16"), ("narrow", 6, 33, "float16"), ("exact", 5, 48, "float32"))
EPS = 1e-6
LOOKED_AT_BYTES = 2**18  # of every timed call, about


def timed(operation: Operation, tiny: bool = False) -> tuple[Case, ...]:
    """The operation's timed cases; tiny ones are for tests."""
    scalars = {"eps": EPS} if "eps" in operation.scalars else {}
    return tuple(
        Case(name, {"M": m, "N": n}, dtype, "drawn", scalars=scalars) for name, m, n, dtype in (TINY if tiny else TIMED)
    )


def rows(operation: Operation, case: Case) -> int:
    """How many rows of every matrix come back from every timed call."""
    of_one = sum(case.kind.size * case.shape(a)[1] for a in operation.arguments if len(a.axes) == 2)
    return max(2, min(case.sizes["M"], LOOKED_AT_BYTES // of_one))


def described(cases: Sequence[Case]) -> str:
    """In words, for people."""
    return ", ".join(f"{' x '.join(map(str, case.sizes.values()))} {case.dtype}" for case in cases)
