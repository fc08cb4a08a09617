"""The proxy's two model families as lists of named sizes: what a weights file may contain, and nothing else. Pure.

`qwen`: RMS norms, norms on queries and keys, rotary positions, gated MLP, a head of its own. `gpt`: layer norms with
bias, learned positions, a GELU MLP with biases, the embedding as head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Family = Literal["qwen", "gpt"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's sizes."""

    family: Family
    vocabulary: int
    places: int
    width: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int = 160

    @property
    def head_width(self) -> int:
        """Heads fill the width."""
        return self.width // self.heads

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's name and size, in the order in which they are stored."""
        d = self.width
        found: dict[str, tuple[int, ...]] = {"embedding": (self.vocabulary, d)}
        if self.family == "gpt":
            found["places"] = (self.places, d)
        for layer in range(self.layers):
            found |= {f"{layer}.{name}": size for name, size in self._layer().items()}
        found |= _norm("last", d, self.family)
        if self.family == "qwen":
            found["head"] = (self.vocabulary, d)
        return found

    def _layer(self) -> dict[str, tuple[int, ...]]:
        d, hidden = self.width, self.hidden
        found: dict[str, tuple[int, ...]] = {**_norm("before", d, self.family), "qkv": (3 * d, d), "out": (d, d)}
        found |= _norm("after", d, self.family)
        if self.family == "qwen":
            return found | {
                "q_norm": (self.head_width,),
                "k_norm": (self.head_width,),
                "up": (2 * hidden, d),
                "down": (d, hidden),
            }
        return found | {"up": (hidden, d), "up_bias": (hidden,), "down": (d, hidden), "down_bias": (d,)}

    @property
    def numbers(self) -> int:
        """How many parameters there are."""
        return sum(math.prod(size) for size in self.tensors().values())


def _norm(name: str, width: int, family: Family) -> dict[str, tuple[int, ...]]:
    return {name: (width,)} if family == "qwen" else {name: (width,), f"{name}_bias": (width,)}
