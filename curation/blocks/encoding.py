"""Slot `encoding`: wrong code pages and invisible characters. `encoding(text) -> text`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import re


def drop_invisible(text: str) -> str:
    """Remove soft hyphens, zero-width and control characters.

    They split words for every tool that comes later.
    """
    return re.sub("[\xad\u200b-\u200f\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "", text)


def whole_lines(text: str, *, rounds: Annotated[int, (1, 3)] = 1) -> str:
    """Read lines that were taken for cp1252 or latin-1 as UTF-8, then remove invisible characters.

    A line that is sound does not decode as UTF-8 unless it is plain ASCII, so sound lines stay. Text that was spoiled
    twice needs two rounds.
    """
    lines = text.split("\n")
    for _ in range(rounds):
        for at, line in enumerate(lines):
            for codec in ("cp1252", "latin-1"):
                if line.isascii():
                    break
                try:
                    lines[at] = line = line.encode(codec).decode("utf-8")
                    break
                except UnicodeError:
                    continue
    return re.sub("[\xad\u200b-\u200f\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "", "\n".join(lines))


def runs(text: str, *, rounds: Annotated[int, (1, 3)] = 1) -> str:
    """Mend each run of unusual characters by itself, then remove invisible characters and replacement signs.

    Finds mojibake in lines that also hold sound characters; a codec's gaps are filled with the bytes themselves.
    """

    def mend(match: re.Match[str]) -> str:
        raw = bytearray()
        for sign in match[0]:
            try:
                raw += sign.encode("cp1252")
            except UnicodeError:
                if ord(sign) > 255:
                    return match[0]
                raw.append(ord(sign))
        try:
            return raw.decode("utf-8")
        except UnicodeError:
            return match[0]

    odd = "\x80-\xff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
    invisible = "\xad\u200b-\u200f\u2060\ufeff\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    for _ in range(rounds):
        text = re.sub(f"[{odd}]{{2,}}", mend, text)
    return re.sub(f"[{invisible}]", "", text)
