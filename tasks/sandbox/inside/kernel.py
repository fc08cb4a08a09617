"""System calls that Python does not offer: prctl, capset, mount, unshare, close_range. Linux on x86_64 and aarch64."""

from __future__ import annotations

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000

MS_NOSUID, MS_NODEV = 2, 4
NOROOT_LOCKED_BITS = 0x2F  # uid 0 is nobody special, set-uid changes nothing, kept capabilities end: all for good
LAST_CAPABILITY = 63
CAPABILITY_VERSION_3 = 0x20080522


def check(result: int, what: str) -> int:
    """The result of a C call, or OSError with errno and the call's name."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, first: int = 0, second: int = 0) -> None:
    """prctl(2). Raises OSError."""
    long = ctypes.c_ulong
    check(libc.prctl(option, long(first), long(second), long(0), long(0)), f"prctl {option}")


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    check(libc.unshare(flags), "unshare")


def mount_tmpfs(target: str, size_bytes: int, inodes: int) -> None:
    """Mount a private tmpfs of a fixed size: no program can write more than that into it."""
    options = f"size={size_bytes},nr_inodes={inodes},mode=0777".encode()
    check(libc.mount(b"scratch", target.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options), f"mount tmpfs at {target}")


def close_from(lowest: int) -> None:
    """Close every descriptor from `lowest` up, whatever number it has."""
    try:
        check(libc.close_range(ctypes.c_uint(lowest), ctypes.c_uint(0xFFFFFFFF), 0), "close_range")
    except (AttributeError, OSError):  # a libc older than 2.34 or a kernel older than 5.9
        os.closerange(lowest, 1 << 16)


def bound_capabilities() -> None:
    """Where we may: no program executed later can gain a capability, not even as user 0. Before the user id changes."""
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)  # without the right to: no_new_privs does it
    libc.prctl(PR_SET_SECUREBITS, ctypes.c_ulong(NOROOT_LOCKED_BITS), 0, 0, 0)


def drop_capabilities() -> None:
    """Give up every capability that we hold. Raises OSError."""
    libc.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(bytes(24))
    check(libc.capset(header, nothing), "capset")
