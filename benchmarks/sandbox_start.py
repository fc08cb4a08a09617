"""What the sandbox costs per candidate: CPU seconds and wall time of a candidate that imports numpy and scipy.optimize.

    python -m benchmarks.sandbox_start --runs 20

CPU counts every process that a job needs: the engine's watching thread, the zygote's forks, the supervisor and the
candidate; read from the accounts of the engine and of the zygote's tree, before and after. The other rows do the same
work with a sandbox but without a warm zygote, and without a sandbox in a fresh interpreter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.sandbox import Finished, Job, Pool, describe_tiers, open_sandbox
from tasks.sandbox.inside import proctree

CANDIDATE = "import numpy, scipy.optimize\n\ndef main(request):\n    return scipy.__version__\n"
ADAPTER = "import runpy\n\ndef main(path, request):\n    return runpy.run_path(path)['main'](request)\n"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    cpu_s: float
    mean_cpu_s: float
    wall_s: float
    runs: int


def main() -> None:
    """Measure every tier that works here and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "adapter").mkdir()
        (folder / "adapter" / "call.py").write_text(ADAPTER)
        job = Job(CANDIDATE, folder / "adapter", "call:main")
        rows = [row for tier in _tiers() for row in _measure_tier(tier, job, folder / "scratch", runs)]
        rows.append(_measure("no sandbox, new interpreter", _plain, max(3, runs // 4)))
    _print(rows, runs)


def _tiers() -> list[str]:
    return [report.name for report in describe_tiers() if report.works and report.name != "unsafe"]


def _measure_tier(tier: str, job: Job, scratch: Path, runs: int) -> list[Row]:
    cold = _measure(f"{tier}, cold start (zygote and first job)", lambda: _cold(tier, job, scratch), max(3, runs // 4))
    with open_sandbox(scratch, tier=tier) as sandbox:
        _run(sandbox, job)
        warm = _measure(f"{tier}, warm zygote", lambda: _run(sandbox, job), runs)
    return [warm, cold]


def _measure(what: str, work: Callable[[], object], runs: int) -> Row:
    """Medians over `runs`, and the mean of the CPU time, in which the ticks of single runs even out."""
    cpu_s, wall_s = [], []
    for _ in range(runs):
        cpu_before_s, wall_before_s = _cpu_s(), time.perf_counter()
        work()
        wall_s.append(time.perf_counter() - wall_before_s)
        cpu_s.append(_cpu_s() - cpu_before_s)
    return Row(what, statistics.median(cpu_s), statistics.fmean(cpu_s), statistics.median(wall_s), runs)


def _cpu_s() -> float:
    """CPU time of this process, its ended children, and its living descendants with their ended children.

    The accounts of other processes count in ticks of 10 ms; over a job they are off by a tick or two either way.
    """
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for pid in proctree.descendants(os.getpid()):
        fields = proctree.read_proc(f"/proc/{pid}/stat").rpartition(")")[2].split()
        total += sum(int(ticks) for ticks in fields[11:15]) / TICKS_PER_S
    return total


def _run(sandbox: Pool, job: Job) -> None:
    result = sandbox.run(job)
    if not isinstance(result, Finished):
        raise SystemExit(f"expected an answer, came {result}")


def _cold(tier: str, job: Job, scratch: Path) -> None:
    with open_sandbox(scratch, tier=tier) as sandbox:
        _run(sandbox, job)


def _plain() -> None:
    subprocess.run([sys.executable, "-c", CANDIDATE], check=True, env={"OMP_NUM_THREADS": "1"})


def _print(rows: list[Row], runs: int) -> None:
    print(f"python -m benchmarks.sandbox_start --runs {runs}")
    machine, python = os.uname(), sys.version.split()[0]
    print(f"{machine.machine}, {os.cpu_count()} processors, Linux {machine.release}, Python {python}")
    load = os.getloadavg()[0]
    print(f"load at the end {load:.1f} (wall time grows with it, CPU time hardly)\n")
    print("| medians | CPU s | mean CPU s | wall s | runs |\n|---|---:|---:|---:|---:|")
    for row in rows:
        print(f"| {row.what} | {row.cpu_s:.3f} | {row.mean_cpu_s:.3f} | {row.wall_s:.3f} | {row.runs} |")


if __name__ == "__main__":
    main()
