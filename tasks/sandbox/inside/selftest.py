"""Adapter of the probe: tries what must not work in the sandbox. Every value must be true for a tier to be used."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def look_around(candidate_path: str, request: dict[str, Any]) -> dict[str, bool]:
    """Which walls hold."""
    return {
        "files outside are hidden": not _readable(request["secret"]),
        "passwords are hidden": not _readable("/etc/passwd"),
        "processes are hidden": not _readable("/proc/1/status"),
        "no network": not _has_sockets(),
        "the scratch can be written": _writable(Path(candidate_path).parent),
        "the rest cannot be written": not any(_writable(Path(place)) for place in ("/", "/var/tmp", "/dev/shm")),
        "no power of root": not _may_become_root(),
    }


def _readable(path: str) -> bool:
    try:
        return bool(Path(path).read_bytes())
    except OSError:
        return False


def _has_sockets() -> bool:
    try:
        socket.socket(socket.AF_UNIX).close()
    except OSError:
        return False
    return True


def _writable(folder: Path) -> bool:
    probe = folder / ".nightshift-probe"
    try:
        probe.write_text("x")
        probe.unlink()
    except OSError:
        return False
    return True


def _may_become_root() -> bool:
    """Whether we hold a capability to change our user id (user 0 may "change" to what it is, so try another)."""
    try:
        os.setresuid(1, 1, 1)
    except OSError:
        return False
    return True
