"""A training run of a rung on GPUs as data: run.json, which train_gpu.py writes and trainer.py reads. No torch."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rl.gpu.chosen import GpuOptions
from rl.rules import uses_reference
from rl.scales import CHOOSING, ITERATIONS, Scale

CHECKPOINTS = 15  # in a whole run
GIVEN_UP, CHOSEN = "given_up.json", "choosing.json"  # left in the folder: an early end, and the reward that chooses
BLAME = "candidate_is_wrong.txt"  # left in the folder: accelerate's launcher does not hand on an exit status
BETA = 0.04  # for losses that ask for a reference, as on the CPU proxy


class Uneven(ValueError):
    """The completions of a generation cannot be divided evenly; the message says how many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Steps and checkpoints are counted in generations."""

    model: str
    program: str
    uses_reference: bool
    data: str
    split: str
    prompt_column: str
    answer_column: str
    rewards: tuple[str, ...]
    reward_weights: tuple[float, ...]
    folder: str
    generations: int
    iterations: int
    group_size: int
    micro_batch: int
    accumulated: int  # micro-batches of one process in an optimiser step: a whole generation
    longest: int
    learning_rate: float
    lora_rank: int
    vllm: Literal["colocate", "server", "off"]
    vllm_url: str
    tensor_parallel: int
    seed: int
    device: Literal["cuda", "cpu"]
    checkpoint_every: int
    choosing: int = 0  # prompts that are not trained on; the mean reward there chooses the learning rate
    abort_at: int = 0  # generations; 0: never
    pipes: str = ""  # a folder of named pipes to the candidate in the sandbox; "": it runs beside the trainer


def planned(
    scale: Scale,
    options: GpuOptions,
    program: Path,
    folder: Path,
    gpus: int,
    seed: int,
    on_a_cpu: bool,
    rate: float | None = None,
) -> Plan:
    """From a rung and what the user chose. Raises Uneven, or OSError where there is no program.

    `rate` is one of several learning rates; None: the only one, or by hand, the first, and nothing is chosen.
    """
    rates = options.rates_of(scale)
    completions, at_once = scale.prompts * scale.group_size, scale.micro_batch * gpus
    if completions % at_once:
        raise Uneven(
            f"{completions} completions of a generation cannot be divided over {gpus} x {scale.micro_batch} at a time"
        )
    return Plan(
        model=_resolved(options.model or scale.model),
        program=str(program.resolve()),
        uses_reference=uses_reference(program.read_text(encoding="utf-8")),
        data=_resolved(options.data or scale.data),
        split=options.split or scale.split,
        prompt_column=options.prompt_column or scale.prompt_column,
        answer_column=options.answer_column or scale.answer_column,
        rewards=tuple(_resolved_reward(name) for name in options.rewards),
        reward_weights=options.reward_weights or (1.0,) * len(options.rewards),
        folder=str(folder.resolve()),
        generations=scale.steps,
        iterations=ITERATIONS,
        group_size=scale.group_size,
        micro_batch=scale.micro_batch,
        accumulated=completions // at_once,
        longest=scale.longest,
        learning_rate=rates[0] if rate is None else rate,
        lora_rank=scale.lora_rank,
        vllm=options.vllm,
        vllm_url=options.vllm_url,
        tensor_parallel=scale.tensor_parallel,
        seed=seed,
        device="cpu" if on_a_cpu else "cuda",
        checkpoint_every=math.ceil(scale.steps / CHECKPOINTS),
        choosing=CHOOSING if rate is not None and len(rates) > 1 else 0,
        abort_at=scale.abort_at,
    )


def written(plan: Plan, path: Path) -> None:
    """As JSON."""
    path.write_text(json.dumps(dataclasses.asdict(plan), indent=1), encoding="utf-8")


def read(path: Path) -> Plan:
    """The plan of a run.json."""
    values = json.loads(path.read_text(encoding="utf-8"))
    rewards, weights = tuple(values.pop("rewards")), tuple(values.pop("reward_weights"))
    return Plan(rewards=rewards, reward_weights=weights, **values)


def _resolved(name: str) -> str:
    """A path that is here, as an absolute one; a name on the hub as it is."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def _resolved_reward(name: str) -> str:
    path, colon, function = name.rpartition(":")
    return f"{_resolved(path)}{colon}{function}" if path.endswith(".py") else name
