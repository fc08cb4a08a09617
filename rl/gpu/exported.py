"""What a training run leaves: weights or an adapter as safetensors, held against an exact list of names and sizes.

The list comes from the model's own configuration, built without memory (PyTorch's meta device); a tensor that the
configuration ties to another is not stored twice. Numbers are looked at too: all finite. Other files with tensors
(pickles above all) are refused. Headers are read here with numpy alone; only `expected` imports torch, transformers and
peft.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rl.weights import Unreadable

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
    header, start = _header(path)
    end = path.stat().st_size - start
    spans = []
    for name, entry in header.items():
        if name not in wanted:
            raise Unreadable(f"{path.name} holds {name[:80]!r}, which the model does not have")
        spans.append(_span(name, entry, wanted[name]))
    spans.sort()
    if [0, *(span[1] for span in spans)] != [*(span[0] for span in spans), end]:
        raise Unreadable(f"{path.name}: tensors overlap, leave gaps or do not fill the file")
    for begin, stop, kind in spans:
        _finite(path, start + begin, stop - begin, kind)
    return set(header)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(LONGEST_HEADER, path.stat().st_size - 8):
            raise Unreadable(f"{path.name} is not a safetensors file")
        try:
            header: dict[str, Any] = json.loads(file.read(size))
            header.pop("__metadata__", None)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise Unreadable(f"{path.name}: the header cannot be read") from None
    return header, 8 + size


def _span(name: str, entry: Any, shape: tuple[int, ...]) -> tuple[int, int, str]:
    try:
        kind, given, (begin, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise Unreadable(f"{name} has no type, size or place") from None
    if kind not in KINDS or given != shape or type(begin) is not int or type(stop) is not int:
        raise Unreadable(f"{name}: expected numbers of size {shape}, found {str(kind)[:20]} of size {given}")
    if begin < 0 or stop - begin != np.dtype(KINDS[kind][0]).itemsize * math.prod(shape):
        raise Unreadable(f"{name} lies outside the file or has the wrong size")
    return begin, stop, kind


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
