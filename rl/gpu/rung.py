"""A rung on GPUs as steps of a round: the candidate in the sandbox, the trainer outside, named pipes between them.

A loss needs no GPU: it is asked for numbers about log-probabilities. So the sandbox holds the
candidate alone, without a GPU, and the trainer (ours, with TRL, on as many GPUs as the rung says) asks it through pipes
that are bound read-only into its file tree. A retried step finds the checkpoints in its workspace. Needs bubblewrap:
Landlock lets no candidate write to a pipe that it did not open. Trusted; no torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlparse

from rl import train_gpu
from rl.exchange import INSIDE
from rl.gpu import needs
from rl.gpu.chosen import GpuOptions
from rl.gpu.plan import BLAME, planned, written
from rl.language.suites import SUITES
from rl.scales import Scale
from tasks.contract import (
    Artefact,
    Cost,
    Failure,
    FailureKind,
    Finished,
    Job,
    Limits,
    MachineFault,
    Measurements,
    Sandbox,
    Trained,
    Workspace,
)

DONE, RESULTS, OUTPUT = "done.json", "results.json", "output.txt"
PROGRAM, PLAN, LOG = "loss.py", "run.json", "log.jsonl"
LOADING_S = 3600.0  # models and data sets are loaded, weights are written
POLL_S = 0.2
ENDING_S = 120.0


class Unfit(MachineFault):
    """This sandbox or store cannot serve a rung on GPUs; the message says why."""

    may_pass = False


class TrainerFault(MachineFault):
    """The trainer ended, and the candidate is not to blame; the message is its last line."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung with what the user chose. `on_a_cpu`: at toy size, for tests."""

    scale: Scale
    options: GpuOptions
    on_a_cpu: bool = False

    @property
    def suite(self) -> str:
        """The name of its benchmarks."""
        return next(name for name, suite in SUITES.items() if suite == self.scale.suite)

    @property
    def config(self) -> str:
        """accelerate's configuration."""
        return "cpu" if self.on_a_cpu else self.options.parallel_of(self.scale)


def refuse(rung: Rung) -> None:
    """Raises Missing or Unfit in one line where a campaign cannot be started here."""
    if rung.scale.machines > 1:
        raise Unfit("a rung on several machines is started by hand on each: python -m rl.train_gpu")
    needs.refuse(rung.scale, rung.options, rung.on_a_cpu)


