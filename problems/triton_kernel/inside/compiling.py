"""Compiles a candidate's kernels for a GPU that need not be there: Triton to machine code for compute capability 9.0.

The interpreter runs kernels as Python, so it accepts what no GPU could run. Here `launch` is called on tensors of some
cases with launches recorded in place of run, and each is compiled ahead of time. Runs inside the sandbox, in a process
of its own, without TRITON_INTERPRET. It proves that the kernels compile and fit, and nothing about results or speed.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)
os.environ["TRITON_CACHE_DIR"] = f"{os.environ['TMPDIR']}/triton-cache"  # the job's own scratch
os.environ["TRITON_DEFAULT_FP_FUSION"] = "1"  # products and sums may fuse, as they do by default up to Triton 3.9

import torch
import triton
from loading import load
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

TARGET = GPUTarget("cuda", 90, 32)
MOST_SHARED_BYTES = 227 * 1024  # what one program of an H100 or H200 may have
KINDS = {
    torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.int32: "*i32", torch.int64: "*i64",
    torch.uint8: "*u8",
}  # fmt: skip
OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")


def check(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """What each launch compiles to; or `uncompiled`, the first one that does not, and why."""
    torch.set_num_threads(1)
    recorded: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
    JITFunction.run = lambda self, *args, grid, warmup, **options: recorded.append((self, args, options))
    launch = load(candidate_path)
    kernels = []
    for case in request["cases"]:
        dtype = getattr(torch, case["dtype"])
        tensors = {name: torch.zeros(shape, dtype=dtype) for name, shape in case["shapes"].items()}
        recorded.clear()
        launch(**tensors, **case["scalars"])
        if not recorded:
            return {"kernels": []}
        for kernel, arguments, options in recorded:
            try:
                kernels.append(_compiled(kernel, arguments, options))
            except Exception as error:  # noqa: BLE001 - the edge to a compiler: whatever it raises, it is not usable
                said = f"{type(error).__name__}: {str(error)[-400:]}"
                return {"uncompiled": f"{kernel.__name__} ({case['dtype']}): {said}"}
    return {"kernels": kernels}


def _compiled(kernel: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    names = [parameter.name for parameter in kernel.params]
    given = dict(zip(names, arguments, strict=False))
    given |= {name: value for name, value in options.items() if name in names}
    given = {p.name: given.get(p.name, p.default) for p in kernel.params}
    constants = {p.name: _plain(given[p.name]) for p in kernel.params if p.is_constexpr or given[p.name] is None}
    signature = {name: "constexpr" if name in constants else _kind(value) for name, value in given.items()}
    source = ASTSource(
        kernel,
        signature=signature,
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n, kind in signature.items() if kind.startswith("*")},
    )
    chosen = {name: options[name] for name in OPTIONS if name in options}
    made = triton.compile(source, target=TARGET, options=chosen)
    if made.metadata.shared > MOST_SHARED_BYTES:
        raise ValueError(f"a program takes {made.metadata.shared} bytes of shared memory, more than there are")
    return {"kernel": kernel.__name__, "shared_bytes": made.metadata.shared, "warps": made.metadata.num_warps}


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return KINDS[value.dtype]
    if isinstance(value, bool):
        return "i1"
    if isinstance(value, int):
        return "i32" if -(2**31) <= value < 2**31 else "i64"
    if isinstance(value, float):
        return "fp32"
    raise TypeError(f"a kernel was given a {type(value).__name__}")
