"""The rungs on GPUs as data, and what each will take. Settings and arithmetic only.

Model sizes, steps and numbers of benchmarks of explore and verify are the paper's (section 4.3: 4B, 150 steps, 6 maths
benchmarks; 14B, 300 steps in the text, 250 in Table 3, wider benchmarks), as is the data set (Skywork OR1). A step is a
generation here, with two passes over its completions, as on the CPU proxy: at one the ratio would always be 1. Batches,
lengths, learning rates and the rungs for one GPU are ours: the paper does not give them. Nothing here was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rl.language.suites import FEW, MATHS, WIDER, Benchmark

ASSUMED_MFU = 0.35  # of training; assumed, not measured: printed with every forecast
ASSUMED_TOKENS_S = 20_000.0  # sampled by one GPU with vLLM for a model of a billion parameters; assumed, not measured
PEAK_FLOPS = 989e12  # of one H100 or H200, bf16 without sparsity, from its data sheet
ABORT_SHARE = 0.2  # of a run; a loss that halved the mean reward by then is given up
CHOOSING = 64  # prompts that choose the learning rate, and that the distance from the base is measured on
WALL_SHARE = 2.0  # a run may take twice the forecast before it is stopped
ITERATIONS = 2  # passes over a generation's completions
SKYWORK = "Skywork/Skywork-OR1-RL-Data"
Parallel = Literal["none", "fsdp", "deepspeed"]


@dataclass(frozen=True, slots=True)
class Scale:
    """One rung on GPUs."""

    model: str
    billions: float  # parameters
    steps: int  # generations
    prompts: int  # in one generation, over all GPUs
    group_size: int
    tokens: int  # of a completion, on average; assumed
    longest: int
    learning_rates: tuple[float, ...]  # the first is tried first; a run that is given up there ends the candidate
    gpus: int
    suite: tuple[Benchmark, ...]
    micro_batch: int  # completions on one GPU at a time; the rest is accumulated
    lora_rank: int = 0  # 0: all parameters
    parallel: Parallel = "none"  # an accelerate configuration (rl/configs), not code
    data: str = ""  # "": the user's own
    split: str = "train"
    prompt_column: str = "prompt"
    answer_column: str = "answer"  # a dot leads into a record
    machines: int = 1
    tensor_parallel: int = 1  # GPUs that share one copy of the model in vLLM

    @property
    def sampled(self) -> int:
        """Completion tokens in the whole run."""
        return self.steps * self.prompts * self.group_size * self.tokens

    @property
    def abort_at(self) -> int:
        """The generation after which a run may be given up; 0: it is too short for that."""
        return math.ceil(ABORT_SHARE * self.steps) if self.steps >= 20 else 0

    def gpu_h(self) -> float:
        """GPU-hours of one run at one learning rate: sampling, the old policy's forward, and every pass both ways."""
        sampling_s = self.sampled * self.billions / ASSUMED_TOKENS_S
        one_pass = 6.0 if self.lora_rank == 0 else 4.0  # FLOPs a token and parameter; frozen ones get no gradient
        flops = self.sampled * self.billions * 1e9 * (2.0 + ITERATIONS * one_pass)
        return (sampling_s + flops / (ASSUMED_MFU * PEAK_FLOPS)) / 3600

    @property
    def wall_s(self) -> float:
        """The most that a training run at one learning rate may take."""
        return WALL_SHARE * 3600 * self.gpu_h() / self.gpus

    @property
    def benchmark_wall_s(self) -> float:
        """The most that its benchmarks may take."""
        return 4 * 3600.0


def _one_gpu(model: str, billions: float, micro_batch: int) -> Scale:
    rates = (1e-5, 3e-6, 3e-5)
    return Scale(model, billions, 150, 16, 8, 600, 2048, rates, 1, FEW, micro_batch, lora_rank=32)


def _skywork(
    model: str, billions: float, steps: int, prompts: int, tokens: int, longest: int, gpus: int,
    suite: tuple[Benchmark, ...], micro_batch: int, parallel: Parallel, tensor_parallel: int = 1,
    rates: tuple[float, ...] = (1e-6,),
) -> Scale:  # fmt: skip
    return Scale(
        model, billions, steps, prompts, 8, tokens, longest, rates, gpus, suite, micro_batch, parallel=parallel,
        data=SKYWORK, split="math", answer_column="reward_model.ground_truth", machines=max(1, gpus // 8),
        tensor_parallel=tensor_parallel,
    )  # fmt: skip


SCALES: Mapping[str, Scale] = {
    "one-gpu": _one_gpu("Qwen/Qwen3-0.6B", 0.6, 16),
    "one-gpu-1700m": _one_gpu("Qwen/Qwen3-1.7B", 1.7, 8),
    "explore-4b": _skywork(
        "Qwen/Qwen3-4B-Base", 4.0, 150, 64, 1200, 4096, 8, MATHS, 4, "fsdp", rates=(1e-6, 5e-7, 2e-6)
    ),
    "verify-14b": _skywork("Qwen/Qwen3-14B-Base", 14.0, 300, 128, 1500, 8192, 16, WIDER, 2, "deepspeed", 2),
}


def forecast(name: str, scale: Scale, rates: int | None = None) -> str:
    """What a loss takes at one seed, at every learning rate, in a line that says what is assumed.

    `rates` is how many the user chose; None: the rung's own.
    """
    count = len(scale.learning_rates) if rates is None else rates
    times = f" at each of {count} learning rates, {count * scale.gpu_h():.3g} in all," if count > 1 else ""
    return (
        f"{name}: {scale.model}, {scale.steps} steps x {scale.prompts} prompts x {scale.group_size} completions x "
        f"{scale.tokens} tokens = {scale.sampled / 1e6:.0f}M tokens; {scale.gpu_h():.3g} GPU-hours on {scale.gpus} "
        f"GPU{'s' if scale.gpus > 1 else ''}{times} for each loss and seed (assumed, not measured: "
        f"MFU {ASSUMED_MFU:.0%}; a GPU samples {ASSUMED_TOKENS_S / scale.billions:.0f} tokens a second)"
    )
