"""What models cost: a dated table of public list prices (prices.toml), used where a campaign sets no price of its own.

It never guesses: another address, or a model name that is not in the table to the letter, has no price.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TABLE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens. `as_of` is the table's date, "" for a price that the campaign sets."""

    prompt_usd_per_mtok: float
    completion_usd_per_mtok: float
    as_of: str = ""

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What these tokens cost, in US dollars.

        >>> Price(2.0, 10.0).of(500_000, 100_000)
        2.0
        """
        return (prompt_tokens * self.prompt_usd_per_mtok + completion_tokens * self.completion_usd_per_mtok) / 1e6


def list_price(base_url: str, model: str) -> Price | None:
    """The list price of a model at its provider's own address, or None.

    >>> list_price("http://127.0.0.1:8000/v1", "gpt-5") is None
    True
    """
    table = _table()
    found = table.get(urlsplit(base_url).hostname or "", {}).get("models", {}).get(model)
    return None if found is None else Price(found["prompt"], found["completion"], table["as_of"])


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))
