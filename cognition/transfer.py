"""Cognition items as JSONL, one object a line: read, and written so that reading gives the same items."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cognition.errors import ArchiveError
from cognition.records import Item
from cognition.schema import to_json


def load_jsonl(path: Path, domain: str | None = None) -> tuple[Item, ...]:
    """Items from a file with one JSON object per line; `domain` fills in what the lines leave out.

    Raises ArchiveError with the line's number for broken JSON, an unknown key, a wrong type or a repeated id.
    """
    found: dict[str, Item] = {}
    for number, line in enumerate(_text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        item = _parse(line, f"{path}:{number}", domain)
        if item.id in found:
            raise ArchiveError(f"{path}:{number}: the id {item.id!r} is used twice")
        found[item.id] = item
    return tuple(found.values())


def dump_jsonl(items: Iterable[Item]) -> str:
    """The items as `load_jsonl` reads them, pure ASCII."""
    return "".join(f"{to_json(Item, item)}\n" for item in items)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArchiveError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _parse(line: str, place: str, domain: str | None) -> Item:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ArchiveError(f"{place}: not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ArchiveError(f"{place}: expected an object with id and insight, got {type(fields).__name__}")
    unknown = sorted(set(fields) - set(Item.__dataclass_fields__))
    if unknown:
        raise ArchiveError(f"{place}: unknown key {unknown[0]!r}; known: {', '.join(Item.__dataclass_fields__)}")
    if domain is not None:
        fields.setdefault("domain", domain)
    try:
        return TypeAdapter(Item).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ArchiveError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
