"""Starts a training run of a rung on GPUs by hand: writes run.json and calls arch/inside/scale_training.py.

    python -m arch.train_gpu --rung explore-20m --program mixer.py --shards shards --out run --unsafe-no-sandbox
    python -m arch.train_gpu --toy --program mixer.py --shards shards --out run --unsafe-no-sandbox     (a CPU, seconds)

The same command goes on where a run stopped. Several GPUs: torchrun on this machine; on several machines start torchrun
there with the run.json that --write-only leaves. The sandbox has no profile for GPUs yet, so the program runs with your
rights, and has to be asked for as such. Trusted; no torch; scores nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from arch import rules
from arch.exchange import INSIDE
from arch.scales import MLP_RATIO, NO_PROFILE, PEAK_FLOPS, SCALES, Scale, forecast
from cognition.records import JSON

SCRIPT = INSIDE / "scale_training.py"
TOY = replace(
    SCALES["explore-20m"],
    n_layers=1, d_model=32, n_heads=2, steps=4, sequences=4, micro_batch=2, length=32, vocabulary=256,
)  # fmt: skip
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
WARM_UP_SHARE = 0.02
CHECKPOINTS = 20  # in a whole run


def plan(scale: Scale, program: Path, shards: Path, folder: Path, toy: bool, until: int | None) -> dict[str, JSON]:
    """What run.json holds. Raises FileNotFoundError where there are no shards."""
    found = sorted(shards.glob("*.bin"))
    if not found:
        raise FileNotFoundError(f"no shards (*.bin) in {shards}; `python -m arch.shards` makes them")
    return {
        "shape": {
            "d_model": scale.d_model,
            "n_heads": scale.n_heads,
            "head_dim": scale.head_dim,
            "n_layers": scale.n_layers,
            "vocabulary": scale.vocabulary,
            "mlp_ratio": MLP_RATIO,
        },
        "program": str(program.resolve()),
        "shards": [str(path.resolve()) for path in found],
        "folder": str(folder.resolve()),
        "length": scale.length,
        "sequences": scale.sequences,
        "micro_batch": scale.micro_batch,
        "steps": scale.steps,
        "until": min(scale.steps, until or scale.steps),
        "learning_rate": scale.learning_rate,
        "warm_up": max(1, round(WARM_UP_SHARE * scale.steps)),
        "decay": 0.1,
        "seed": 0,
        "precision": "no" if toy else "bf16",
        "compiled": not toy,
        "backend": "torch",
        "device": "cpu" if toy else "cuda",
        "checkpoint_every": max(1, scale.steps // CHECKPOINTS),
        "flops_per_token": scale.flops_per_token,
        "peak_flops": PEAK_FLOPS,
    }


def command(run_json: Path, gpus: int) -> list[str]:
    """One process for each GPU."""
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}"] if gpus > 1 else []
    return [sys.executable, *several, str(SCRIPT), str(run_json)]


def environment() -> dict[str, str]:
    """Nothing that could be a secret."""
    return {"PYTHONPATH": str(INSIDE), **{name: os.environ[name] for name in KEPT if name in os.environ}}


def main() -> None:
    """Print the forecast, then start or refuse in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", choices=list(SCALES), default="explore-20m")
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpus", type=int, help="as the rung says, unless given")
    parser.add_argument("--backend", choices=["torch", "fla", "ours"], default="torch")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", type=int, help="stop after this step")
    parser.add_argument("--toy", action="store_true", help="a tiny model on a CPU")
    parser.add_argument("--write-only", action="store_true", help="write run.json and start nothing")
    parser.add_argument("--unsafe-no-sandbox", action="store_true")
    asked = parser.parse_args()
    scale = TOY if asked.toy else SCALES[asked.rung]
    if not asked.toy:
        sys.stdout.write(forecast(asked.rung, scale) + "\n")
        sys.stdout.flush()
    if not asked.unsafe_no_sandbox:
        sys.exit(f"train_gpu: {NO_PROFILE}; with --unsafe-no-sandbox the program runs with your rights")
    try:
        if issues := rules.issues(asked.program.read_text(encoding="utf-8")):
            sys.exit(f"train_gpu: the program is refused ({issues[0].rule}): {issues[0].message}")
        asked.out.mkdir(parents=True, exist_ok=True)
        planned = plan(scale, asked.program, asked.shards, asked.out, asked.toy, asked.until)
    except OSError as error:
        sys.exit(f"train_gpu: {error}")
    planned |= {"backend": asked.backend, "seed": asked.seed}
    planned["compiled"] = bool(planned["compiled"]) and not asked.no_compile
    run_json = asked.out / "run.json"
    run_json.write_text(json.dumps(planned, indent=1))
    if not asked.write_only:
        gpus = 1 if asked.toy else asked.gpus or scale.gpus
        sys.exit(subprocess.run(command(run_json, gpus), env=environment(), check=False).returncode)


if __name__ == "__main__":
    main()
