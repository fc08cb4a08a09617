"""What the compiler says of the four kernels for a GPU that need not be there: registers, spills, shared memory.

Compiles ahead of time to machine code for compute capability 9.0 (H100, H200) with the ptxas that comes with Triton.
It proves that they compile and fit, and says nothing about results or speed.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from evo_kernels.backward_kernels import gradient_kernel, reverse_kernel
from evo_kernels.choices import EVERY, Choice, Launch, choose
from evo_kernels.forward_kernels import chain_kernel, intra_kernel

CAPABILITY = 90
#: What one program of an H100 or H200 may have.
LARGEST_SHARED_BYTES = 227 * 1024
FLOAT32 = {"gc_ptr", "first_ptr", "final_ptr", "dfirst_ptr", "dfinal_ptr", "g_ptr", "dg_ptr", "dbeta_ptr", "part_ptr"}
TABLES = {"chunks_ptr", "bounds_ptr"}
GATES = {"g_ptr", "gc_ptr", "dg_ptr"}


@dataclass(frozen=True, slots=True)
class Case:
    """One set of compile-time arguments, with initial and final states and everything kept."""

    key_dim: int
    value_dim: int
    gated: bool
    dtype: str = "bf16"
    heads: int = 16
    chains: int = 128

    @property
    def choice(self) -> Choice:
        """The launches of this case."""
        return choose(self.key_dim, self.value_dim, self.chains, 4 if self.dtype == "fp32" else 2)


@dataclass(frozen=True, slots=True)
class Report:
    """Per thread registers and spilled bytes; shared memory per program; kinds of instructions in the code."""

    kernel: str
    launch: Launch
    registers: int
    spilled_bytes: int
    shared_bytes: int
    tensor_core_products: int
    asynchronous_copies: int


def compile_all(case: Case) -> list[Report]:
    """The four kernels, in the order in which they run."""
    choice = case.choice
    return [
        compile_one(intra_kernel, choice.intra, case),
        compile_one(chain_kernel, choice.chain, case),
        compile_one(reverse_kernel, choice.reverse, case),
        compile_one(gradient_kernel, choice.gradient, case),
    ]


def compile_one(kernel: Any, launch: Launch, case: Case) -> Report:
    """Triton to PTX, and PTX through ptxas with its report on."""
    constants = _constants(kernel, launch, case)
    positions = {name: (position,) for position, name in enumerate(kernel.arg_names)}
    signature = {name: _kind(name, constants, case.dtype) for name in kernel.arg_names}
    source = ASTSource(
        kernel,
        signature=signature,
        constexprs={positions[name]: value for name, value in constants.items()},
        attrs={positions[n]: [["tt.divisibility", 16]] for n, kind in signature.items() if kind.startswith("*")},
    )
    options = {"num_warps": launch.warps, "num_stages": launch.stages}
    made = triton.compile(source, target=GPUTarget("cuda", CAPABILITY, 32), options=options)
    ptx = made.asm["ptx"]
    registers, spilled = _ptxas(ptx)
    return Report(
        kernel=kernel.__name__,
        launch=launch,
        registers=registers,
        spilled_bytes=spilled,
        shared_bytes=made.metadata.shared,
        tensor_core_products=ptx.count("wgmma.mma_async") + ptx.count("mma.sync"),
        asynchronous_copies=ptx.count("cp.async.c"),
    )


def _constants(kernel: Any, launch: Launch, case: Case) -> dict[str, Any]:
    everything = {
        "H": case.heads,
        "Z": case.heads,
        "K": case.key_dim,
        "V": case.value_dim,
        "C": 64,
        "BK": launch.block_k,
        "BV": launch.block_v,
        "EVERY": EVERY,
        "GATED": case.gated,
        "HAS_FIRST": True,
        "HAS_FINAL": True,
        "KEEP_FINAL": True,
        "KEEP": True,
        "PRECISION": "ieee" if case.dtype == "fp32" else "tf32",
        "SOLVE": "ieee" if case.dtype == "fp32" else "tf32x3",
    }
    absent = {} if case.gated else dict.fromkeys(GATES)
    return {name: value for name, value in {**everything, **absent}.items() if name in kernel.arg_names}


def _kind(name: str, constants: dict[str, Any], dtype: str) -> str:
    if name in constants:
        return "constexpr"
    if name == "scale":
        return "fp32"
    if name in TABLES:
        return "*i64"
    return "*fp32" if name in FLOAT32 else f"*{dtype}"


def _ptxas(ptx: str) -> tuple[int, int]:
    program = triton.knobs.nvidia.ptxas.path if ".version 9" not in ptx else triton.knobs.nvidia.ptxas_blackwell.path
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "kernel.ptx"
        path.write_text(ptx)
        command = [program, "-v", f"--gpu-name=sm_{CAPABILITY}a", str(path), "-o", str(path.with_suffix(".cubin"))]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers = re.search(r"Used (\d+) registers", said)
    spills = re.search(r"(\d+) bytes spill stores", said)
    if registers is None or spills is None:
        raise RuntimeError(f"expected registers and spills in the report of {program}, got {said!r}")
    return int(registers[1]), int(spills[1])
