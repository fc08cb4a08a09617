"""The reference mixers as programs, written as a candidate would write them. They are read as text, never imported.

`delta_net` is the seed program. `softmax_rope` is a yardstick: quadratic, so it would not pass as a candidate.
"""

from __future__ import annotations

from pathlib import Path

LINEAR = ("linear_attention", "mamba2", "delta_net", "gated_delta_net", "kimi_delta")
YARDSTICK = "softmax_rope"
NAMES = (*LINEAR, YARDSTICK)


def program(name: str) -> str:
    """The source of a reference mixer. Raises FileNotFoundError."""
    return (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
