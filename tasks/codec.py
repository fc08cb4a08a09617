"""Records to plain JSON and back, and the fingerprints that cache keys are made of.

A step's result is stored as `{"type": "Trained", "data": {...}}`. The name keeps unions apart (`Trained | Failure`),
and what cannot be decoded raises `UndecodableResult` instead of quietly running a step again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from cognition.records import JSON, MachineFault

T = TypeVar("T")
U = TypeVar("U")


class UndecodableResult(MachineFault):
    """A stored step result is not one of the expected records."""


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(record: type[Any]) -> TypeAdapter[Any]:
    """Built once per type: building costs more than encoding."""
    if record not in _adapters:
        _adapters[record] = TypeAdapter(record)
    return _adapters[record]


def encode(record: object) -> dict[str, JSON]:
    """A record as plain JSON with its type's name."""
    kind = type(record)
    return {"type": kind.__name__, "data": _adapter(kind).dump_python(record, mode="json")}


@overload
def decode(stored: dict[str, JSON], expected: type[T], /) -> T: ...
@overload
def decode(stored: dict[str, JSON], expected: type[T], other: type[U], /) -> T | U: ...
def decode(stored: dict[str, JSON], *expected: type[Any]) -> Any:
    """The record that `encode` stored, which must be one of the expected types. Raises UndecodableResult."""
    for kind in expected:
        if stored.get("type") == kind.__name__:
            try:
                return _adapter(kind).validate_python(stored["data"])
            except (ValidationError, KeyError) as error:
                raise UndecodableResult(f"a stored {kind.__name__} does not fit its record: {error}") from error
    names = " or ".join(kind.__name__ for kind in expected)
    raise UndecodableResult(f"expected a stored {names}, found {stored.get('type')!r}")


def fingerprint(*parts: object) -> str:
    """A stable hash of records, settings and plain values; equal content gives equal fingerprints in any process.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a1")
    (True, False)
    """
    plain = [_plain(part) for part in parts]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(part: object) -> JSON:
    if part is None or isinstance(part, str | int | float | bool | list | tuple | dict):
        return part
    return [type(part).__name__, _adapter(type(part)).dump_python(part, mode="json")]
