"""Train on a rung on GPUs: the job, what it leaves in its work folder, and what of that is kept. Trusted; no torch.

The work folder is `run` in the step's workspace: a retried step finds the newest checkpoints there and goes on. What a
job leaves in it is checked by arch/scale_leftovers.py before it is believed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from arch import scale_leftovers, scale_plan
from arch.exchange import INSIDE, WEIGHTS
from arch.scale_leftovers import BYTES_PER_NUMBER, LOG, MOST_LOG_BYTES, largest
from arch.scales import Scale
from arch.weights import Unreadable
from tasks.contract import (
    Artefact,
    Cost,
    Failure,
    FailureKind,
    Finished,
    Job,
    Limits,
    MachineFault,
    Sandbox,
    Trained,
    Workspace,
)

RUN, DONE = "run", "trained.json"
HOST_MB_PER_GPU = 32_768
TOY_CPU_S = 120.0
STATES = 3  # a checkpoint has the weights and two moments of each
SPARE_MB = 64


class NotLocal(MachineFault):
    """The workspace is in a store that a job cannot write to."""

    may_pass = False


class NoCuda(MachineFault):
    """torch does not find the job's GPUs; no candidate was in that job."""

    may_pass = False


def folder(workspace: Workspace) -> Path:
    """The workspace as a folder. Raises NotLocal."""
    parsed = urlparse(workspace.uri)
    if parsed.scheme != "file":
        raise NotLocal(f"the rungs on GPUs write checkpoints to a folder, and the artefacts are at {parsed.scheme}://")
    return Path(unquote(parsed.path))


def trained(
    code: str, scale: Scale, seed: int, shards: Sequence[Path], sandbox: Sandbox, workspace: Workspace
) -> Trained | Failure:
    """Weights and log of a whole run, in the workspace; a former try's if it got to the end."""
    place = folder(workspace)
    if workspace.exists(DONE):
        return _stored(json.loads(workspace.read(DONE)), workspace)
    run = place / RUN
    run.mkdir(parents=True, exist_ok=True)
    done = sandbox.run(_job(code, scale, seed, shards, run))
    if isinstance(done, Failure):
        if scale.gpus:
            require_cuda(scale.gpus, sandbox)
        return done
    return _judged(done, scale, run, place, workspace)


def _job(code: str, scale: Scale, seed: int, shards: Sequence[Path], run: Path) -> Job:
    plan = scale_plan.of_files(scale, shards, run, toy=scale.gpus == 0) | {"seed": seed}
    return Job(
        code,
        INSIDE,
        "scale:train",
        {"plan": plan, "processes": scale.gpus},
        _limits(scale),
        "gpu-train" if scale.gpus else "cpu-train",
        tuple(shards),
        scale.gpus,
        run,
        loopback=scale.gpus > 1,
    )


def _limits(scale: Scale) -> Limits:
    """Of one run. Three checkpoints lie in the folder while the oldest is replaced, and the weights at the end."""
    checkpoint_mb = math.ceil(STATES * BYTES_PER_NUMBER * largest(scale) / 2**20)
    work_mb = 4 * checkpoint_mb + MOST_LOG_BYTES // 2**20 + SPARE_MB
    if scale.gpus == 0:
        return Limits(TOY_CPU_S, scale.wall_s, memory_mb=2048, processes=32, disk_mb=64, work_mb=work_mb)
    processors = 16 * scale.gpus
    memory_mb = HOST_MB_PER_GPU * scale.gpus
    return Limits(
        scale.wall_s * processors, scale.wall_s, memory_mb, 4096, disk_mb=8192, output_kb=4096, work_mb=work_mb
    )


def require_cuda(gpus: int, sandbox: Sandbox) -> None:
    """After a failure: does torch find the GPUs, in a job without a candidate? Raises NoCuda."""
    limits = Limits(cpu_s=120.0, wall_s=300.0, memory_mb=16_384, processes=1024, disk_mb=64)
    seen = sandbox.run(Job("", INSIDE, "scale:cuda", {}, limits, "gpu-train", gpus=gpus))
    if isinstance(seen, Failure):
        raise NoCuda(f"CUDA does not work inside the sandbox, without a candidate in it: {seen.reason}")
    if seen.answer != {"gpus": gpus}:
        raise NoCuda(f"torch finds {seen.answer} inside the sandbox, and the job holds {gpus} GPUs")


def _judged(done: Finished, scale: Scale, run: Path, place: Path, workspace: Workspace) -> Trained | Failure:
    answer = done.answer
    if not isinstance(answer, dict) or set(answer) != {"ended", "said"}:
        return Failure(FailureKind.INVALID, "training did not say how it ended")
    if answer["ended"] == "diverged":
        return Failure(FailureKind.INVALID, str(answer["said"])[:300])
    try:
        log = scale_leftovers.read_plain(run / LOG, MOST_LOG_BYTES)
        records = scale_leftovers.records(log, scale)
        scale_leftovers.keep_weights(run / WEIGHTS, place / WEIGHTS, scale)
    except (Unreadable, ValueError) as error:
        return Failure(FailureKind.INVALID, f"what training left cannot be used: {error}")
    gpu_s = scale.gpus * done.cost.wall_s
    cost = Cost(done.cost.cpu_s, done.cost.wall_s, gpu_s, done.cost.peak_memory_mb)
    workspace.write(LOG, log)
    stored = {
        "metrics": scale_leftovers.metrics(records),
        "losses": [records[at]["loss"] for at in _places(len(records))],
        "cost": [cost.cpu_s, cost.wall_s, cost.gpu_s, cost.peak_memory_mb],
    }
    workspace.write(DONE, json.dumps(stored).encode())
    scale_leftovers.remove_checkpoints(run)
    return _stored(stored, workspace)


def _stored(stored: dict[str, Any], workspace: Workspace) -> Trained:
    artefacts = tuple(Artefact(name, f"{workspace.uri}/{name}") for name in (WEIGHTS, LOG))
    losses = " ".join(f"{loss:.3f}" for loss in stored["losses"])
    claims = ", ".join(f"{name} {value:.4g}" for name, value in stored["metrics"].items())
    return Trained(artefacts, {"metrics": stored["metrics"]}, f"loss {losses}\n{claims}", Cost(*stored["cost"]))


def _places(count: int) -> list[int]:
    """Some nine steps of the run, the first and the last among them."""
    return sorted({*range(0, count, max(1, count // 8)), count - 1})
