"""What a training run leaves: weights or an adapter as safetensors, held against an exact list of names and sizes.

The list comes from the model's own configuration, built without memory (PyTorch's meta device); a tensor that the
configuration ties to another is not stored twice. Numbers are looked at too: all finite. Other files with tensors
(pickles above all) are refused. Headers are read by tasks/weights_file.py; only `expected` imports torch, transformers
and peft.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.weights_file import Unreadable, mapped, stored

LONGEST_HEADER = 16 << 20
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".npz", ".ckpt")
#: How a number is stored, the bytes of one, and the bits of its exponent: all set means infinite or no number.
KINDS = {"F32": ("<u4", 0x7F800000), "BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00)}
PIECE = 1 << 24  # numbers that are looked at in one go


def cleared(folder: Path) -> None:
    """Remove the pickles that TRL writes beside weights."""
    for path in folder.iterdir():
        if path.suffix in PICKLES:
            path.unlink()


def check(folder: Path, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Every wanted tensor once, finite, and nothing else. Raises Unreadable."""
    if odd := sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES):
        raise Unreadable(f"{odd[0]} is a pickle: only safetensors are read")
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name in _checked(path, wanted):
            if name in found:
                raise Unreadable(f"{name} is in {found[name].name} and in {path.name}")
            found[name] = path
    if missing := sorted(set(wanted) - set(found)):
        raise Unreadable(f"{len(missing)} tensors are missing, e.g. {missing[0]}")


def _checked(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> set[str]:
    try:
        with mapped(path) as content:
            found = stored(content, LONGEST_HEADER)
    except Unreadable as error:
        raise Unreadable(f"{path.name}: {error}") from None
    for name, entry in found.items():
        if name not in wanted:
            raise Unreadable(f"{path.name} holds {name[:80]!r}, which the model does not have")
        if entry.dtype not in KINDS or entry.shape != wanted[name]:
            said = f"{name}: expected numbers of size {wanted[name]}, found {entry.dtype} of size {entry.shape}"
            raise Unreadable(said)
    for entry in found.values():
        _finite(path, entry.start, entry.end - entry.start, entry.dtype)
    return set(found)


def _finite(path: Path, begin: int, size: int, kind: str) -> None:
    stored, exponent = KINDS[kind]
    width = np.dtype(stored).itemsize
    numbers = np.memmap(path, dtype=stored, mode="r", offset=begin, shape=(size // width,))
    for at in range(0, len(numbers), PIECE):
        if ((numbers[at : at + PIECE] & exponent) == exponent).any():
            raise Unreadable(f"{path.name} holds numbers that are not finite")


def expected(model: str, lora_rank: int) -> dict[str, tuple[int, ...]]:
    """Names and sizes of what a run of this model leaves: all weights, or with a rank the adapter's."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        automatic: Any = AutoModelForCausalLM
        made = automatic.from_config(AutoConfig.from_pretrained(model))
    made.tie_weights()
    if lora_rank:
        from peft import get_peft_model, get_peft_model_state_dict

        from rl.gpu.trainer import adapter

        tensors = get_peft_model_state_dict(get_peft_model(made, adapter(lora_rank)))
    else:
        tensors, seen = {}, set[int]()
        for name, value in made.named_parameters(remove_duplicate=False):
            if id(value) not in seen:
                tensors[name] = value
            seen.add(id(value))
        kept = made.state_dict()
        tensors |= {name: value for name, value in made.named_buffers() if name in kept}
    return {name: tuple(value.shape) for name, value in tensors.items()}
