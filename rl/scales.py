"""The rungs on GPUs as data, and what each will take. Settings and arithmetic only; refused here in one line.

Model sizes, steps and benchmarks of explore and verify are the paper's (section 4.3: 4B, 150 steps, 6 maths benchmarks;
14B, 300 steps in the text, 250 in Table 3, wider benchmarks). Batches, lengths and learning rates are ours: the paper
does not give them. Nothing of this has been measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ASSUMED_MFU = 0.35  # of training; assumed, not measured: printed with every forecast
ASSUMED_TOKENS_S = 20_000.0  # sampled by one GPU with vLLM for a model of a billion parameters; assumed, not measured
PEAK_FLOPS = 989e12  # of one H100 or H200, bf16 without sparsity, from its data sheet
WALL_SHARE = 2.0  # a run may take twice the forecast before it is stopped
NO_PROFILE = "the sandbox has no profile gpu-train yet, so no candidate can be trained on a GPU inside it"
MATHS = ("math500", "aime24", "aime25", "amc", "olympiadbench", "minerva_math500")
WIDER = (*MATHS, "mmlu_pro", "gpqa_diamond", "finance", "humaneval")


@dataclass(frozen=True, slots=True)
class Scale:
    """One rung on GPUs."""

    model: str
    billions: float  # parameters
    steps: int
    prompts: int  # in one generation, over all GPUs
    group_size: int
    tokens: int  # of a completion, on average; assumed
    longest: int
    learning_rate: float
    gpus: int
    suite: tuple[str, ...]
    lora_rank: int = 0  # 0: all parameters
    engine: str = "vllm"
    parallel: str = "none"  # none, fsdp or deepspeed: an accelerate configuration, not code
    samples: int = 16  # of each AIME problem, averaged

    @property
    def sampled(self) -> int:
        """Completion tokens in the whole run."""
        return self.steps * self.prompts * self.group_size * self.tokens

    def gpu_h(self) -> float:
        """GPU-hours of one training run: sampling, then forward and backward (and the old policy's forward)."""
        sampling_s = self.sampled * self.billions / ASSUMED_TOKENS_S
        flops = self.sampled * self.billions * 1e9 * (8.0 if self.lora_rank == 0 else 6.0)
        return (sampling_s + flops / (ASSUMED_MFU * PEAK_FLOPS)) / 3600

    @property
    def wall_s(self) -> float:
        """The most that a training run may take."""
        return WALL_SHARE * 3600 * self.gpu_h() / self.gpus

    @property
    def benchmark_wall_s(self) -> float:
        """The most that its benchmarks may take."""
        return 4 * 3600.0


SCALES: Mapping[str, Scale] = {
    "one-gpu": Scale("Qwen/Qwen3-0.6B", 0.6, 150, 16, 8, 600, 2048, 1e-5, 1, ("math500",), lora_rank=32),
    "one-gpu-1700m": Scale("Qwen/Qwen3-1.7B", 1.7, 150, 16, 8, 600, 2048, 1e-5, 1, ("math500",), lora_rank=32),
    "explore-4b": Scale("Qwen/Qwen3-4B-Base", 4.0, 150, 64, 8, 1200, 4096, 1e-6, 8, MATHS, parallel="fsdp"),
    "verify-14b": Scale("Qwen/Qwen3-14B-Base", 14.0, 300, 128, 8, 1500, 8192, 1e-6, 16, WIDER, parallel="deepspeed"),
}


def forecast(name: str, scale: Scale) -> str:
    """What one training run of a rung takes, in a line that says what is assumed."""
    return (
        f"{name}: {scale.model}, {scale.steps} steps x {scale.prompts} prompts x {scale.group_size} completions x "
        f"{scale.tokens} tokens = {scale.sampled / 1e6:.0f}M tokens; {scale.gpu_h():.3g} GPU-hours on {scale.gpus} "
        f"GPU{'s' if scale.gpus > 1 else ''} for each loss, learning rate and seed (assumed, not measured: "
        f"MFU {ASSUMED_MFU:.0%}; a GPU samples {ASSUMED_TOKENS_S / scale.billions:.0f} tokens a second)"
    )
