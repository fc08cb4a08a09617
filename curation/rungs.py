"""The rungs above the laptop as data: a model of fixed design is trained on each strategy's output, with equal tokens.

`proxy` is ours: a small transformer on one GPU, asked for knowledge by lm-eval. `paper` has the paper's sizes (section
4.2): 3B parameters, 500B tokens, 18 benchmarks. The paper names three of the 18 (MMLU, CommonsenseQA, MedQA); the
others are our choice of lm-eval's tasks that need no generated text. Neither rung was ever run: their figures are not
measured. Settings only; nothing of arch is imported here, since domains do not know each other. flows/curate_rungs.py
hands these to arch's trainer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Task = tuple[str, str]  # lm-eval's name, and the metric that is taken

NAMED_IN_THE_PAPER: tuple[Task, ...] = (("mmlu", "acc"), ("commonsense_qa", "acc"), ("medqa_4options", "acc_norm"))
KNOWLEDGE: tuple[Task, ...] = (
    *NAMED_IN_THE_PAPER,
    ("arc_easy", "acc"),
    ("arc_challenge", "acc_norm"),
    ("sciq", "acc"),
    ("openbookqa", "acc_norm"),
    ("medmcqa", "acc"),
)
EIGHTEEN: tuple[Task, ...] = (
    *KNOWLEDGE,
    ("pubmedqa", "acc"),
    ("hellaswag", "acc_norm"),
    ("piqa", "acc"),
    ("winogrande", "acc"),
    ("social_iqa", "acc"),
    ("boolq", "acc"),
    ("race", "acc"),
    ("logiqa", "acc_norm"),
    ("mathqa", "acc_norm"),
    ("lambada_openai", "acc"),
)


@dataclass(frozen=True, slots=True)
class Rung:
    """One model size with its budget of tokens, the same for every strategy."""

    n_layers: int
    d_model: int
    n_heads: int
    steps: int
    sequences: int  # in one step, over all GPUs
    length: int  # tokens of a sequence
    learning_rate: float
    gpus: int
    micro_batch: int
    tasks: tuple[Task, ...]
    vocabulary: int = 32_000
    seeds: int = 1

    @property
    def tokens(self) -> int:
        """In one training run."""
        return self.steps * self.sequences * self.length


RUNGS: Mapping[str, Rung] = {
    # 12 layers of 768 (as arch's middle rung), 2.1B tokens: some 20 tokens for each parameter outside the embedding.
    "proxy": Rung(12, 768, 12, 4_000, 256, 2048, 1e-3, 1, 16, KNOWLEDGE, seeds=3),
    "paper": Rung(32, 2560, 20, 119_210, 1024, 4096, 3e-4, 64, 4, EIGHTEEN),
}
TOY = Rung(1, 32, 2, 6, 4, 32, 1e-2, 1, 2, (), vocabulary=256)
