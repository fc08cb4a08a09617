"""Times Triton kernels on a GPU: the seed, fused blocks, eager torch, and programs of yours; and the floor.

    python -m benchmarks.triton_kernel                                  add_rms_norm, bfloat16, 4096 x 4096
    python -m benchmarks.triton_kernel --operation softmax --columns 1000
    python -m benchmarks.triton_kernel best.py --unconfined             a program that you have read: in no sandbox

Speed-ups are paired: contestants take turns in random order, round by round, on inputs of that round, with L2 flushed,
and the output of every timed call is checked (problems/triton_kernel/on_gpu.py says what that does not cover). Without
a CUDA device every row says so, the floor from arithmetic is printed all the same, and the exit code is 0: nothing is
estimated. A wrong answer ends the comparison with exit code 1.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from problems.triton_kernel import catalogue, knowledge, rules, timing
from problems.triton_kernel.dtypes import KINDS
from problems.triton_kernel.operation import Case, Operation
from tasks.recombine import genome as genomes
from tasks.recombine.render import render

NO_DEVICE = "not measured: no CUDA device"
H100_TB_S = 3.35  # SXM, from its data sheet; an H200 has 4.8
BLOCKS = ("one_launch_held", "one_launch_tiles")


def main() -> int:
    """Print the floor and the table."""
    arguments = _arguments()
    operation = catalogue.operation(arguments.operation)
    case = _case(operation, arguments)
    floor_ms = timing.floor_ms(operation.floor_bytes(case), arguments.bandwidth_tb_s)
    print(
        f"{operation.name}, {arguments.rows} x {arguments.columns} {case.dtype}: at least "
        f"{operation.floor_bytes(case) / 1e6:.1f} MB and {operation.flops(case.sizes) / 1e6:.1f} MFLOP, "
        f"{floor_ms * 1e3:.1f} us at {arguments.bandwidth_tb_s} TB/s"
    )
    sources = _sources(operation, arguments.programs)
    for name, code in sources.items():
        if issues := rules.issues(code, catalogue.arguments(operation)):
            print(f"{name} is refused: {issues[0].message} (line {issues[0].line})")
            return 1
    return _compare(operation, case, sources, floor_ms, arguments.rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("programs", nargs="*", type=Path, help="programs in the language of candidates")
    parser.add_argument("--unconfined", action="store_true", help="run these programs without a sandbox")
    parser.add_argument("--operation", choices=sorted(catalogue.OPERATIONS), default="add_rms_norm")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=4096)
    parser.add_argument("--dtype", choices=sorted(KINDS), default="bfloat16")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--bandwidth-tb-s", type=float, default=H100_TB_S)
    found = parser.parse_args()
    if found.programs and not found.unconfined:
        parser.error("programs run without a sandbox here: read them, then say --unconfined")
    if found.rounds < timing.FEWEST:
        parser.error(f"an interval takes at least {timing.FEWEST} rounds")
    return found


def _case(operation: Operation, arguments: argparse.Namespace) -> Case:
    scalars = {"eps": 1e-6} if "eps" in operation.scalars else {}
    sizes = {"M": arguments.rows, "N": arguments.columns}
    return Case("timed", sizes, arguments.dtype, "normal", scalars=scalars)


def _sources(operation: Operation, files: list[Path]) -> dict[str, str]:
    """The programs by name: the seed, blocks with their authors' constants, and files."""
    template = knowledge.template(operation.name, operation.title)
    blocks = genomes.catalogue(template, knowledge.items(operation.name))
    found = {"seed": catalogue.seed(operation.name)}
    for passes in BLOCKS:
        chosen = {"passes": passes, "rows": "several_rows", "columns": "whole_row", "warps": "warps_by_width"}
        genes = tuple((slot, _gene(blocks, slot, chosen[slot])) for slot in blocks.slots)
        found[passes] = render(genomes.Genome(genes), template, blocks)
    return {**found, **{str(file): file.read_text(encoding="utf-8") for file in files}}


def _gene(blocks: genomes.Catalogue, slot: str, name: str) -> genomes.Gene:
    return genomes.Gene(name, tuple((t.name, t.default) for t in blocks.block(slot, name).tunables))


def _compare(operation: Operation, case: Case, sources: Mapping[str, str], floor_ms: float, rounds: int) -> int:
    import torch

    if not torch.cuda.is_available():
        for name in ("eager torch", *sources):
            print(f"  {name:28s} {NO_DEVICE}")
        return 0
    from problems.triton_kernel import on_gpu

    with tempfile.TemporaryDirectory() as folder:
        contestants = {
            name: _loaded(code, Path(folder, f"program{n}.py")) for n, (name, code) in enumerate(sources.items())
        }
        contestants["eager torch"] = on_gpu.eager(operation.eager)
        try:
            times = on_gpu.paired(contestants, operation, case, on_gpu.Cuda(), rounds, seed=0)
        except on_gpu.WrongAnswer as error:
            print(f"  {error}: nothing is compared")
            return 1
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {rounds} rounds; 95% intervals of medians")
    for name, took_ms in times.items():
        print(f"  {name:28s} {_row(took_ms, times['seed'], times['eager torch'], floor_ms)}")
    return 0


def _row(took_ms: list[float], seed_ms: list[float], eager_ms: list[float], floor_ms: float) -> str:
    took = timing.median(took_ms)
    cells = [f"{took.value * 1e3:8.1f} us [{took.low * 1e3:.1f}, {took.high * 1e3:.1f}]"]
    for base, base_ms in (("the seed", seed_ms), ("eager", eager_ms)):
        ratio = timing.speed_up(base_ms, took_ms)
        cells.append(f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times {base}")
    return ", ".join([*cells, f"{took.value / floor_ms:.2f} times the floor"])


def _loaded(code: str, path: Path) -> Any:
    """The program's `launch`; Triton reads kernels from their file."""
    ast.parse(code)
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.launch


if __name__ == "__main__":
    raise SystemExit(main())
