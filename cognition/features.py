"""The engine's own MAP-Elites axes, both in [0, 1]: how large a program is, and how far from the seed program.

App. A names the axes (complexity, diversity) and not their formulas; these are ours. A domain adds further axes
through `Domain.features`.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

from cognition.programs import tokens

#: Complexity is logarithmic: 0 at 1/8 of the seed program's tokens, 0.5 at its size, 1 at 8 times.
OCTAVES = 3.0
#: Diversity compares runs of this many tokens.
SHINGLE = 3


def engine_features(code: str, seed_program: str) -> dict[str, float]:
    """Complexity and diversity of a program relative to the seed program.

    >>> engine_features("x = 1", "x = 1")
    {'complexity': 0.5, 'diversity': 0.0}
    """
    return {"complexity": complexity(code, seed_program), "diversity": diversity(code, seed_program)}


def complexity(code: str, seed_program: str) -> float:
    """Number of tokens against the seed program's, on a logarithmic scale."""
    ratio = max(1, len(tokens(code))) / max(1, len(tokens(seed_program)))
    return min(1.0, max(0.0, 0.5 + math.log2(ratio) / (2 * OCTAVES)))


def diversity(code: str, seed_program: str) -> float:
    """Share of the token runs that the two programs do not have in common (1 - Dice coefficient)."""
    ours, theirs = _shingles(code), _shingles(seed_program)
    total = ours.total() + theirs.total()
    return 1.0 - 2.0 * (ours & theirs).total() / total if total else 0.0


@lru_cache(maxsize=64)
def _shingles(code: str) -> Counter[tuple[str, ...]]:
    words = tokens(code)
    width = min(SHINGLE, max(1, len(words)))
    return Counter(words[start : start + width] for start in range(len(words) - width + 1))
