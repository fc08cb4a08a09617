"""Trains a model with one loss on GPUs, by hand: writes run.json and starts rl/gpu/trainer.py with accelerate.

    python -m rl.train_gpu --campaign campaigns/rl-one-gpu.toml --program loss.py --out run --unsafe-no-sandbox
    python -m rl.train_gpu --toy --program loss.py --out run --unsafe-no-sandbox          (a CPU, half a minute)

The same command goes on where a run stopped. On several machines start it on each, with --machine-rank, --main-ip and
the same --out. Started like this the loss runs with your rights, though in a process that holds neither model nor
answers, and has to be asked for as such; in a campaign it runs in the sandbox (rl/gpu/rung.py). Trusted; no torch;
scores nothing (rl/benchmark.py does).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from rl import rules
from rl.gpu import needs
from rl.gpu.chosen import GpuOptions, Wrong, from_campaign
from rl.gpu.plan import Uneven, planned, written
from rl.scales import SCALES, Scale, forecast

ROOT = Path(__file__).parents[1]
CONFIGS = Path(__file__).parent / "configs"
TOY = replace(
    SCALES["one-gpu"], steps=3, prompts=4, group_size=4, longest=8, learning_rates=(1e-2,), micro_batch=8, lora_rank=0
)
BY_HAND = "by hand the loss runs without a sandbox, with your rights"
TOY_REWARDS = ("math", "rl.gpu.toy:low_digits")
KEPT = (
    "PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "CUDA_HOME", "CUDA_VISIBLE_DEVICES",
    "HF_HOME", "HF_HUB_OFFLINE", "NCCL_SOCKET_IFNAME",
)  # fmt: skip


def command(run_json: Path, scale: Scale, config: str, machine_rank: int = 0, main_ip: str = "") -> list[str]:
    """accelerate launch, with the rung's number of GPUs."""
    more = ["--num_processes", str(scale.gpus), "--num_machines", str(scale.machines)]
    if scale.machines > 1:
        more += ["--machine_rank", str(machine_rank), "--main_process_ip", main_ip, "--main_process_port", "29500"]
    more += ["--config_file", str(CONFIGS / f"{config}.yaml")]
    return [sys.executable, "-m", "accelerate.commands.launch", "--quiet", *more, "-m", "rl.gpu.trainer", str(run_json)]


def environment() -> dict[str, str]:
    """Nothing that could be a secret: a gated model or data set has to be in the cache before."""
    path = [str(ROOT), *(entry for entry in sys.path if entry and entry != str(ROOT))]
    return {"PYTHONPATH": os.pathsep.join(path), **{name: os.environ[name] for name in KEPT if name in os.environ}}


def main() -> None:
    """Print the forecast, then start or refuse in one line."""
    asked = _parser().parse_args()
    try:
        rung, options = from_campaign(asked.campaign) if asked.campaign else ("one-gpu", GpuOptions())
        sys.exit(_start(asked, rung, options))
    except (needs.Missing, Wrong, Uneven, OSError, KeyError) as error:
        sys.exit(f"train_gpu: {error}")


def _start(asked: argparse.Namespace, rung: str, options: GpuOptions) -> int | str:
    if not asked.toy and rung not in SCALES:
        return f"train_gpu: {rung} is no rung on GPUs: expected one of {', '.join(SCALES)}"
    scale = TOY if asked.toy else SCALES[rung]
    if not asked.toy:
        sys.stdout.write(forecast(rung, scale, rates=1) + "\n")
        sys.stdout.flush()
    if not asked.unsafe_no_sandbox:
        return f"train_gpu: {BY_HAND}; say --unsafe-no-sandbox, or start a campaign (nightshift run)"
    if issues := rules.issues(asked.program.read_text(encoding="utf-8")):
        return f"train_gpu: the program is refused ({issues[0].rule}): {issues[0].message}"
    if scale.machines > 1 and not asked.main_ip and not asked.write_only:
        return f"train_gpu: the rung needs {scale.machines} machines: start on each with --machine-rank and --main-ip"
    if asked.toy:
        options = _toy(asked.out)
    needs.refuse(scale, options, on_a_cpu=asked.toy, write_only=asked.write_only)
    asked.out.mkdir(parents=True, exist_ok=True)
    run_json = asked.out / "run.json"
    written(planned(scale, options, asked.program, asked.out, scale.gpus, asked.seed, asked.toy, asked.rate), run_json)
    if asked.write_only:
        return 0
    config = "cpu" if asked.toy else options.parallel_of(scale)
    start = command(run_json.resolve(), scale, config, asked.machine_rank, asked.main_ip)
    return subprocess.run(start, env=environment(), check=False).returncode


def _toy(out: Path) -> GpuOptions:
    """A model and problems that are made here."""
    from rl.gpu.toy import made

    model, problems = made(out)
    return GpuOptions(model=str(model), data=str(problems), rewards=TOY_REWARDS, vllm="off", parallel="none")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaign", type=Path, help="a campaign on a rung on GPUs, for its rung and [options.gpu]")
    parser.add_argument("--program", type=Path, required=True, help="a loss, e.g. rl/reference/grpo.py")
    parser.add_argument("--out", type=Path, required=True, help="a folder, on several machines a shared one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, help="a learning rate; left out: the first of the rung's")
    parser.add_argument("--machine-rank", type=int, default=0)
    parser.add_argument("--main-ip", default="", help="address of machine 0")
    parser.add_argument("--toy", action="store_true", help="a tiny model on a CPU")
    parser.add_argument("--write-only", action="store_true", help="write run.json and start nothing")
    parser.add_argument("--unsafe-no-sandbox", action="store_true")
    return parser


if __name__ == "__main__":
    main()
