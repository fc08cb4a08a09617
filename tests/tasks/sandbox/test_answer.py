"""Parsing what a hostile process wrote: only finite, shallow, storable JSON passes; nothing but Unfit is raised."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sandbox import answer

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0")), inner)
    ),
)


@settings(max_examples=30, deadline=None)
@given(values)
def test_round_trip(value: object) -> None:
    assert answer.parse(json.dumps(value).encode()) == value


@settings(max_examples=50, deadline=None)
@given(st.binary())
def test_nothing_but_unfit(raw: bytes) -> None:
    with contextlib.suppress(answer.Unfit):
        answer.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b'{"a": -1e999}', b"[" * 100_000, b'{"a":' * 100_000, b"1 2",
     b"9" * 5000, b'"\\ud800"', b'{"\\udfff": 1}', b'"\\u0000"', b"\xff\xfe", b"[" * 65 + b"]" * 65],
)  # fmt: skip
def test_unfit(raw: bytes) -> None:
    with pytest.raises(answer.Unfit):
        answer.parse(raw)


def test_depth_is_allowed_up_to_the_limit() -> None:
    deepest = b"[" * answer.MAX_DEPTH + b"]" * answer.MAX_DEPTH
    assert isinstance(answer.parse(deepest), list)


def test_text_can_be_stored() -> None:
    assert answer.text(b"a\0b\xffc") == "a�b�c"
