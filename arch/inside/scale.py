"""What the sandbox calls on the rungs on GPUs: `train` runs scale_training.py, `cuda` says whether torch finds them.

Checkpoints, log.jsonl and at last weights.safetensors go into the work folder that the plan names. On a GPU the trainer
is a program of its own, started by torchrun where there are several; on a CPU it runs in this process. Judges nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

DIVERGED = 3  # the trainer's exit code for a loss that is not a number
PORT = 29500  # on the loopback device of a network that holds this job alone


def train(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Train to the end, from the newest checkpoint on. Says what happened; everything else is in the work folder."""
    plan = {**request["plan"], "program": candidate_path}
    return _in_this_process(plan) if request["processes"] == 0 else _in_others(plan, request["processes"])


def cuda(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """How many GPUs torch can compute on. No candidate is loaded, so this answer is no claim."""
    import torch

    for number in range(torch.cuda.device_count()):
        torch.ones(2, device=f"cuda:{number}").sum().item()
    return {"gpus": torch.cuda.device_count()}


def _in_this_process(plan: dict[str, Any]) -> dict[str, Any]:
    import scale_training
    import torch

    torch.set_num_threads(1)
    try:
        scale_training.train(scale_training.plan_of(plan))
    except scale_training.Diverged as error:
        return {"ended": "diverged", "said": str(error)}
    return {"ended": "done", "said": ""}


def _in_others(plan: dict[str, Any], processes: int) -> dict[str, Any]:
    """The end of what they wrote to stderr goes with an error, all of it to this job's."""
    run_json = Path(os.environ["TMPDIR"], "run.json")
    run_json.write_text(json.dumps(plan))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        command(run_json, processes), env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    sys.stderr.write(done.stderr[-20_000:])
    if done.returncode == DIVERGED or re.search(rf"exitcode\s*: {DIVERGED}\b", done.stderr):  # torchrun's own is 1
        return {"ended": "diverged", "said": "the training loss is not a number"}
    if done.returncode != 0:
        raise RuntimeError(f"the trainer ended with code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return {"ended": "done", "said": ""}


def command(run_json: Path, processes: int) -> list[str]:
    """One process for each GPU. Nothing here can look up a name, so every address is a number."""
    run = [sys.executable, "-s", "-P", "-B"]
    if processes > 1:
        run += ["-m", "torch.distributed.run", "--nnodes=1", f"--nproc_per_node={processes}", "--rdzv_backend=static"]
        run += ["--master_addr=127.0.0.1", f"--master_port={PORT}", "--local_addr=127.0.0.1"]
    return [*run, str(Path(__file__).with_name("scale_training.py")), str(run_json)]
