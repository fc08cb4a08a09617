"""Remove HTML: tags, comments, scripts, entities. Nothing else."""

import html
import re

BLOCK = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(\s[^<>]*)?/?>")


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """The text without markup."""
    return html.unescape(TAG.sub("", BLOCK.sub("", text)))
