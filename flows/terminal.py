"""Untrusted text for the terminal: no markup of rich's, and no control sequences that move, clear or retitle."""

from __future__ import annotations

import re

from rich.markup import escape

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def without_controls(text: str) -> str:
    """Every control character but newline and tab, and every change of writing direction, as a visible sign.

    >>> without_controls("a\\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return _CONTROL.sub("\ufffd", text)


def safe(text: str) -> str:
    """Text of a model or a candidate, ready for `console.print`.

    >>> safe("[red]\\x1b]0;title")
    '\\\\[red]\ufffd]0;title'
    """
    return escape(without_controls(text))
