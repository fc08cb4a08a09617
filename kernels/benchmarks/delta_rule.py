"""Delta rule and gated delta rule: these kernels, flash-linear-attention, torch, and the floor from arithmetic.

    python kernels/benchmarks/delta_rule.py                               the plain rule
    python kernels/benchmarks/delta_rule.py --gated --dim 64
    python kernels/benchmarks/delta_rule.py --bandwidth-tb-s 3.35         an H100's floor
    python kernels/benchmarks/delta_rule.py --compiled                    also what the compiler says, without a device

Each row is measured in a process of its own, because flash-linear-attention reads its switches when it is imported.
Times are medians of many launches after a warm-up; errors are of a smaller call in bf16 against float64. Without a CUDA
device every row says so, the floor is printed all the same, and the exit code is 0: nothing is estimated. A row that
was started and failed makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script: it runs without the project being installed

from evo_kernels.choices import EVERY  # noqa: E402
from evo_kernels.floor import Device, Problem, Work, both_floor, both_moved, forward_floor, forward_moved  # noqa: E402

ROWS = {
    "ours": {},
    "ours, recomputing": {},
    "fla, FLA_FLASH_QLA=0": {"FLA_FLASH_QLA": "0"},
    "fla, default": {},
    "torch, in chunks": {},
}
NO_DEVICE = "not measured: no CUDA device"
ROW_TIMEOUT_S = 900
CHECKED_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of the forward pass and of both, and the largest relative errors of outputs and gradients."""

    forward_ms: float
    both_ms: float
    error: float
    gradient_error: float


def main() -> int:
    """Print the floor and the table, or with --row measure one row and print it as JSON."""
    arguments = _arguments()
    problem = Problem(arguments.batch, arguments.tokens, arguments.heads, arguments.dim)
    if arguments.row:
        _write(json.dumps(_as_dict(_measure(arguments.row, problem, arguments.gated))))
        return 0
    _write(_floor_table(problem, Device(arguments.bandwidth_tb_s, arguments.tflop_s)))
    if arguments.compiled:
        _write(_compiled_table(problem, arguments.gated))
    return _compare(problem, arguments.gated)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--gated", action="store_true")
    parser.add_argument("--bandwidth-tb-s", type=float, default=Device().bandwidth_tb_s)
    parser.add_argument("--tflop-s", type=float, default=Device().tflop_s)
    parser.add_argument("--compiled", action="store_true", help="compile for Hopper and print registers and spills")
    parser.add_argument("--row", choices=sorted(ROWS), help=argparse.SUPPRESS)
    return parser.parse_args()


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def _floor_table(problem: Problem, device: Device) -> str:
    rows: list[tuple[str, Work]] = [
        ("floor, forward", forward_floor(problem)),
        ("floor, forward and backward", both_floor(problem)),
        ("these kernels' own bytes and products, forward", forward_moved(problem)),
        ("these kernels' own bytes and products, both", both_moved(problem, EVERY)),
    ]
    head = (
        f"B{problem.batch} T{problem.tokens} H{problem.heads} D{problem.dim} bf16, from arithmetic, at "
        f"{device.bandwidth_tb_s} TB/s and {device.tflop_s:g} TFLOP/s\n"
    )
    lines = [f"  {name:48s} {w.moved_bytes / 1e9:7.2f} GB {w.flops / 1e9:7.0f} GFLOP {w.least_ms(device):7.3f} ms"
             for name, w in rows]  # fmt: skip
    return head + "\n".join(lines)


def _compiled_table(problem: Problem, gated: bool) -> str:
    from evo_kernels.compiled import Case, compile_all

    case = Case(problem.dim, problem.dim, gated, heads=problem.heads, chains=problem.batch * problem.heads)
    lines = [
        f"  {r.kernel:16s} block {r.launch.block_k} x {r.launch.block_v}, {r.launch.warps} warps:"
        f" {r.registers} registers, {r.spilled_bytes} bytes spilled per thread, {r.shared_bytes} bytes shared"
        for r in compile_all(case)
    ]
    return "compiled for sm_90, not run\n" + "\n".join(lines)


