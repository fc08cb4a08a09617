"""Times Triton kernels on a GPU: the seed, fused blocks, eager torch, and programs of yours; and the floor.

    python -m benchmarks.triton_kernel                                  add_rms_norm, bfloat16, 4096 x 4096
    python -m benchmarks.triton_kernel --operation softmax --columns 1000
    python -m benchmarks.triton_kernel best.py                          also a program in the language of candidates

It is the path of the rung `gpu` (problems/triton_kernel/gpu): programs are recorded and their kernels timed in the
sandbox, in turns with the seed and eager torch, and compared with float64 outside; so the numbers are what a campaign
would see. Without a GPU every row says so, the floor from arithmetic is printed all the same, and the exit code is 0:
nothing is estimated. Never run on a GPU yet.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from problems.triton_kernel import catalogue, knowledge, rules, timing
from problems.triton_kernel.dtypes import KINDS
from problems.triton_kernel.gpu import rung as gpu_rung
from problems.triton_kernel.gpu.rung import Rung
from problems.triton_kernel.operation import Case, Operation
from tasks.artefacts import UriWorkspace
from tasks.contract import Failure, Limits, MachineFault
from tasks.recombine import genome as genomes
from tasks.recombine.render import render
from tasks.sandbox import open_sandbox

NOT_MEASURED = "not measured"
H100_TB_S = 3.35  # SXM, from its data sheet; an H200 has 4.8
BLOCKS = ("one_launch_held", "one_launch_tiles")
FEWEST_ROUNDS = 12
LIMITS = Limits(120.0, 480.0, 2048, processes=32)


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
    return _compare(Rung(operation, (case,), arguments.rounds, arguments.capability), sources)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("programs", nargs="*", type=Path, help="programs in the language of candidates")
    parser.add_argument("--operation", choices=sorted(catalogue.OPERATIONS), default="add_rms_norm")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=4096)
    parser.add_argument("--dtype", choices=sorted(KINDS), default="bfloat16")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--capability", type=int, default=90, help="compute capability of the GPU, times ten")
    parser.add_argument("--bandwidth-tb-s", type=float, default=H100_TB_S)
    found = parser.parse_args()
    if found.rounds < FEWEST_ROUNDS:
        parser.error(f"at least {FEWEST_ROUNDS} rounds")
    return found


def _case(operation: Operation, arguments: argparse.Namespace) -> Case:
    scalars = {"eps": 1e-6} if "eps" in operation.scalars else {}
    sizes = {"M": arguments.rows, "N": arguments.columns}
    return Case("timed", sizes, arguments.dtype, "drawn", scalars=scalars)


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


def _compare(rung: Rung, sources: Mapping[str, str]) -> int:
    try:
        print(gpu_rung.require(rung))
    except gpu_rung.NoGpu as missing:
        for name in sources:
            print(f"  {name:28s} {NOT_MEASURED}: {missing}")
        return 0
    with tempfile.TemporaryDirectory() as folder, open_sandbox(Path(folder, "scratch"), preload=("torch",)) as sandbox:
        for number, (name, code) in enumerate(sources.items()):
            workspace = UriWorkspace(Path(folder, f"program{number}").as_uri())
            try:
                trained = gpu_rung.train(code, 0, rung, LIMITS, sandbox, workspace)
                found = trained if isinstance(trained, Failure) else gpu_rung.benchmark(code, 0, rung, workspace)
            except MachineFault as fault:
                print(f"  {name:28s} {NOT_MEASURED}: {fault}")
                return 1
            print(f"  {name:28s} {found.reason if isinstance(found, Failure) else _row(found[0])}")
    return 0


def _row(metrics: Mapping[str, float]) -> str:
    low, high = metrics["speedup_low"], metrics["speedup_high"]
    return (
        f"{metrics['time_us']:8.1f} us, {metrics['speedup']:.3f} [{low:.3f}, {high:.3f}] times the seed, "
        f"{metrics['speedup_over_eager']:.3f} times eager torch, {metrics['floor_fraction']:.2f} of what a copy needs"
    )


if __name__ == "__main__":
    raise SystemExit(main())
