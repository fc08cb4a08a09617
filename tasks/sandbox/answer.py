"""Reading what came out of a candidate's process: bounded JSON and text that any of our stores accepts. Pure."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from cognition.records import JSON

MAX_DEPTH = 64


MOST_FILES = 64
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Unfit(ValueError):
    """The bytes are not an acceptable answer; the message says why."""


def parse(raw: bytes) -> JSON:
    """The JSON value in `raw`. Raises Unfit, never anything else.

    >>> parse(b'{"answer": [1, 2.5]}')
    {'answer': [1, 2.5]}
    """
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Unfit(f"not a finite JSON value: {error}") from None
    _inspect(value)
    return value


def split(raw: bytes) -> tuple[bytes, bytes]:
    """A report's JSON, and what follows it: the contents of the files that it names."""
    head, _, files = raw.partition(b"\n")
    return head, files


def files(named: JSON, content: bytes) -> dict[str, bytes]:
    """The files of a report, by name. Raises Unfit unless the sizes that it names are exactly what is there.

    >>> files([["a.bin", 2], ["b.bin", 1]], b"xyz")
    {'a.bin': b'xy', 'b.bin': b'z'}
    """
    if not isinstance(named, list) or len(named) > MOST_FILES:
        raise Unfit(f"its files are not a list of at most {MOST_FILES}")
    found: dict[str, bytes] = {}
    start = 0
    for entry in named:
        name, size = _file(entry)
        if name in found:
            raise Unfit(f"two files are called {name}")
        found[name] = content[start : start + size]
        start += size
    if start != len(content):
        raise Unfit(f"its files should have {start} bytes together, and {len(content)} came")
    return found


def _file(entry: JSON) -> tuple[str, int]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise Unfit("a file is a name and a size")
    name, size = entry
    if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
        raise Unfit(f"{str(name)[:80]!r} is no name for a file: letters, digits, dot, dash and underscore")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Unfit(f"{str(size)[:20]} is no size of a file")
    return name, size


def text(raw: bytes) -> str:
    """Output as text that can be stored anywhere: valid UTF-8 without NUL."""
    return raw.decode("utf-8", "replace").replace("\0", "�")


def _refuse(name: str) -> NoReturn:
    raise Unfit(f"it holds {name}")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise Unfit(f"{literal[:20]} is not finite")
    return value


def _inspect(value: JSON) -> None:
    """Refuse deep nesting and text that a database would refuse later, on our side, without recursion."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Unfit(f"nested more than {MAX_DEPTH} levels deep")
        below: list[JSON] = []
        for item in level:
            if isinstance(item, str):
                _storable(item)
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
        level = below


def _storable(item: str) -> None:
    try:
        item.encode()  # fails for half a surrogate pair and for nothing else; a loop over 20 MB of letters took 1 s
    except UnicodeEncodeError:
        raise Unfit("text with NUL or half a surrogate pair") from None
    if "\0" in item:
        raise Unfit("text with NUL or half a surrogate pair")
