"""Slot `worth`: whether what is left is worth keeping. `worth(original, cleaned) -> bool`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import function_share, word_count


def anything(original: str, cleaned: str) -> bool:
    """Keep every document that is not empty.

    Right where junk documents were filtered before.
    """
    return True


def enough_words(original: str, cleaned: str, *, words: Annotated[int, (5, 80)] = 20) -> bool:
    """Keep documents with some words left.

    A measurable threshold; short but complete answers fall under a high one.
    """
    return word_count(cleaned) >= words


def enough_of_it(
    original: str, cleaned: str, *, words: Annotated[int, (5, 80)] = 20, share: Annotated[float, (0.0, 0.6)] = 0.15
) -> bool:
    """Keep documents with some words left, and a fair share of what was there.

    Where nearly everything was boilerplate, the rest usually is too.
    """
    return word_count(cleaned) >= words and word_count(cleaned) >= share * word_count(original)


def sentences(
    original: str, cleaned: str, *, words: Annotated[int, (5, 80)] = 15, share: Annotated[float, (0.02, 0.35)] = 0.12
) -> bool:
    """Keep documents whose words hold together: enough of them, and enough function words.

    Lists of keywords and rows of links have next to none.
    """
    return word_count(cleaned) >= words and function_share(cleaned) >= share
