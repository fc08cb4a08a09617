"""Private folders for jobs on a real disk, where a tier cannot mount one: measuring and removing hostile trees."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

BLOCK = 512


def usage(folder: Path, most_bytes: int, most_files: int) -> tuple[int, int]:
    """Bytes and files below `folder`; stops early once either is over its limit. Follows no links."""
    total = files = 0
    pending = [str(folder)]
    while pending and total <= most_bytes and files <= most_files:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    files += 1
                    total += _size(entry)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    if total > most_bytes or files > most_files:
                        break
        except OSError:  # it vanished, or its path has become too long to name: it still counts as a file
            continue
    return total, files


def hand_over(folder: Path, uid: int | None) -> None:
    """Give a work folder, with the plain files in it, to the user id that is to write it; None: to nobody else.

    An earlier job may have left anything there, so links are not followed. Raises OSError.
    """
    if uid is None:
        return
    os.chown(folder, uid, uid, follow_symlinks=False)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                os.chown(entry.path, uid, uid, follow_symlinks=False)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * BLOCK
    except OSError:
        return 0


def remove(folder: Path) -> None:
    """Remove a tree of any depth. Works through descriptors: follows no links, needs no recursion, no long paths.

    Each folder found is first moved up into `folder`, so that never more than one is open.
    """
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        while names := os.listdir(root):  # noqa: PTH208 - a descriptor
            for name in names:
                _remove_entry(root, name)
    finally:
        os.close(root)
    folder.rmdir()


def _remove_entry(root: int, name: str) -> None:
    """Remove one entry of `root`, after moving the folders in it up into `root`."""
    if not _is_folder(root, name):
        os.unlink(name, dir_fd=root)
        return
    folder = _open_folder(root, name)
    try:
        for inner in os.listdir(folder):  # noqa: PTH208 - a descriptor
            if _is_folder(folder, inner):
                os.close(_open_folder(folder, inner))  # moving a folder takes the right to write it
                os.rename(inner, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=root)
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=root)


def _is_folder(parent: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _open_folder(parent: int, name: str) -> int:
    """Open a folder that its owner may have made unreadable."""
    os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
