"""Trains a base model by supervised imitation of a mixture of behaviours and writes its weights. Trusted; no candidate.

    python make_base.py '{"shape": {...}, "seed": 1, "steps": 1500, "batch": 64, "rate": 0.003}' base.safetensors

Run as a script with this folder on the path (rl/base.py does). One thread: the same machine and versions give the same
bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import policy
import sorting
import torch
import training
from safetensors.torch import save
from shape import Shape


def mixture(rng: np.random.Generator, batch: int) -> tuple[sorting.Tokens, sorting.Tokens]:
    """Prompts (N, P) and completions (N, T), each by a behaviour of its own."""
    lists = sorting.draw(rng, batch, "train")
    chosen = rng.choice(list(sorting.BEHAVIOURS), size=batch, p=list(sorting.BEHAVIOURS.values()))
    answers = [sorting.behave(digits, str(name)) for digits, name in zip(lists, chosen, strict=True)]
    return sorting.prompts(lists), sorting.completions(answers)


def main() -> None:
    """Train and write."""
    torch.set_num_threads(1)
    given = json.loads(sys.argv[1])
    shape = Shape(**given.pop("shape"))
    flat_W = training.imitated(shape, **given, draw=mixture)
    weights = {name: value.clone() for name, value in policy.unflattened(flat_W, shape).items()}
    Path(sys.argv[2]).write_bytes(save(weights))


if __name__ == "__main__":
    main()
