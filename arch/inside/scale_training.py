"""Trains a language model around the candidate's mixer on token shards: one process for each GPU, or one on a CPU.

    python arch/inside/scale_training.py run.json            (several: accelerate launch --num_processes 8 ... run.json)

with arch/inside on the path, since it imports the candidate. It scores nothing. bf16, torch.compile, accumulation of
gradients, checkpoints as safetensors. Which text a step sees depends on the seed and the step alone, so a run that was
interrupted goes on from its last checkpoint as if nothing had happened. arch/train_gpu.py writes run.json and starts
it by hand, and arch/inside/scale.py inside a campaign. Run on CPUs at toy size only so far: no GPU was at hand.

Shapes: B sequences, T time, V vocabulary.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from adapter import mixer_class
from mixers.backends import BackendUnavailable
from mixers.memory import use
from mixers.trunk import Shape, Trunk
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

LEAST_RATE = 0.1  # of the highest learning rate, at the end
MEAN, SQUARE = "mean.", "square."  # the optimiser's state in a checkpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `steps` sets the schedule; `until` may end it earlier."""

    shape: Shape
    program: str
    shards: tuple[str, ...]
    folder: str
    length: int
    sequences: int
    micro_batch: int
    steps: int
    until: int
    learning_rate: float
    warm_up: int
    decay: float
    seed: int
    precision: Literal["bf16", "no"]
    compiled: bool
    backend: Literal["torch", "fla", "ours"]
    device: Literal["cuda", "cpu"]
    checkpoint_every: int
    flops_per_token: float
    peak_flops: float


class Diverged(ValueError):
    """The training loss is not a number."""


