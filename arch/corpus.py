"""Real English text that every machine has: the documentation topics in Python's standard library.

Repeated paragraphs are dropped, and what is left is split once into training and held-out passages. The floor is a
trusted reference for the alarm on an implausibly low loss: half the bits per byte that lzma needs for the held-out
text when it has already seen the training text.

Limits: a few hundred kilobytes, another text for each Python version, and the sandbox can read Python's library: a
candidate that found a way past the static rules could look the held-out text up. The alarm is for that.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from functools import cache

PASSAGE = 24  # paragraphs that stay together
HELD_OUT_SHARE = 8  # one passage in eight
FLOOR_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Corpus:
    """Text to train on, text to judge by, and a bound on how well that can be done."""

    train: bytes
    held_out: bytes
    lzma_bits_per_byte: float

    @property
    def floor_bits_per_byte(self) -> float:
        """Below this nothing that learned from `train` alone can honestly get."""
        return FLOOR_SHARE * self.lzma_bits_per_byte


@cache
def corpus() -> Corpus:
    """The text of this Python. Deterministic."""
    from pydoc_data.topics import topics  # 0.5 MB, and wanted by this function only

    text = "\n\n".join(topics[name] for name in sorted(topics))
    paragraphs = list(dict.fromkeys(text.encode("ascii", "replace").split(b"\n\n")))  # topics repeat each other
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for start in range(0, len(paragraphs), PASSAGE):
        is_held_out = start // PASSAGE % HELD_OUT_SHARE == HELD_OUT_SHARE - 1
        parts[is_held_out].extend(paragraphs[start : start + PASSAGE])
    train, held_out = (b"\n\n".join(part) for part in parts)
    extra = len(lzma.compress(train + held_out)) - len(lzma.compress(train))
    return Corpus(train, held_out, 8.0 * extra / len(held_out))
