"""The frame around the blocks: `clean` applies the slots in a fixed order."""

from __future__ import annotations

from curation.blocks.boilerplate import common_phrases as boilerplate
from curation.blocks.encoding import drop_invisible as encoding
from curation.blocks.keep import nothing as keep
from curation.blocks.markup import known_tags as markup
from curation.blocks.private import cut_out as private
from curation.blocks.repeats import exact_lines as repeats
from curation.blocks.spacing import tidy as spacing
from curation.blocks.worth import anything as worth

# {blocks}


STEPS: list[list[object]] = []


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """The cleaned text, or None if nothing of it is worth keeping."""
    text = encoding(markup(text))
    lines = private(text.split("\n"))
    lines = repeats(boilerplate(lines, keep), keep)
    cleaned = spacing("\n".join(lines))
    return cleaned if cleaned and worth(text, cleaned) else None