class Text:
    """Windows of token shards, drawn by seed and step."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.shards = [np.memmap(path, dtype="<u4", mode="r") for path in plan.shards]
        self.starts = np.cumsum([0, *(max(0, len(shard) - plan.length) for shard in self.shards)])
        if self.starts[-1] == 0:
            raise ValueError(f"no shard holds {plan.length + 1} tokens")

    def step(self, step: int) -> Tensor:
        """All sequences of a step, (B, T + 1)."""
        rng = np.random.default_rng([self.plan.seed, step])
        drawn = rng.integers(self.starts[-1], size=self.plan.sequences)
        where = np.searchsorted(self.starts, drawn, side="right") - 1
        rows = [
            self.shards[shard][at - self.starts[shard] : at - self.starts[shard] + self.plan.length + 1]
            for shard, at in zip(where, drawn, strict=True)
        ]
        return torch.from_numpy(np.stack(rows).astype(np.int64))


def rate(plan: Plan, step: int) -> float:
    """Warm-up, then a cosine."""
    if step < plan.warm_up:
        return plan.learning_rate * (step + 1) / plan.warm_up
    done = (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)
    return plan.learning_rate * (LEAST_RATE + (1.0 - LEAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * done)))


class Checkpoints:
    """Weights and the optimiser's state in one safetensors file per checkpoint; the newest two are kept."""

    def __init__(self, folder: Path, model: nn.Module, optimiser: torch.optim.AdamW) -> None:
        self.folder, self.model, self.optimiser = folder, model, optimiser

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.safetensors"))

    def save(self, step: int) -> None:
        """After `step` steps. Complete or not there."""
        tensors = {name: value.detach().contiguous() for name, value in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            state = self.optimiser.state[parameter]
            tensors |= {MEAN + name: state["exp_avg"], SQUARE + name: state["exp_avg_sq"]}
        path = self.folder / f"checkpoint-{step:08d}.safetensors"
        unfinished = path.with_suffix(".part")
        save_file(tensors, unfinished, {"step": str(step)})
        unfinished.replace(path)
        for old in self._files()[:-2]:
            old.unlink()

    def restore(self) -> int:
        """Load the newest one that can be read; how many steps it has, 0 if there is none."""
        for path in reversed(self._files()):
            try:
                return self._restored(load_file(path), int(path.stem.partition("-")[2]))
            except SafetensorError:  # the machine went down before the disk had all of it
                sys.stderr.write(f"{path.name} cannot be read\n")
        return 0

    def _restored(self, tensors: dict[str, Tensor], step: int) -> int:
        names = set(self.model.state_dict())
        self.model.load_state_dict({name: value for name, value in tensors.items() if name in names})
        for name, parameter in self.model.named_parameters():
            self.optimiser.state[parameter] = {
                "step": torch.tensor(float(step)),
                "exp_avg": tensors[MEAN + name].to(parameter.device),
                "exp_avg_sq": tensors[SQUARE + name].to(parameter.device),
            }
        return step


def train(plan: Plan) -> list[dict[str, Any]]:
    """Run from the newest checkpoint to `until`; one record for each step that was run here. Raises Diverged."""
    from accelerate import Accelerator

    use(plan.backend)
    torch.manual_seed(plan.seed)
    accelerator = Accelerator(mixed_precision=plan.precision, cpu=plan.device == "cpu")
    model = Trunk(mixer_class(plan.program), plan.shape).to(accelerator.device)
    optimiser = torch.optim.AdamW(model.parameters(), plan.learning_rate, (0.9, 0.95), weight_decay=plan.decay)
    checkpoints = Checkpoints(Path(plan.folder), model, optimiser)
    first = checkpoints.restore()
    runner = accelerator.prepare(Loss(torch.compile(model) if plan.compiled else model))
    text, records, log = Text(plan), [], Path(plan.folder) / "log.jsonl"
    if accelerator.is_main_process:
        _keep(log, first)
    for step in range(first, plan.until):
        began = time.perf_counter()
        torch.manual_seed(plan.seed * 1_000_003 + step)  # a candidate may draw numbers; a resumed run draws the same
        for group in optimiser.param_groups:
            group["lr"] = rate(plan, step)
        loss = _step(plan, text.step(step), runner, optimiser, accelerator, step)
        records.append(_record(plan, step, loss, time.perf_counter() - began, accelerator))
        if accelerator.is_main_process:
            _append(log, records[-1])
            if (step + 1) % plan.checkpoint_every == 0 or step + 1 == plan.until:
                checkpoints.save(step + 1)
    if accelerator.is_main_process and plan.until == plan.steps:
        weights = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
        save_file(weights, Path(plan.folder) / "weights.safetensors")
    accelerator.wait_for_everyone()
    return records


class Loss(nn.Module):
    """The mean loss of next-token prediction on sequences (B, T + 1), computed inside what accelerate wraps."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows_BT: Tensor) -> Tensor:
        """A scalar, float32."""
        hidden_BTD = self.model(rows_BT[:, :-1])
        logits: Tensor = self.model.head(hidden_BTD)
        return nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows_BT[:, 1:].flatten())


def _step(plan: Plan, rows_BT: Tensor, runner: Any, optimiser: Any, accelerator: Any, step: int) -> float:
    """One update from all sequences: each process takes its share, in micro-batches. The mean loss of all processes."""
    world, rank = accelerator.num_processes, accelerator.process_index
    mine = rows_BT[rank::world].to(accelerator.device)
    parts = torch.split(mine, plan.micro_batch)
    total = torch.zeros((), device=accelerator.device)
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        with contextlib.nullcontext() if last else accelerator.no_sync(runner):
            loss = runner(part) * (len(part) / len(mine))
            accelerator.backward(loss)
        total += loss.detach()
    mean = float(accelerator.reduce(total, "mean"))
    if not math.isfinite(mean):
        raise Diverged(f"the training loss is not a number at step {step}")
    accelerator.clip_grad_norm_(runner.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return mean


def _record(plan: Plan, step: int, loss: float, took_s: float, accelerator: Any) -> dict[str, Any]:
    """Speed, memory and utilisation of a step; what cannot be known without CUDA is None."""
    per_s = plan.sequences * plan.length / took_s
    cuda = plan.device == "cuda"
    return {
        "step": step,
        "loss": loss,
        "learning_rate": rate(plan, step),
        "tokens_per_s": per_s,
        "mfu": per_s * plan.flops_per_token / (plan.peak_flops * accelerator.num_processes) if cuda else None,
        "memory_gb": torch.cuda.max_memory_allocated() / 2**30 if cuda else None,
    }


def _append(path: Path, record: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")


def _keep(path: Path, first: int) -> None:
    """Drop the records of steps that will be run again: those after the checkpoint."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:first]), encoding="utf-8")


def read(path: Path) -> Plan:
    """The plan of a run.json."""
    return plan_of(json.loads(path.read_text()))


def plan_of(content: dict[str, Any]) -> Plan:
    """The plan that arch/plans.py has written."""
    values = dict(content)
    shape, shards = Shape(**values.pop("shape")), tuple(values.pop("shards"))
    return Plan(shape=shape, shards=shards, **values)


def main() -> None:
    """Run, or end with one line: 3 for a loss that is not a number."""
    plan = read(Path(sys.argv[1]))
    if plan.device == "cuda" and not torch.cuda.is_available():
        sys.exit("scale_training: no CUDA device was found; --toy runs on a CPU")
    if plan.device == "cpu":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        train(plan)
    except BackendUnavailable as error:
        sys.exit(f"scale_training: {error}")
    except Diverged as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)


if __name__ == "__main__":
    main()
