"""Messages between the trainer and the candidate's process: a JSON head and raw arrays, of sizes known in advance.

Little endian: four bytes with the head's length, the head, then the arrays that the head announces. The reader of
answers (the trainer) takes exactly the bytes that it asked for and executes nothing.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

LENGTH = struct.Struct("<I")
LONGEST_HEAD = 65536


class Broken(EOFError):
    """The other side has gone, or says something that is no message."""


def send(descriptor: int, head: dict[str, Any], *arrays: bytes) -> None:
    """Write one message. Raises Broken."""
    text = json.dumps({**head, "sizes": [len(content) for content in arrays]}).encode()
    try:
        for content in (LENGTH.pack(len(text)) + text, *arrays):
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise Broken(f"the other side has gone: {error}") from None


def receive(descriptor: int, most_bytes: int) -> tuple[dict[str, Any], list[bytes]]:
    """Read one message whose arrays hold at most `most_bytes` together. Raises Broken."""
    (size,) = LENGTH.unpack(_exactly(descriptor, LENGTH.size))
    if size > LONGEST_HEAD:
        raise Broken("a head that is too long")
    try:
        head = json.loads(_exactly(descriptor, size))
        sizes = head["sizes"]
        is_fine = all(type(length) is int and length >= 0 for length in sizes) and sum(sizes) <= most_bytes
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Broken("a head that cannot be read") from None
    if not is_fine:
        raise Broken("arrays of the wrong size")
    return head, [_exactly(descriptor, length) for length in sizes]


def _exactly(descriptor: int, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = os.read(descriptor, min(size - len(content), 1 << 20))
        if not chunk:
            raise Broken("the other side has gone")
        content += chunk
    return bytes(content)
