"""Python values as JSON and back, of exact types, for what goes into a program's process and what comes out of it.

Only data travels: numbers (numpy's as Python's), texts, bytes, None, ranges, and lists, tuples, sets, dictionaries of
them. Iterators and views of dictionaries arrive as iterators. What a subclass claims about itself (a number that equals
everything) stays behind. Runs inside the sandbox; trusted code outside passes the JSON on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any

EXACT = 1 << 53  # whole numbers up to here are the same in every JSON reader


class NotPlain(ValueError):
    """A value that is no data, e.g. a function."""


def encoded(value: Any) -> Any:
    """As JSON. Raises NotPlain."""
    if value is None or isinstance(value, str | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        number = int(value)
        return number if abs(number) < EXACT else {"int": hex(number)}
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, complex):
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value).hex()}
    return _many(value)


def _many(value: Any) -> Any:
    if isinstance(value, list):
        return [encoded(entry) for entry in value]
    if isinstance(value, tuple):
        return {"tuple": [encoded(entry) for entry in value]}
    if isinstance(value, set | frozenset):
        return {"set": sorted((encoded(entry) for entry in value), key=repr)}
    if isinstance(value, dict):
        return {"dict": [[encoded(key), encoded(entry)] for key, entry in value.items()]}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, Iterator | KeysView | ValuesView | ItemsView):
        return {"iterator": [encoded(entry) for entry in value]}
    numpy: Any = sys.modules.get("numpy")  # of a program that imports it
    if numpy is not None and isinstance(value, numpy.bool_ | numpy.integer | numpy.floating):
        return encoded(value.item())
    raise NotPlain(f"{type(value).__name__} is no plain data")


def decoded(value: Any) -> Any:
    """From JSON. Raises NotPlain for what `encoded` never makes."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, list):
        return [decoded(entry) for entry in value]
    if not isinstance(value, dict) or len(value) != 1:
        raise NotPlain("not of the form that values travel in")
    ((kind, content),) = value.items()
    try:
        return MADE[kind](content)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise NotPlain(f"not of the form that values travel in: {type(error).__name__}") from None


MADE: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "float": float.fromhex,
    "complex": lambda content: complex(*map(float.fromhex, content)),
    "bytes": bytes.fromhex,
    "tuple": lambda content: tuple(decoded(entry) for entry in content),
    "range": lambda content: range(*content),
    "iterator": lambda content: iter([decoded(entry) for entry in content]),
    "set": lambda content: {decoded(entry) for entry in content},
    "dict": lambda content: {decoded(key): decoded(entry) for key, entry in content},
}
