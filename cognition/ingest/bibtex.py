"""The entries of a BibTeX file, as far as they say where a text can be read: arXiv id, DOI, address. Pure.

Braces and quotation marks are read, @string and @comment are passed over; TeX inside values is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

#: Nothing is given back (`*+`): a run of blanks would be tried in every division otherwise.
_ENTRY = re.compile(r"@\s*+(\w++)\s*+\{\s*+([^,\s{}]*+)\s*+,")
_FIELD = re.compile(r"\s*+([\w-]++)\s*+=\s*+")
_PASSED_OVER = frozenset({"string", "comment", "preamble"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; field names are in lower case."""

    key: str
    fields: dict[str, str]


def entries(text: str) -> Iterator[Entry]:
    """Every entry, in order. What cannot be read ends its entry and no other.

    >>> [entry] = entries('@article{a, title = {A {B} c}, year = 2024, eprint = "2401.00001"}')
    >>> entry.key, entry.fields
    ('a', {'title': 'A {B} c', 'year': '2024', 'eprint': '2401.00001'})
    """
    found = list(_ENTRY.finditer(text))
    for match, following in zip_longest(found, found[1:]):
        if match.group(1).lower() not in _PASSED_OVER:
            # Up to the next entry and not beyond: a file of entries that are never closed would take hours.
            body = text[match.end() : following.start() if following else len(text)]
            yield Entry(match.group(2), dict(_fields(body, 0)))


def place(entry: Entry) -> str | None:
    """Where its text can be read, as a source that can be named; None: the entry does not say.

    >>> place(Entry("a", {"eprint": "2401.00001", "archiveprefix": "arXiv"})), place(Entry("b", {"doi": "10.1/x"}))
    ('arXiv:2401.00001', 'https://doi.org/10.1/x')
    """
    fields = entry.fields
    eprint = fields.get("eprint", "")
    if eprint and fields.get("archiveprefix", "arxiv").lower() == "arxiv":
        return f"arXiv:{eprint.removeprefix('arXiv:')}"
    named = re.search(r"arxiv[:./ ]*(?:abs/|pdf/)?(\d{4}\.\d{4,5})", " ".join(fields.values()), re.IGNORECASE)
    if named:
        return f"arXiv:{named.group(1)}"
    if "url" in fields:
        return fields["url"].replace("\\", "")
    doi = fields.get("doi", "")
    return f"https://doi.org/{re.sub('^https?://(dx[.])?doi.org/', '', doi)}" if doi else None


def _fields(text: str, at: int) -> Iterator[tuple[str, str]]:
    while match := _FIELD.match(text, at):
        value, at = _value(text, match.end())
        yield match.group(1).lower(), " ".join(value.split())
        comma = re.compile(r"\s*,").match(text, at)
        if comma is None:
            return
        at = comma.end()


def _value(text: str, at: int) -> tuple[str, int]:
    """The value that begins there, and where it ends."""
    opening = text[at : at + 1]
    if opening not in {"{", '"'}:
        bare = re.compile(r"[^,}\s]*").match(text, at)
        assert bare is not None
        return bare.group(), bare.end()
    depth, start = 0, at + 1
    for here in range(start, len(text)):
        sign = text[here]
        if depth == 0 and sign == ("}" if opening == "{" else '"'):
            return text[start:here], here + 1
        depth += (sign == "{") - (sign == "}")
    return text[start:], len(text)
