"""What is seen of a problem's Python files, and what of them counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.problem_reads import MOST_PARSED_BYTES, Reads, reads_of, what_runs

PROGRAM = b'"""About it."""\nX = 1  # one\n\n\ndef f(a):\n    """Adds."""\n    return a + X\n'


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"# one", b"# two"), (b"\n", b"\r\n"), (b"    ", b"\t"), (b"a + X", b"(a + X)"), (b"Adds.", b""),
     (b"1 ", b"0x1 ")],
)  # fmt: skip
def test_layout_comments_and_docstrings_do_not_count(old: bytes, new: bytes) -> None:
    assert what_runs(PROGRAM.replace(old, new)) == what_runs(PROGRAM) != what_runs(PROGRAM.replace(b"1 ", b"2 "))


@pytest.mark.parametrize(
    "source",
    [
        b"x = " + b"+".join([b"1"] * 50_000), b"x = " + b"(" * 5_000 + b")" * 5_000, b"\xff\xfe", b"x = \0",
        b"x = [" + b"'name.json', " * (MOST_PARSED_BYTES // 13 + 1) + b"]",
    ],
)  # fmt: skip
def test_what_cannot_be_looked_through_counts_to_the_byte_alone(source: bytes, tmp_path: Path) -> None:
    (tmp_path / "table.py").write_bytes(source)
    assert what_runs(source) == []
    assert reads_of([tmp_path / "table.py"]) == Reads()
