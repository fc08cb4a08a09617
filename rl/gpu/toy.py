"""A tiny model, its tokenizer and problems, made without a network: for --toy and tests. Its scores mean nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

LETTERS = " 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-*/=<>()[]{}^_.,:;?!'\"\\$|&%\n"
PROBLEMS = 64


def made(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """A model's folder and a file of problems. What is there stays."""
    model, problems = folder / "toy_model", folder / "toy_problems.jsonl"
    if not (model / "config.json").exists():
        tokenizer = _tokenizer()
        tokenizer.save_pretrained(model)
        _model(len(tokenizer), seed).save_pretrained(model)
    if not problems.exists():
        problems.write_text("".join(json.dumps(row) + "\n" for row in _problems(random.Random(seed))), encoding="utf-8")
    return model, problems


def low_digits(completions: list[str], **_: Any) -> list[float]:
    """A graded reward, so that every group of a model that knows nothing has something to learn from."""
    return [sum(letter in "01234" for letter in text) / max(1, len(text)) for text in completions]


def _problems(chance: random.Random) -> list[dict[str, str]]:
    pairs = [(chance.randrange(10), chance.randrange(10)) for _ in range(PROBLEMS)]
    return [{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a, b in pairs]


def _tokenizer() -> Any:
    """One token for each letter, and the special ones."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {name: place for place, name in enumerate(("<pad>", "<eos>", *LETTERS))}
    inner = Tokenizer(models.WordLevel(words, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left")


def _model(vocabulary: int, seed: int) -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=512, pad_token_id=0, eos_token_id=1,
        bos_token_id=None, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)
