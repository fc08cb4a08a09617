"""Prompts as Jinja files, and the marks around everything in them that somebody else wrote.

Wording lives in the .j2 files; what goes in is prepared here: fenced, so that a candidate cannot pose as an
instruction, and cut to length. Golden tests (tests/tasks/golden) hold the exact prompts.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Fence:
    """Marks around foreign text. The key is taken out of that text, so the text cannot close the mark or open one."""

    key: str

    @staticmethod
    def of(*identity: str | int) -> Fence:
        """The same key for the same identity, so that a replayed step sends the same prompt."""
        return Fence(hashlib.sha256("/".join(map(str, identity)).encode()).hexdigest()[:10])

    def wrap(self, label: str, text: str, max_chars: int) -> str:
        """The text between marks, cut to `max_chars`, marks not counted."""
        name = re.sub(r"[^\w .:#/-]", "_", label)[:80]
        body = shorten(text.replace(self.key, "[key]").strip("\n"), max_chars)
        return f'<data label="{name}" key="{self.key}">\n{body}\n</data key="{self.key}">'


def shorten(text: str, max_chars: int) -> str:
    """A text of at most `max_chars`: its beginning and its end, with a note of what is missing in between.

    >>> shorten("a short text", 100)
    'a short text'
    """
    if len(text) <= max_chars:
        return text
    note = f"\n[... {len(text) - max_chars} characters or more left out ...]\n"
    room = max_chars - len(note)
    if room < 20:
        return text[: max(0, max_chars)]
    head = room * 3 // 5
    return text[:head] + note + text[len(text) - (room - head) :]


def render(template: str, **values: object) -> str:
    """A prompt file with its values filled in. A value that is missing is an error (StrictUndefined)."""
    return _environment().get_template(template).render(**values).strip() + "\n"


@cache
def _environment() -> Environment:
    # Prompts are plain text for a model, not HTML: escaping would corrupt the programs in them.
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
