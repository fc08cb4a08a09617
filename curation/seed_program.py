"""The baseline: white space is tidied, everything else stays."""

import re

STEPS: list[list[object]] = []


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """Trailing blanks and runs of empty lines removed."""
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() or None