def _compare(problem: Problem, gated: bool) -> int:
    import torch

    if not torch.cuda.is_available():
        for name in ROWS:
            _write(f"  {name:24s} {NO_DEVICE}")
        return 0
    _write(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    failed = 0
    for name in ROWS:
        line, worked = _row_in_a_process(name, problem, gated)
        _write(f"  {name:24s} {line}")
        failed += not worked
    return 1 if failed else 0


def _row_in_a_process(name: str, problem: Problem, gated: bool) -> tuple[str, bool]:
    command = [sys.executable, __file__, "--row", name, "--batch", str(problem.batch), "--tokens", str(problem.tokens)]
    command += ["--heads", str(problem.heads), "--dim", str(problem.dim), *(["--gated"] if gated else [])]
    environment = {**os.environ, **ROWS[name]}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=ROW_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"failed: no result within {ROW_TIMEOUT_S} s", False
    if done.returncode != 0:
        return f"failed: {(done.stderr.strip() or 'without a word').splitlines()[-1]}", False
    found = Measured(**json.loads(done.stdout.splitlines()[-1]))
    return (
        f"forward {found.forward_ms:7.3f} ms, both {found.both_ms:7.3f} ms,"
        f" error {found.error:.1e}, of gradients {found.gradient_error:.1e}"
    ), True


def _as_dict(measured: Measured) -> dict[str, float]:
    return {name: getattr(measured, name) for name in Measured.__slots__}


def _measure(name: str, problem: Problem, gated: bool) -> Measured:
    import torch
    from triton.testing import do_bench

    rule = _rule(name)
    inputs = _inputs(problem, gated, torch.bfloat16)
    with torch.no_grad():
        forward_ms = do_bench(lambda: rule(*inputs), return_mode="median")
    cotangent = torch.randn_like(inputs[2])

    def both() -> None:
        for x in inputs:
            x.grad = None
        rule(*inputs).backward(cotangent)

    both_ms = do_bench(both, return_mode="median")
    small = Problem(1, min(problem.tokens, CHECKED_TOKENS), 2, problem.dim)
    return Measured(forward_ms, both_ms, *_errors(rule, small, gated))


def _rule(name: str) -> Callable[..., Any]:
    """A function of (q, k, v, beta) or (q, k, v, beta, g) that returns the outputs."""
    if name.startswith("ours"):
        return partial(_ours, recompute="recomputing" in name)
    return _fla if name.startswith("fla") else _torch


def _ours(q: Any, k: Any, v: Any, beta: Any, g: Any = None, recompute: bool = False) -> Any:
    from evo_kernels import chunk_delta_rule, chunk_gated_delta_rule

    if g is None:
        return chunk_delta_rule(q, k, v, beta, recompute=recompute)[0]
    return chunk_gated_delta_rule(q, k, v, g, beta, recompute=recompute)[0]


def _fla(q: Any, k: Any, v: Any, beta: Any, g: Any = None) -> Any:
    if g is None:
        from fla.ops.delta_rule import chunk_delta_rule

        return chunk_delta_rule(q, k, v, beta)[0]
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule

    return chunk_gated_delta_rule(q, k, v, g, beta)[0]


def _torch(q: Any, k: Any, v: Any, beta: Any, g: Any = None) -> Any:
    from evo_kernels.reference import chunked

    return chunked(q, k, v, beta, g)[0]


def _inputs(problem: Problem, gated: bool, dtype: Any) -> list[Any]:
    """Keys of length one, rates in (0, 1), decays near one; leaves that want gradients."""
    import torch

    generator = torch.Generator("cuda").manual_seed(0)
    shape = (problem.batch, problem.tokens, problem.heads, problem.dim)

    def normal(*sizes: int) -> Any:
        return torch.randn(*sizes, device="cuda", generator=generator)

    k = torch.nn.functional.normalize(normal(*shape), dim=-1)
    drawn = [normal(*shape), k, normal(*shape), normal(*shape[:3]).sigmoid()]
    if gated:
        drawn.append(torch.nn.functional.logsigmoid(3 + normal(*shape[:3])))
    return [x.to(dtype).requires_grad_() for x in drawn]


def _errors(rule: Callable[..., Any], problem: Problem, gated: bool) -> tuple[float, float]:
    """Against the recurrence in float64, on the very numbers that bf16 inputs hold."""
    import torch
    from evo_kernels.reference import recurrent

    halves = _inputs(problem, gated, torch.bfloat16)
    doubles = [x.detach().double().requires_grad_() for x in halves]
    mine, exact = rule(*halves), recurrent(*doubles)[0]
    cotangent = torch.randn_like(mine)
    found = torch.autograd.grad(mine, halves, cotangent)
    expected = torch.autograd.grad(exact, doubles, cotangent.double())
    return _deviation(mine, exact), max(map(_deviation, found, expected))


def _deviation(actual: Any, expected: Any) -> float:
    return float((actual.detach().double() - expected.detach()).norm() / expected.detach().norm())


if __name__ == "__main__":
    raise SystemExit(main())
