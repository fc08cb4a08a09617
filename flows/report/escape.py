"""Untrusted text for Markdown: what a model or a candidate wrote stays text. HTML is escaped by Jinja."""

from __future__ import annotations

import re

from flows.terminal import without_controls

_SIGNS = re.compile(r"([\\`*_\[\]|~])")
_FENCES = re.compile(r"`+")


def markdown_text(text: str) -> str:
    """Text for one line or table cell: no markup, no tags, no links, no line breaks.

    >>> markdown_text("a|b <script>\\n*c*")
    'a\\\\|b &lt;script&gt; \\\\*c\\\\*'
    >>> markdown_text("[x](https://e.org)")
    '\\\\[x\\\\](https&#58;//e.org)'
    """
    plain = " ".join(without_controls(text).split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _SIGNS.sub(r"\\\1", plain)
    return plain.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def markdown_block(text: str, language: str = "") -> str:
    """Text as a fenced block whose fence is longer than any in the text.

    >>> print(markdown_block("a ```` b"))
    `````
    a ```` b
    `````
    """
    fence = "`" * max(3, 1 + max(map(len, _FENCES.findall(text)), default=0))
    return f"{fence}{language}\n{without_controls(text).rstrip()}\n{fence}"
