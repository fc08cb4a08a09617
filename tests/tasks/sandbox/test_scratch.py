"""Removing and measuring hostile folders on a real disk."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.sandbox import scratch


def test_deep_closed_and_linked_trees_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("x")
    (folder / "closed" / "inner").mkdir(mode=0)
    (folder / "closed").chmod(0)
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(1100):  # more than Python's recursion limit and than a path may be long
        os.mkdir("a-folder-with-a-longer-name", dir_fd=descriptor)
        deeper = os.open("a-folder-with-a-longer-name", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)

    scratch.remove(folder)

    assert not folder.exists()
    assert (outside / "kept").read_text() == "kept"


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    scratch.remove(tmp_path / "nothing")


def test_usage_counts_blocks_and_files_but_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 2**20)
    outside = tmp_path / "folder" / "link"
    outside.parent.mkdir()
    outside.symlink_to("/usr")
    used_bytes, files = scratch.usage(tmp_path, 2**30, 10**6)
    assert files == 3
    assert 2**20 <= used_bytes < 2**20 + 65536


def test_usage_stops_early(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert scratch.usage(tmp_path, 2**30, 10)[1] == 11
