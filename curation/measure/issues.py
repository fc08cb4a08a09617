"""Rules that find quality issues in a text, without a model and without any truth: for discovery and for the judge.

They are deliberately broad and know no family of noise by its wording beyond words that any web page may show. What
they miss they miss in the original and in the cleaned text alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

Span = tuple[int, int]
TAG = re.compile(
    r"</?(?:[a-z]{1,10}|h[1-6])(?:\s[^<>]{0,300})?/?>|<!--.{0,300}?-->|&(?:[a-z]{2,8}|#\d{2,5});", re.DOTALL
)
SCRIPT = re.compile(r"^.*(?:\bfunction\s*\w*\(|\bvar \w+ ?=|document\.|<script|<style|\{[^{}]*:[^{}]*;\s*\}).*$", re.M)
BOILERPLATE = re.compile(
    r"\b(?:cookies?|privacy policy|terms of (?:use|service)|all rights reserved|copyright|log ?in|sign (?:in"
    r"|up)|register|subscribe|newsletter|share (?:this|on)|leave a comment|\d+ comments?|advertisement"
    r"|sponsored|click here|back to top|skip to|main menu|powered by|sitemap|follow us|tweet|posted (?:in|by"
    r"|on)|read more|related (?:articles|posts)|best price|limited time|print this)\b|©",
    re.IGNORECASE,
)
MENU = re.compile(r"^[^.|>»›\n]{1,40}(?:\s[|>»›]\s[^.|>»›\n]{1,40}){2,}$", re.M)
ENCODING = re.compile("[ÃÂâ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{1,2}|\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
INVISIBLE = re.compile("[\xad\u200b-\u200f\ufeff]")
PRIVATE = re.compile(
    r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:\+\d{1,3}[ -])?(?:\(\d{3}\) ?|\b\d{3}[-. ])\d{3}[-. ]\d{4}\b"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b"
)
LONGEST_BOILERPLATE = 140  # characters; longer lines that say "register" or "copyright" are text
SHORTEST_REPEATED = 25


def _matches(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (match.span() for match in pattern.finditer(text))


def _boilerplate(text: str) -> Iterator[Span]:
    for start, line in _lines(text):
        if len(line) <= LONGEST_BOILERPLATE and (BOILERPLATE.search(line) or MENU.match(line)):
            yield start, start + len(line)


def _repeated(text: str) -> Iterator[Span]:
    seen: Counter[str] = Counter()
    for start, line in _lines(text):
        key = " ".join(line.split())
        if len(key) >= SHORTEST_REPEATED:
            seen[key] += 1
            if seen[key] > 1:
                yield start, start + len(line)


#: Name of an issue -> the places in a text that show it.
ISSUES: dict[str, Callable[[str], Iterator[Span]]] = {
    "markup": _matches(TAG),
    "script": _matches(SCRIPT),
    "boilerplate": _boilerplate,
    "encoding": _matches(ENCODING),
    "invisible": _matches(INVISIBLE),
    "private data": _matches(PRIVATE),
    "repetition": _repeated,
}


def counts(text: str) -> dict[str, int]:
    """How often each issue shows.

    >>> {name: n for name, n in counts("<p>Write to a@b.org</p>").items() if n}
    {'markup': 2, 'private data': 1}
    """
    return {name: sum(1 for _ in find(text)) for name, find in ISSUES.items()}


def without_issues(text: str) -> str:
    """The text with every place that shows an issue cut out."""
    marked = bytearray(len(text))
    for find in ISSUES.values():
        for start, end in find(text):
            marked[start:end] = b"\x01" * (end - start)
    return "".join(sign for sign, is_bad in zip(text, marked, strict=True) if not is_bad)


def repeated_share(text: str) -> float:
    """The share of the characters in lines that stood there before."""
    return sum(end - start for start, end in _repeated(text)) / max(1, len(text))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1
