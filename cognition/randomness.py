"""Random generators derived from a campaign's seed and a purpose: the same in every process, on every machine."""

from __future__ import annotations

import hashlib
import json
import random


def derive(seed: int, *parts: int | str) -> random.Random:
    """A generator of its own for each (seed, parts); parts may be numbers or words, and 1 differs from "1".

    >>> derive(0, 7, "sample").random() == derive(0, 7, "sample").random()
    True
    >>> derive(0, 1).random() == derive(0, "1").random()
    False
    """
    digest = hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))
