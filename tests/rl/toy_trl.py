"""A tiny model, tokenizer and task on which TRL trains in seconds on a CPU, stock or through our hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    PrinterCallback,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)
from trl import GRPOConfig, GRPOTrainer

from rl.hooks import CandidateGRPOTrainer, Loss

NOT_COMPARED = ("time", "runtime", "per_second", "num_tokens")


def tokenizer() -> Any:
    """One token per digit, and the special ones."""
    words = {name: place for place, name in enumerate(("<pad>", "<eos>", *"0123456789"))}
    inner = Tokenizer(models.WordLevel(words, unk_token="0"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left")


def model(width: int = 16) -> Any:
    """Random weights, always the same."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=12, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=width // 2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1,
        bos_token_id=None,
    )  # fmt: skip
    return Qwen3ForCausalLM(config)


def mixture_of_experts() -> Any:
    """The same with routers, whose auxiliary loss TRL adds to any loss."""
    torch.manual_seed(0)
    made: Any = Qwen3MoeConfig  # its types do not name every argument
    config = made(
        vocab_size=12, hidden_size=16, intermediate_size=32, moe_intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, num_experts=4, num_experts_per_tok=2,
        decoder_sparse_step=1, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=None,
        router_aux_loss_coef=0.5,
    )  # fmt: skip
    return Qwen3MoeForCausalLM(config)


def reward(completions: list[str], **_: Any) -> list[float]:
    """Low digits are good; graded, so that every group has something to learn from."""
    return [sum(letter in "01234" for letter in text) / max(1, len(text)) for text in completions]


def trainer(folder: Path, loss: Loss | None, **settings: Any) -> Any:
    """TRL's trainer, or ours with a loss."""
    policy = settings.pop("policy", None) or model(settings.pop("width", 16))
    folder.mkdir(parents=True, exist_ok=True)
    if settings.get("beta"):  # the reference is read from disk
        policy.save_pretrained(folder / "base")
        policy.config._name_or_path = str(folder / "base")
    defaults: dict[str, Any] = {
        "per_device_train_batch_size": 8, "num_generations": 4, "num_iterations": 2, "max_completion_length": 6,
        "max_steps": 4, "learning_rate": 1e-2, "gradient_accumulation_steps": 1,
    }  # fmt: skip
    args = GRPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[], logging_steps=1,
        save_strategy="no", disable_tqdm=True, seed=3, **(defaults | settings),
    )  # fmt: skip
    data = Dataset.from_list([{"prompt": str(number)} for number in range(100, 164)])
    given = {"model": policy, "reward_funcs": reward, "args": args, "train_dataset": data}
    given["processing_class"] = tokenizer()
    made = GRPOTrainer(**given) if loss is None else CandidateGRPOTrainer(loss=loss, **given)
    made.remove_callback(PrinterCallback)
    return made


def history(folder: Path, loss: Loss | None, **settings: Any) -> list[dict[str, float]]:
    """What is logged at each step, without times."""
    made = trainer(folder, loss, **settings)
    made.train()
    return [
        {key: float(value) for key, value in entry.items() if not any(word in key for word in NOT_COMPARED)}
        for entry in made.state.log_history
        if "loss" in entry
    ]
