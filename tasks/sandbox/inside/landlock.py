"""Landlock: the calling thread sees only the files it was granted, and signals only its own domain.

Not covered by Landlock, hence refused by seccomp: UDP and unix sockets; changing the mode, owner, dates and attributes
of files. Not covered at all: seeing that a file outside exists, its size and its dates (stat).
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from .kernel import check, libc

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
FIRST_VERSION_RIGHTS = (1 << 13) - 1
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
READ = EXECUTE | READ_FILE | READ_DIR
TCP_RIGHTS = 3  # bind and connect
SCOPES = 3  # abstract unix sockets and signals
SIGNAL_SCOPE_VERSION = 6
#: A program must be able to write its scratch but not to make device nodes, sockets or pipes in it.
SPECIAL_FILES = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)


def version() -> int:
    """The version of Landlock in this kernel, 0 if there is none."""
    return max(0, int(libc.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(1))))


def restrict(readable: list[str], writable: list[str], abi: int) -> None:
    """Bind the calling thread, for good. Needs no_new_privs. Raises OSError."""
    handled = _handled(abi)
    attributes = _attributes(abi, handled)
    size = ctypes.c_size_t(len(attributes))
    ruleset = check(int(libc.syscall(ctypes.c_long(CREATE_RULESET), attributes, size, ctypes.c_uint(0))), "landlock")
    try:
        for path in readable:
            _grant(ruleset, path, READ & handled)
        for path in writable:
            _grant(ruleset, path, handled & ~SPECIAL_FILES)
        check(int(libc.syscall(ctypes.c_long(RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint(0))), "landlock")
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    rights = FIRST_VERSION_RIGHTS
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEVICE)):
        rights |= right if abi >= since else 0
    return rights


def _attributes(abi: int, handled: int) -> bytes:
    if abi >= SIGNAL_SCOPE_VERSION:
        return struct.pack("QQQ", handled, TCP_RIGHTS, SCOPES)
    return struct.pack("QQ", handled, TCP_RIGHTS) if abi >= 4 else struct.pack("Q", handled)


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # e.g. no /lib64 on this machine
    try:
        rights = rights if Path(path).is_dir() else rights & FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor))
        call = (ctypes.c_long(ADD_RULE), ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
        check(int(libc.syscall(*call)), f"landlock rule for {path}")
    finally:
        os.close(descriptor)
