"""SEARCH/REPLACE edits: what applies, what is refused and why, and that making and applying are inverse."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cognition.records import Failure, FailureKind
from tasks.edits import Edit, apply_edits, make_edits, parse_edits

PROGRAM = """import math

def area(r):
    return math.pi * r * r

def rim(r):
    if r > 0:
        return 2 * math.pi * r
    return 0.0
"""


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE"


def reason(code: str, text: str) -> str:
    failure = apply_edits(code, text)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.UNUSABLE
    return failure.reason


# What applies


def test_exact_lines_are_replaced() -> None:
    edit = block("    return math.pi * r * r", "    return 3.0 * r * r")
    assert apply_edits(PROGRAM, edit) == PROGRAM.replace("math.pi * r * r", "3.0 * r * r")


def test_edits_refer_to_the_program_as_it_was_in_any_order() -> None:
    swap = [block("    return 0.0", "import math"), block("import math", "    return 0.0")]
    expected = (
        PROGRAM.replace("import math", "@").replace("    return 0.0", "import math").replace("@", "    return 0.0")
    )
    assert apply_edits(PROGRAM, "\n".join(swap)) == expected
    assert apply_edits(PROGRAM, "\nwords\n".join(reversed(swap))) == expected


def test_lines_can_be_deleted() -> None:
    assert apply_edits("a\nb\nc", "<<<<<<< SEARCH\nb\n=======\n>>>>>>> REPLACE") == "a\nc"


@pytest.mark.parametrize("ending", ["  ", "\t", "\r"])
def test_trailing_white_space_does_not_matter(ending: str) -> None:
    program = PROGRAM.replace("def rim(r):", f"def rim(r):{ending}")
    changed = apply_edits(program, block("def rim(r):\n    if r > 0:", "def rim(r):\n    if r >= 0:"))
    assert changed == PROGRAM.replace("r > 0", "r >= 0")


def test_an_answer_with_windows_line_ends_applies() -> None:
    edit = block("    return 0.0", "    return 1.0").replace("\n", "\r\n")
    assert apply_edits(PROGRAM, edit) == PROGRAM.replace("0.0", "1.0")


def test_a_uniform_shift_of_the_indentation_is_followed() -> None:
    edit = block("if r > 0:\n    return 2 * math.pi * r", "if r > 1:\n\n    x = 1\n    return x")
    expected = PROGRAM.replace(
        "    if r > 0:\n        return 2 * math.pi * r", "    if r > 1:\n\n        x = 1\n        return x"
    )
    assert apply_edits(PROGRAM, edit) == expected


def test_too_much_indentation_is_taken_back() -> None:
    assert apply_edits(
        "def f():\n  return 1", block("    def f():\n      return 1", "    def f():\n      return 2")
    ) == ("def f():\n  return 2")


def test_an_exact_match_wins_over_looser_ones() -> None:
    assert apply_edits("x = 1\nx = 1 ", block("x = 1 ", "x = 2")) == "x = 1\nx = 2"


# What is refused


def test_an_ambiguous_search_names_the_places() -> None:
    said = reason("x = 1\ny = 2\nx = 1\n", block("x = 1", "x = 3"))
    assert "edit 1 matches 2 places (lines 1, 3), expected one" in said


def test_an_ambiguous_loose_search_is_refused_too() -> None:
    assert "matches 2 places (lines 1, 3)" in reason("  x = 1\ny\n    x = 1", block("x = 1", "x = 2"))


def test_a_missing_search_quotes_the_nearest_lines() -> None:
    said = reason(PROGRAM, block("def rim(radius):\n    if r > 0:", "pass"))
    assert "edit 1 is not in the program" in said
    assert "6: def rim(r):\n7:     if r > 0:" in said


def test_the_nearest_line_is_found_even_if_no_line_is_equal() -> None:
    assert "4:     return math.pi * r * r" in reason(PROGRAM, block("    return math.pi * r ** 2", "pass"))


def test_an_uneven_shift_is_not_taken_for_a_match() -> None:
    assert "is not in the program" in reason("if a:\n    b\n", block("if a:\n  b", "c"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found none"),
        ("x = 1", "found none"),
        ("<<<<<<< SEARCH\nimport math\n=======\nimport ", "edit 1 is cut off"),
        ("<<<<<<< SEARCH\nimport math\n>>>>>>> REPLACE", "edit 1 has 0 lines '======='"),
        ("<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE", "edit 1 has 2 lines '======='"),
        ("<<<<<<< SEARCH\na\n<<<<<<< SEARCH\nb\n=======\nc\n>>>>>>> REPLACE", "edit 1 has no line '>>>>>>> REPLACE'"),
        (block("", "x"), "SEARCH of edit 1 is empty"),
        ("<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE", "SEARCH of edit 1 is empty"),
        (block("import math", "import math"), "change nothing"),
        (block("import math", "a") + "\n" + block("import math\n", "b"), "edits 1 and 2 overlap"),
        (block("import math", "a") + "\n" + block("import maths", "b"), "edit 2 is not in the program"),
    ],
)
def test_wrong_edits_are_refused_with_the_reason(text: str, expected: str) -> None:
    assert expected in reason(PROGRAM, text)


def test_parsing_gives_the_blocks() -> None:
    assert parse_edits(f"Words.\n{block('a', 'b')}\nMore words.") == (Edit(("a",), ("b",)),)
    assert isinstance(parse_edits("nothing"), Failure)


def test_a_mark_in_the_program_cannot_be_written_into_an_edit() -> None:
    with pytest.raises(ValueError, match="send the whole program"):
        make_edits("a\n=======\nb", "a\nc\nb")


def test_reasons_stay_short_and_quick_for_long_programs() -> None:
    program = "\n".join(f"value_{n} = {n}" for n in range(5_000))
    started = time.monotonic()
    said = reason(program, block("\n".join(f"valeu_{n} = {n}" for n in range(300)), "pass"))
    assert time.monotonic() - started < 3.0
    assert len(said) < 4_000


# Inverse


_LINES = st.lists(st.sampled_from(["", " ", "a", "b", "  a", "    a", "\tb", "def f():", "x = 1  "]), max_size=14)


@given(_LINES, _LINES)
def test_applying_what_was_made_gives_the_other_program(before: list[str], after: list[str]) -> None:
    one, other = "\n".join(before), "\n".join(after)
    assume(one != other)
    assert apply_edits(one, make_edits(one, other)) == other


@given(st.text(alphabet="ab \n\t", max_size=60), st.text(alphabet="ab \n\t", max_size=60))
def test_the_same_for_any_text(one: str, other: str) -> None:
    assume(one != other)
    assert apply_edits(one, make_edits(one, other)) == other


@given(st.text(max_size=200), st.text(max_size=200))
def test_applying_never_raises(code: str, text: str) -> None:
    assert isinstance(apply_edits(code, text), str | Failure)


def test_a_small_change_makes_a_small_edit() -> None:
    long = "\n".join(f"value_{n} = {n}" for n in range(200))
    assert make_edits(long, long.replace("value_50 = 50", "value_50 = 51")) == block("value_50 = 50", "value_50 = 51")