def trained(code: str, rung: Rung, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
    """From the last checkpoint in the workspace to the end; what has ended is not trained again.

    Weights stay in the workspace and are no artefact: they may be tens of gigabytes. `summary` says where.
    """
    folder = _local(workspace)
    _only_of(code, folder)
    if not (folder / DONE).exists():
        refuse(rung)
        if sandbox.tier not in ("bubblewrap", "unsafe"):
            raise Unfit(
                f"the rungs on GPUs need the sandbox's tier bubblewrap, found {sandbox.tier}: install bubblewrap"
            )
        failure = _run(code, rung, seed, sandbox, folder)
        if failure is not None:
            return failure
        (folder / DONE).write_text(json.dumps(_summary(folder)), encoding="utf-8")
    summary = json.loads((folder / DONE).read_text(encoding="utf-8"))
    artefacts = tuple(Artefact(name, (folder / name).as_uri()) for name in (LOG, PLAN))
    return Trained(artefacts, summary, _tail(folder / LOG, 20), Cost(wall_s=summary["wall_s"]))


def measured(
    rung: Rung, seed: int, trained: Trained, workspace: Workspace, tier: str = "bubblewrap"
) -> Measurements | Failure:
    """The suite's shares of right answers, by a process of ours that checks the weights first.

    It opens a sandbox of its own for programs that the model writes, unconfined only where the campaign's `tier` is.
    """
    folder = _local(workspace)
    results = folder / RESULTS
    if not results.exists():
        part = folder / f"{RESULTS}.part"
        how = ["--device", "cpu", "--problems", "offline", "--samples", "1", "--longest", "8"] if rung.on_a_cpu else []
        engine = "transformers" if rung.options.vllm == "off" else "vllm"
        asked = ["--run", str(folder), "--suite", rung.suite, "--engine", engine, "--seed", str(seed % 2**31), *how]
        asked += ["--unsafe-no-sandbox"] if tier == "unsafe" else []
        command = [sys.executable, "-m", "rl.benchmark", *asked, "--out", str(part)]
        with (folder / OUTPUT).open("wb") as output:
            _finished(_started(command, output), rung.scale.benchmark_wall_s, folder)
        part.replace(results)
    found = json.loads(results.read_text(encoding="utf-8"))
    metrics = {f"{name}/right": float(each["value"]) for name, each in found.items()}
    metrics |= {name: float(trained.summary[name]) for name in ("early_reward", "final_reward")}
    metrics["accuracy"] = sum(each["value"] for each in found.values()) / len(found)
    return Measurements(metrics, {"benchmarks": found}, trained.logs, trained.cost, trained.artefacts)


def _local(workspace: Workspace) -> Path:
    parsed = urlparse(workspace.uri)
    if parsed.scheme != "file":
        raise Unfit(
            f"the rungs on GPUs keep checkpoints in a local folder, found {parsed.scheme}: unset NIGHTSHIFT_ARTEFACTS"
        )
    folder = Path(unquote(parsed.path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _only_of(code: str, folder: Path) -> None:
    """Empty the folder if another program trained there: a repaired one does not go on where the broken one was."""
    program = folder / PROGRAM
    if program.exists() and program.read_text(encoding="utf-8") != code:
        shutil.rmtree(folder)
        folder.mkdir()


def _run(code: str, rung: Rung, seed: int, sandbox: Sandbox, folder: Path) -> Failure | None:
    """Trainer and candidate side by side; whichever ends first ends the other. None: the weights are there."""
    program = folder / PROGRAM
    program.write_text(code, encoding="utf-8")
    (folder / BLAME).unlink(missing_ok=True)
    gpus = rung.scale.gpus
    is_bound = sandbox.tier == "bubblewrap"
    with (
        _pipes(gpus, is_bound=is_bound) as pipes,
        (folder / OUTPUT).open("wb") as output,
        ThreadPoolExecutor(1) as pool,
    ):
        plan = planned(rung.scale, rung.options, program, folder, gpus, seed % 2**31, rung.on_a_cpu)
        written(dataclasses.replace(plan, pipes=str(pipes)), folder / PLAN)
        served = pool.submit(sandbox.run, _job(code, rung, pipes))
        command = train_gpu.command(folder / PLAN, rung.scale, rung.config)
        trainer = _started(command, output)
        try:
            return _ended(trainer, served, rung, folder)
        finally:
            _kill(trainer)
            _release(pipes, served)


def _job(code: str, rung: Rung, pipes: Path) -> Job:
    wall_s = rung.scale.wall_s + 2 * LOADING_S  # the trainer is ended before; each answer's CPU time is limited
    limits = Limits(cpu_s=wall_s, wall_s=wall_s, memory_mb=4096, processes=32)
    request = {"folder": str(pipes), "count": rung.scale.gpus}
    return Job(code, INSIDE, "adapter:serve", request, limits, profile="cpu-train", data=(pipes,))


def _ended(
    trainer: subprocess.Popen[bytes], served: Future[Finished | Failure], rung: Rung, folder: Path
) -> Failure | None:
    """Wait for the trainer. A candidate that failed in the sandbox ends it."""
    deadline = time.monotonic() + rung.scale.wall_s + LOADING_S
    while trainer.poll() is None:
        if served.done() and isinstance(found := served.result(), Failure):  # raises the sandbox's own faults
            return found
        if time.monotonic() > deadline:
            raise TrainerFault(f"the trainer took more than {rung.scale.wall_s + LOADING_S:.0f} s")
        time.sleep(POLL_S)
    if (folder / BLAME).exists():
        return _blamed((folder / BLAME).read_text(encoding="utf-8"), served)
    if trainer.returncode != 0:
        raise TrainerFault(f"the trainer ended with code {trainer.returncode}: {_tail(folder / OUTPUT, 1)[:400]}")
    return None


def _blamed(why: str, served: Future[Finished | Failure]) -> Failure:
    """What the sandbox says of the candidate's end, or else what it answered."""
    try:
        found = served.result(timeout=ENDING_S)
    except TimeoutError:
        found = Finished(None)
    if isinstance(found, Failure):
        return found
    is_crash = why.startswith(("advantages: ", "loss: "))  # it raised; else it answered with what is no gradient
    return Failure(FailureKind.CRASH if is_crash else FailureKind.INVALID, why[:1000])


def _finished(process: subprocess.Popen[bytes], wall_s: float, folder: Path) -> None:
    """Wait for a process of ours. Raises TrainerFault."""
    try:
        code = process.wait(timeout=wall_s)
    except subprocess.TimeoutExpired:
        raise TrainerFault(f"the benchmarks took more than {wall_s:.0f} s") from None
    finally:
        _kill(process)
    if code != 0:
        raise TrainerFault(f"the benchmarks ended with code {code}: {_tail(folder / OUTPUT, 1)[:400]}")


@contextmanager
def _pipes(count: int, *, is_bound: bool) -> Iterator[Path]:
    """A folder of named pipes that the candidate's user may open, in one that only we may enter.

    `is_bound`: the sandbox binds the inner one. Others of this machine could else read what the candidate is asked, and
    answer in its place.
    """
    outer = Path(tempfile.mkdtemp(prefix="nightshift-pipes-"))
    folder = outer / "pipes"
    try:
        outer.chmod(0o700 if is_bound else 0o755)
        folder.mkdir()
        folder.chmod(0o755)
        for name in (f"{kind}-{rank}" for kind in ("ask", "answer") for rank in range(count)):
            os.mkfifo(folder / name)
            (folder / name).chmod(0o666)
        yield folder
    finally:
        shutil.rmtree(outer)


def _release(pipes: Path, served: Future[Finished | Failure]) -> None:
    """Open and close the other ends until the candidate's side has seen that nobody asks any more."""
    while not served.done():
        held = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in pipes.iterdir()]
        time.sleep(POLL_S)
        for descriptor in held:
            os.close(descriptor)
        time.sleep(POLL_S)


def _started(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a process group of its own, with nothing of our environment that could be a secret."""
    return subprocess.Popen(
        command, env=train_gpu.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True,
    )  # fmt: skip


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _summary(folder: Path) -> dict[str, float | str]:
    """A run in a few numbers, from its log."""
    records = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    rewards = [record["reward"] for record in records if "reward" in record]
    middle = max(1, len(rewards) // 2)
    memory = [record["memory_gb"] for record in records if record["memory_gb"] is not None]
    return {
        "early_reward": sum(rewards[:middle]) / middle,
        "final_reward": rewards[-1],
        "tokens_per_s": records[-1]["tokens_per_s"],
        "wall_s": sum(record["step_time"] for record in records),
        **({"memory_gb": max(memory)} if memory else {}),
        "weights": (folder / "weights").as_uri(),
    }


def _tail(path: Path, lines: int) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])
