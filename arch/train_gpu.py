"""Starts a training run of a rung on GPUs by hand: writes run.json and calls arch/inside/scale_training.py.

    python -m arch.train_gpu --rung explore-20m --program mixer.py --shards shards --out run --unsafe-no-sandbox
    python -m arch.train_gpu --toy --program mixer.py --shards shards --out run --unsafe-no-sandbox     (a CPU, seconds)

The same command goes on where a run stopped. Several GPUs: torchrun on this machine; on several machines start torchrun
there with the run.json that --write-only leaves. Campaigns train in the sandbox; here the program runs with your
rights, and that has to be asked for. Trusted; no torch; scores nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from arch import rules
from arch.exchange import INSIDE
from arch.scale_plan import plan as plan  # tests and `curate rungs` have it from here
from arch.scales import SCALES, forecast
from arch.scales import TOY as TOY

SCRIPT = INSIDE / "scale_training.py"
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")


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
        sys.exit(
            "train_gpu: by hand the program runs with your rights: ask for it with --unsafe-no-sandbox "
            "(`nightshift run campaigns/arch-explore.toml` trains in the sandbox)"
        )
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
