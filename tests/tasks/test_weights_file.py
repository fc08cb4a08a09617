"""The header of a file of weights: what safetensors writes is read, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.weights_file import Stored, Unreadable, mapped, stored


def file(header: Any, data_bytes: int) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data_bytes)


def entry(start: int, end: int, shape: list[Any], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_what_is_written_is_read() -> None:
    header = {"b": entry(24, 32, [2, 2], "BF16"), "a": entry(0, 24, [2, 3]), "none": entry(24, 24, [0])}
    content = file({"__metadata__": {"format": "pt"}, **header}, 32)
    first = len(content) - 32
    assert stored(content) == {
        "b": Stored("BF16", (2, 2), first + 24, first + 32),
        "a": Stored("F32", (2, 3), first, first + 24),
        "none": Stored("F32", (0,), first + 24, first + 24),
    }
    assert stored(content)["a"].numbers == 6


def test_a_mapped_file_reads_the_same(tmp_path: Path) -> None:
    content = file({"a": entry(0, 8, [2])}, 8)
    (tmp_path / "w").write_bytes(content)
    with mapped(tmp_path / "w") as found:
        assert stored(found) == stored(content)
    (tmp_path / "w").write_bytes(b"")
    with pytest.raises(Unreadable, match="empty"):
        mapped(tmp_path / "w")


LONG = (999_999).to_bytes(8, "little") + (
    b'{"a":{"dtype":"F32","data_offsets":[0,0],"shape":[0' + b",9" * 400_000 + b"]}}"
).ljust(999_999)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a safetensors"),
        (b"\xff" * 64, "not a safetensors"),
        (file([], 0), "cannot be read: TypeError"),
        (file({"a": 3}, 0), "cannot be read"),
        (file({"a": {"dtype": "F32"}}, 0), "cannot be read: KeyError"),
        (file({"a": entry(0, 8, [2], "F99")}, 8), "cannot be read"),
        (file({"a": entry(0, 8, [-2])}, 8), "cannot be read"),
        (file({"a": entry(0, 8, [True, 2])}, 8), "cannot be read"),
        (file({"a": {**entry(0, 8, [2]), "data_offsets": [0, 8, 8]}}, 8), "cannot be read"),
        (LONG, "cannot be read"),
        ((60).to_bytes(8, "little") + b"[" * 60, "cannot be read"),
        (file({"a": entry(0, 12, [3])}, 8), "lies outside"),
        (file({"a": entry(8, 0, [2])}, 8), "lies outside"),
        (file({"a": entry(0, 8, [3])}, 8), "wrong size"),
        (file({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, 12), "overlap"),
        (file({"a": entry(4, 12, [2])}, 12), "gaps"),
        (file({"a": entry(0, 8, [2])}, 12), "do not fill"),
        (file({}, 4), "do not fill"),
    ],
)
def test_anything_else_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        stored(content)


def test_a_reader_may_ask_for_a_shorter_header() -> None:
    content = file({"a" * 90: entry(0, 8, [2])}, 8)
    assert len(stored(content)) == 1
    with pytest.raises(Unreadable, match="not a safetensors"):
        stored(content, longest_header=90)


JSON = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda part: st.lists(part, max_size=3))
ENTRY = st.fixed_dictionaries({"dtype": st.sampled_from(["F32", "F", ""]), "shape": JSON, "data_offsets": JSON})


@given(st.dictionaries(st.text(max_size=3), ENTRY | JSON, min_size=1, max_size=2), st.integers(0, 9))
def test_no_header_breaks_it(header: Any, data_bytes: int) -> None:
    content = file(header, data_bytes)
    with suppress(Unreadable):
        assert sum(found.end - found.start for found in stored(content).values()) == data_bytes
