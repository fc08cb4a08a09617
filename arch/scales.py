"""The rungs on GPUs as data, and what each will take: parameters, FLOPs, GPU-hours. Settings and arithmetic only.

Layers, widths and tokens are the paper's (section 4.1) for 20M, 340M and 1.3B, and the 2,000 steps of the first; 130M
lies between. Heads, learning rates, sequence length, vocabulary and text are ours: the paper does not give them. The
model is arch/inside/mixers/trunk.py with an MLP of four times the width, so that the sizes come out as named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arch.language.suites import DEVELOPMENT, HELD_OUT, LOCAL, Suite

CHUNK = 64  # of the memories' core, arch/inside/mixers/chunked.py
MLP_RATIO = 4
ASSUMED_MFU = 0.4  # model FLOPs utilisation; assumed, not measured: printed with every forecast
PEAK_FLOPS = 989e12  # of one H100 or H200, bf16 without sparsity, from its data sheet
WALL_SHARE, LEAST_WALL_S = 2.0, 8 * 3600.0  # a run may take twice the forecast, or eight hours, before it is stopped
TOY_WALL_S = 600.0
JOB_WALL_S, JOBS = 1800.0, 4  # of a benchmark; how many jobs it takes follows from the suite, and four is a guess
HUB_TOKENIZER = "fla-hub/delta_net-1.3B-100B"  # a vocabulary of 32,000; any name or folder may take its place
DATA = "HuggingFaceFW/fineweb-edu"


@dataclass(frozen=True, slots=True)
class Scale:
    """One rung on GPUs. `gpus` 0 is for the toy: a CPU, float32, nothing compiled."""

    n_layers: int
    d_model: int
    n_heads: int
    steps: int
    sequences: int  # in one step, over all GPUs
    learning_rate: float
    gpus: int
    micro_batch: int  # sequences on one GPU at a time; the rest is accumulated
    suite: Suite
    length: int = 2048
    vocabulary: int = 32_000
    tokenizer: str = HUB_TOKENIZER
    dataset: str = DATA
    held_out_tokens: int = 262_144  # of the documents that the validation loss is measured on

    @property
    def head_dim(self) -> int:
        """Heads fill the width."""
        return self.d_model // self.n_heads

    @property
    def tokens(self) -> int:
        """In the whole run."""
        return self.steps * self.sequences * self.length

    @property
    def parameters(self) -> int:
        """With DeltaNet as the mixer (arch/reference/delta_net.py)."""
        d, inner = self.d_model, self.n_heads * self.head_dim
        mixer = 3 * d * inner + 12 * inner + (d + 1) * self.n_heads + self.head_dim + inner * d
        mlp = 2 * MLP_RATIO * d * d + (MLP_RATIO + 1) * d
        return 2 * self.vocabulary * d + d + self.n_layers * (mixer + mlp + 2 * d)

    @property
    def flops_per_token(self) -> float:
        """Forward and backward: six per parameter that multiplies, and about three times the chunked memory's own."""
        multiplying = self.parameters - self.vocabulary * self.d_model
        memory = self.n_heads * (8 * CHUNK * self.head_dim + 6 * self.head_dim**2)
        return 6.0 * multiplying + 3.0 * self.n_layers * memory

    def gpu_h(self, mfu: float = ASSUMED_MFU, peak_flops: float = PEAK_FLOPS) -> float:
        """GPU-hours of one training run."""
        return self.tokens * self.flops_per_token / (mfu * peak_flops) / 3600

    @property
    def wall_s(self) -> float:
        """The most that a training run may take. Nobody has measured how far a small model stays below the forecast."""
        if self.gpus == 0:
            return TOY_WALL_S
        return max(LEAST_WALL_S, WALL_SHARE * 3600 * self.gpu_h() / self.gpus)


EXPLORE_SUITE = Suite(DEVELOPMENT, limit=500, tokenizer=HUB_TOKENIZER, longest=2048)
VERIFY_SUITE = Suite(DEVELOPMENT, limit=None, tokenizer=HUB_TOKENIZER, longest=2048)
SCALE_SUITE = Suite((*DEVELOPMENT, *HELD_OUT), limit=None, tokenizer=HUB_TOKENIZER, longest=2048)
SCALES: Mapping[str, Scale] = {
    "explore-20m": Scale(8, 256, 4, 2_000, 256, 2e-3, 1, 32, EXPLORE_SUITE),
    "middle-130m": Scale(12, 768, 6, 2_000, 256, 1e-3, 1, 16, VERIFY_SUITE),
    "verify-340m": Scale(24, 1024, 8, 2_000, 256, 1e-3, 1, 8, VERIFY_SUITE),
    "scale-1300m": Scale(24, 2048, 16, 95_368, 512, 4e-4, 8, 8, SCALE_SUITE),
}
#: Any of these rungs under the option `tiny`: the whole way on a CPU in seconds; what it scores means nothing.
TOY = Scale(
    1, 32, 2, 4, 4, 2e-3, 0, 2, Suite(LOCAL, limit=10), 32, 256, "bytes", "", held_out_tokens=4_096
)  # fmt: skip


def forecast(name: str, scale: Scale, mfu: float = ASSUMED_MFU) -> str:
    """What one training run of a rung takes, in a line that says what is assumed."""
    return (
        f"{name}: {scale.parameters / 1e6:.0f}M parameters x {scale.tokens / 1e9:.2f}B tokens x "
        f"{scale.flops_per_token:.2e} FLOPs per token = {scale.tokens * scale.flops_per_token:.1e} FLOPs; "
        f"{scale.gpu_h(mfu):.3g} GPU-hours on {scale.gpus} GPU{'s' if scale.gpus > 1 else ''} for each design and seed "
        f"(assumed, not measured: MFU {mfu:.0%} of {PEAK_FLOPS / 1e12:.0f} TFLOP/s; benchmarks not counted)"
    )
