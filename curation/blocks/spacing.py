"""Slot `spacing`: white space and signs. `spacing(text) -> text`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import re


def tidy(text: str, *, empty: Annotated[int, (1, 3)] = 1) -> str:
    """Remove blanks at line ends and runs of empty lines; indentation stays.

    Indentation is meaning in code and tables.
    """
    text = re.sub(r"[ \t\xa0\x0c]+(?=\n|$)", "", text)
    return re.sub(rf"\n{{{empty + 2},}}", "\n" * (empty + 1), text).strip("\n")


def plain_signs(text: str) -> str:
    """Also write typographic quotes, dashes and blanks as their plain signs.

    One form for one meaning makes text easier to learn from.
    """
    table = {"’": "'", "‘": "'", "“": '"', "”": '"', "—": "--", "–": "-", "\xa0": " ", "…": "..."}
    text = re.sub("|".join(table), lambda match: table[match[0]], text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+(?=\n|$)", "", text)).strip("\n")


def rejoined(text: str) -> str:
    """Also join words that a line break hyphenated.

    Only between lower-case letters; compound words at a line's end lose their hyphen.
    """
    text = re.sub(r"([a-z]{2,})-\n[ \t]*([a-z]{2,})", r"\1\2", text)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t\xa0]+(?=\n|$)", "", text)).strip("\n")
