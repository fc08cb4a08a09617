"""Messages between the trainer and the candidate's process: a JSON head and raw arrays, of sizes known in advance.

Little endian: four bytes with the head's length, the head, then the arrays that the head announces. The reader of
answers (the trainer) takes exactly the bytes that it asked for and executes nothing. With `until` (of time.monotonic)
a whole message has to be through by then, however its bytes come; the descriptor must then not block.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from typing import Any

LENGTH = struct.Struct("<I")
LONGEST_HEAD = 65536


class Broken(EOFError):
    """The other side has gone, or says something that is no message."""


class Late(Exception):
    """The time was over first. `begun`: a part of the other side's message had come."""

    def __init__(self, begun: bool) -> None:
        super().__init__("a message was begun and not finished" if begun else "silence")
        self.begun = begun


def send(descriptor: int, head: dict[str, Any], *arrays: bytes, until: float | None = None) -> None:
    """Write one message. Raises Broken, Late."""
    text = json.dumps({**head, "sizes": [len(content) for content in arrays]}).encode()
    try:
        for content in (LENGTH.pack(len(text)) + text, *arrays):
            view = memoryview(content)
            while view:
                if not _is_ready([], [descriptor], until):
                    raise Late(begun=False)
                view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise Broken(f"the other side has gone: {error}") from None


def receive(descriptor: int, most_bytes: int, until: float | None = None) -> tuple[dict[str, Any], list[bytes]]:
    """Read one message whose arrays hold at most `most_bytes` together. Raises Broken, Late."""
    (size,) = LENGTH.unpack(_exactly(descriptor, LENGTH.size, until, begun=False))
    if size > LONGEST_HEAD:
        raise Broken("a head that is too long")
    try:
        head = json.loads(_exactly(descriptor, size, until))
        sizes = head["sizes"]
        is_fine = all(type(length) is int and length >= 0 for length in sizes) and sum(sizes) <= most_bytes
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Broken("a head that cannot be read") from None
    if not is_fine:
        raise Broken("arrays of the wrong size")
    return head, [_exactly(descriptor, length, until) for length in sizes]


def _exactly(descriptor: int, size: int, until: float | None, begun: bool = True) -> bytes:
    content = bytearray()
    while len(content) < size:
        if not _is_ready([descriptor], [], until):
            raise Late(begun or bool(content))
        chunk = os.read(descriptor, min(size - len(content), 1 << 20))
        if not chunk:
            raise Broken("the other side has gone")
        content += chunk
    return bytes(content)


def _is_ready(reading: list[int], writing: list[int], until: float | None) -> bool:
    """Whether bytes can go through before `until`; without it the call that follows waits."""
    if until is None:
        return True
    return any(select.select(reading, writing, [], max(0.0, until - time.monotonic())))
