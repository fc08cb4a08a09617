"""What every block may use: patterns of code, and small measures of a line."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated

__all__ = ["Annotated", "Callable", "Counter", "Keep", "bare", "function_share", "html", "re", "word_count"]

Keep = Callable[[str], bool]  # whether a line must stay, whatever other rules say of it

WORDS = """
the of to and in a is that for it as be this with are by on not or if from which can an at has have was were will
"""
FUNCTION_WORDS = frozenset(WORDS.split())


def bare(line: str) -> str:
    """The line with its white space normalised."""
    return " ".join(line.split())


def word_count(line: str) -> int:
    """Words of at least one letter."""
    return len(re.findall(r"[A-Za-z][\w'-]*", line))


def function_share(line: str) -> float:
    """The share of words that only hold sentences together: about 0.4 in prose, near 0 in menus and lists."""
    words = re.findall(r"[a-z']+", line.lower())
    return sum(word in FUNCTION_WORDS for word in words) / len(words) if words else 0.0
