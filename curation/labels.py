"""The labels that documents are sorted by (paper, section 4.2): category and quality."""

from __future__ import annotations

from typing import Literal, get_args

Category = Literal["mathematics", "computer_science", "medicine", "other_stem"]
Quality = Literal["high", "low"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
QUALITIES: tuple[Quality, ...] = get_args(Quality)
