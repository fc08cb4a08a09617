"""Losses as candidates write them, by name: what TRL ships, RLOO, and the paper's Algorithms A and B in our reading.

Read as text; nothing here is imported or run outside the sandbox.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CONTROLS_FOLDER = HERE.parent / "controls"
SHIPPED = ("grpo", "grpo_kl", "dr_grpo", "dapo", "bnpo", "gspo", "luspo", "cispo", "sapo", "vespo")
OURS = ("rloo", "algorithm_a", "algorithm_b")
NAMES = (*SHIPPED, *OURS)
CONTROLS = ("no_op", "random_advantages", "sign_flipped")


@cache
def program(name: str) -> str:
    """The source of a reference or of a control. Raises FileNotFoundError."""
    folder = CONTROLS_FOLDER if name in CONTROLS else HERE
    return (folder / f"{name}.py").read_text(encoding="utf-8")
