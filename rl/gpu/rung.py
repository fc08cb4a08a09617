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
from typing import IO, Any
from urllib.parse import unquote, urlparse

from rl import train_gpu
from rl.exchange import INSIDE
from rl.gpu import needs
from rl.gpu.chosen import GpuOptions
from rl.gpu.plan import BLAME, CHOSEN, GIVEN_UP, planned, written
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

DONE, RESULTS, KL, OUTPUT = "done.json", "results.json", "kl.json", "output.txt"
PROGRAM, PLAN, LOG, WEIGHTS = "loss.py", "run.json", "log.jsonl", "weights"
Summary = dict[str, float]
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
        summaries = _every_rate(code, rung, seed, sandbox, folder)
        if isinstance(summaries, Failure):
            return summaries
        (folder / DONE).write_text(json.dumps(_kept(summaries, folder)), encoding="utf-8")
    summary = json.loads((folder / DONE).read_text(encoding="utf-8"))
    artefacts = tuple(Artefact(name, (folder / name).as_uri()) for name in (LOG, PLAN))
    return Trained(artefacts, summary, _tail(folder / LOG, 20), Cost(wall_s=summary["wall_s"]))


def _every_rate(code: str, rung: Rung, seed: int, sandbox: Sandbox, folder: Path) -> dict[str, Summary] | Failure:
    """A run at each learning rate, in a folder of its own; one that is given up at the first ends the candidate."""
    (folder / PROGRAM).write_text(code, encoding="utf-8")
    found: dict[str, Summary] = {}
    for rate in rung.options.rates_of(rung.scale):
        place = folder / f"rate-{rate:g}"
        place.mkdir(exist_ok=True)
        if not (place / DONE).exists():
            failure = None if (place / GIVEN_UP).exists() else _run(code, rung, rate, seed, sandbox, place)
            if failure is not None:
                return failure
            if not (place / GIVEN_UP).exists():
                (place / DONE).write_text(json.dumps(_summary(place)), encoding="utf-8")
            _without_checkpoints(place)
        if (place / DONE).exists():
            found[f"{rate:g}"] = json.loads((place / DONE).read_text(encoding="utf-8"))
        elif not found:
            return Failure(FailureKind.INVALID, _given_up(place, rung))
    return found


def _given_up(place: Path, rung: Rung) -> str:
    rewards = json.loads((place / GIVEN_UP).read_text(encoding="utf-8"))["rewards"]
    last = " ".join(f"{reward:.2f}" for reward in rewards)
    return (
        f"given up after {len(rewards)} of {rung.scale.steps} generations at the first learning rate: the mean reward "
        f"went {last}, to less than half of the base model's"
    )


def _kept(summaries: dict[str, Summary], folder: Path) -> dict[str, Any]:
    """The run that the choosing prompts prefer; the others' weights are removed, they may be tens of gigabytes."""
    best = (
        max(summaries, key=lambda rate: summaries[rate]["chosen_by"]) if len(summaries) > 1 else next(iter(summaries))
    )
    for rate in (rate for rate in summaries if rate != best):
        shutil.rmtree(folder / f"rate-{rate}" / WEIGHTS, ignore_errors=True)
    for name in (LOG, PLAN):
        shutil.copyfile(folder / f"rate-{best}" / name, folder / name)
    wall_s = sum(each["wall_s"] for each in summaries.values())
    weights = (folder / f"rate-{best}" / WEIGHTS).as_uri()
    return {**summaries[best], "wall_s": wall_s, "weights": weights, "learning_rate": float(best), "rates": summaries}


def _without_checkpoints(place: Path) -> None:
    for path in place.glob("checkpoint-*"):
        shutil.rmtree(path)


def measured(
    rung: Rung, seed: int, trained: Trained, workspace: Workspace, tier: str = "bubblewrap"
) -> Measurements | Failure:
    """The suite's shares of right answers, by a process of ours that checks the weights first.

    It opens a sandbox of its own for programs that the model writes, unconfined only where the campaign's `tier` is.
    """
    folder = _local(workspace)
    run = folder / f"rate-{trained.summary['learning_rate']:g}"
    how = ["--device", "cpu"] if rung.on_a_cpu else []
    small = ["--problems", "offline", "--samples", "1", "--longest", "8"] if rung.on_a_cpu else []
    engine = "transformers" if rung.options.vllm == "off" else "vllm"
    asked = ["--run", str(run), "--suite", rung.suite, "--engine", engine, "--seed", str(seed % 2**31), *how, *small]
    asked += ["--unsafe-no-sandbox"] if tier == "unsafe" else []
    found = _answered("rl.benchmark", asked, folder / RESULTS, rung)
    apart = _answered("rl.gpu.divergence", ["--run", str(run), "--seed", str(seed % 2**31), *how], folder / KL, rung)
    metrics = {f"{name}/right": float(each["value"]) for name, each in found.items()}
    metrics |= {name: float(trained.summary[name]) for name in ("early_reward", "final_reward", "learning_rate")}
    metrics |= {name: float(apart[name]) for name in ("kl_nats", "kl_nats_per_token")}
    metrics["accuracy"] = sum(each["value"] for each in found.values()) / len(found)
    breakdown = {"benchmarks": found, "distance_from_the_base": apart, "rates": trained.summary["rates"]}
    return Measurements(metrics, breakdown, trained.logs, trained.cost, trained.artefacts)


def _answered(module: str, asked: list[str], results: Path, rung: Rung) -> dict[str, Any]:
    """What a process of ours leaves; what is there is not made again. Raises TrainerFault."""
    if not results.exists():
        part = results.with_suffix(".part")
        with (results.parent / OUTPUT).open("wb") as output:
            started = _started([sys.executable, "-m", module, *asked, "--out", str(part)], output)
            _finished(started, rung.scale.benchmark_wall_s, results.parent)
        part.replace(results)
    content: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return content


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


def _run(code: str, rung: Rung, rate: float, seed: int, sandbox: Sandbox, folder: Path) -> Failure | None:
    """Trainer and candidate side by side; whichever ends first ends the other. None: weights, or it was given up."""
    program = folder.parent / PROGRAM
    (folder / BLAME).unlink(missing_ok=True)
    gpus = rung.scale.gpus
    is_bound = sandbox.tier == "bubblewrap"
    with (
        _pipes(gpus, is_bound=is_bound) as pipes,
        (folder / OUTPUT).open("wb") as output,
        ThreadPoolExecutor(1) as pool,
    ):
        plan = planned(rung.scale, rung.options, program, folder, gpus, seed % 2**31, rung.on_a_cpu, rate)
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


def _summary(folder: Path) -> Summary:
    """A run in a few numbers, from its log. `chosen_by`: the mean reward on prompts that it was not trained on."""
    records = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    rewards = [record["reward"] for record in records if "reward" in record]
    middle = max(1, len(rewards) // 2)
    memory = [record["memory_gb"] for record in records if record["memory_gb"] is not None]
    chosen = folder / CHOSEN
    return {
        "early_reward": sum(rewards[:middle]) / middle,
        "final_reward": rewards[-1],
        "tokens_per_s": records[-1]["tokens_per_s"],
        "wall_s": sum(record["step_time"] for record in records),
        **({"chosen_by": json.loads(chosen.read_text(encoding="utf-8"))["reward"]} if chosen.exists() else {}),
        **({"memory_gb": max(memory)} if memory else {}),
    }


def _tail(path: Path, lines: int) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])
