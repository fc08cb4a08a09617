"""What `nightshift curate apply` costs beside a plain loop. Run from the repository's root:

    python -m benchmarks.curation_throughput --mb 40            # throughput per core, CPU time of 2 processes, memory
    python -m benchmarks.curation_throughput --mb 40 --memory 10 100 1000

Input is made here from the development corpus. The plain loop reads the same files, calls the same cleaner in its own
process, without any sandbox, and writes the same rows. CPU time counts every process below (the benchmark makes itself
the reaper of orphans). Memory is the resident set of the whole tree, shared pages counted once per process, so it is an
upper bound.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson
import psutil

from curation import references
from curation.corpus import build

PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.1


@dataclass(frozen=True)
class Run:
    """One run of a command and everything below it."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=40.0, help="size of the input for throughput")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--strategy", default="sensible", help="a reference's name")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", type=float, nargs="*", default=[], help="sizes in MB of single-file inputs")
    parser.add_argument("--loop", nargs=2, metavar=("IN", "OUT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.loop:
        plain_loop(asked.strategy, Path(asked.loop[0]), Path(asked.loop[1]))
        return
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="nightshift-throughput-") as folder:
        throughput(asked.strategy, asked.mb, asked.files, asked.repeats, Path(folder))
        for mb in asked.memory:
            memory(asked.strategy, mb, Path(folder))
    print(f"load at the end: {os.getloadavg()[0]:.1f}")


def throughput(strategy: str, mb: float, files: int, repeats: int, folder: Path) -> None:
    """Documents per CPU second of loop and apply, and what two processes cost."""
    source = folder / "in"
    documents = make(source, mb, files)
    print(f"{documents} documents, {mb:g} MB in {files} files, strategy {strategy}; best of {repeats}")
    best: dict[str, Run] = {}
    for _ in range(repeats):
        for name, command in commands(strategy, source, folder).items():
            shutil.rmtree(folder / "out", ignore_errors=True)
            run = measured(command)
            if name not in best or run.cpu_s < best[name].cpu_s:
                best[name] = run
    for name, run in best.items():
        speed = documents / run.cpu_s
        print(f"  {name:20} {run.cpu_s:7.2f} CPU-s {run.wall_s:7.2f} s wall {speed:7.0f} documents per CPU-s")
    print(f"  apply / plain loop: {best['plain loop'].cpu_s / best['apply, 1 process'].cpu_s:.2f} x per core")
    print(f"  2 processes / 1:    {best['apply, 2 processes'].cpu_s / best['apply, 1 process'].cpu_s:.2f} x CPU time")


def memory(strategy: str, mb: float, folder: Path) -> None:
    """Peak memory over one file of that size."""
    source = folder / f"memory-{mb:g}"
    make(source, mb, 1)
    shutil.rmtree(folder / "out", ignore_errors=True)
    run = measured(commands(strategy, source, folder)["apply, 1 process"])
    shutil.rmtree(source)
    print(f"  one file of {mb:6g} MB: peak {run.peak_mb:6.0f} MB, {run.cpu_s:7.1f} CPU-s")


def commands(strategy: str, source: Path, folder: Path) -> dict[str, list[str]]:
    """What is compared."""
    out = str(folder / "out")
    program = str(Path(references.__file__).parent / f"{strategy}.py")
    apply = [sys.executable, "-m", "flows.cli", "curate", "apply", "--json", "--strategy", program, "--in", str(source)]
    loop = [sys.executable, "-m", "benchmarks.curation_throughput", "--strategy", strategy, "--loop", str(source), out]
    return {
        "plain loop": loop,
        "apply, 1 process": [*apply, "--out", out],
        "apply, 2 processes": [*apply, "--out", out, "--workers", "2"],
    }


def plain_loop(strategy: str, source: Path, target: Path) -> None:
    """Read, clean, write: the least that has to be done."""
    namespace: dict[str, object] = {}
    exec(compile(references.code(strategy), strategy, "exec"), namespace)
    clean = namespace["clean"]
    assert callable(clean)
    target.mkdir(parents=True)
    for path in sorted(source.glob("*.jsonl")):
        with path.open("rb") as rows, (target / path.name).open("wb") as out:
            for line in rows:
                row = orjson.loads(line)
                text = clean(row["text"], row)
                if text:
                    row["text"] = text
                    out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def make(folder: Path, mb: float, files: int) -> int:
    """Files of documents of the development corpus, in random order, until the size is reached."""
    folder.mkdir(parents=True)
    texts = [document.text for document in build.development(500, 0).documents]
    rng, count = Random(0), 0
    for number in range(files):
        size = 0
        with (folder / f"part-{number:03d}.jsonl").open("wb") as out:
            while size < mb * 2**20 / files:
                row = {"id": f"{number}-{count}", "text": rng.choice(texts), "url": "https://example.org/page"}
                size += out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                count += 1
    return count


def measured(command: list[str]) -> Run:
    """Run to the end, all orphans included."""
    before, started_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        peak_mb = 0.0
        while process.poll() is None:
            peak_mb = max(peak_mb, tree_mb(process.pid))
            time.sleep(POLL_S)
        wall_s = time.monotonic() - started_s
        reap()
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(cpu_s, wall_s, peak_mb)


def tree_mb(pid: int) -> float:
    """Resident memory of a process and everything below it."""
    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def reap() -> None:
    """Wait for orphans that became ours."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
