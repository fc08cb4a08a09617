"""Quotes: white space and hyphens may differ, words and numbers may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognition.ingest.quotes import missing, normalised

SOURCE = normalised(
    "State-space models are fast. We keep the de-\ncay above 0.15 and −2.5 below, as “others” did.\n\n"
    "The ﬁnal loss was 1,024.5 in all of the runs that calculate the mean."
)


@pytest.mark.parametrize(
    "quote",
    [
        "State-space models are fast.",
        "statespace  models\nare fast",
        "We keep the decay above 0.15",
        'above 0.15 and -2.5 below, as "others" did',
        "The final loss was 1,024.5 in all of the runs",
    ],
)
def test_the_same_words_are_found(quote: str) -> None:
    assert missing(quote, SOURCE) is None


@pytest.mark.parametrize(
    ("quote", "reason"),
    [
        ("", "it quotes nothing"),
        ("the final loss", "its quote is too short to be evidence (at least 20 characters, 3 words)"),
        ("We keep the decay above 0.1", "its quote is not in the source"),  # breaks off inside a number
        ("We keep the decay above 0.25", "its quote is not in the source"),
        ("above 0.15 and 2.5 below, as others did", "its quote is not in the source"),
        ("late the mean. State-space models", "its quote is not in the source"),
        ("late the mean in all of the runs", "its quote is not in the source"),
        ("The final loss was 1,024", "its quote is not in the source"),
        ("5 in all of the runs that calculate", "its quote is not in the source"),  # begins inside a number
        ("x" * 801 + " y z", "its quote is too long to be evidence for one claim (at most 800 characters)"),
    ],
)
def test_other_words_are_not(quote: str, reason: str) -> None:
    assert missing(quote, SOURCE) == reason


_WORDS = st.lists(st.text("abcdefghij", min_size=4, max_size=9), min_size=8, max_size=30)


@given(
    words=_WORDS, at=st.integers(0, 3), breaks=st.lists(st.sampled_from([" ", "\n", "  ", "\t", "-\n"]), min_size=29)
)
def test_every_run_of_words_is_found_however_the_source_is_broken(words: list[str], at: int, breaks: list[str]) -> None:
    broken = "".join(
        word[:2] + "-\n" + word[2:] + " " if gap == "-\n" else word + gap
        for word, gap in zip(words, breaks, strict=False)
    )
    assert missing(" ".join(words[at : at + 5]), normalised(broken)) is None


def test_a_part_of_a_fraction_or_a_percentage_is_no_quote() -> None:
    source = normalised("About 1/3 of the runs failed here, and the gain was 10% in the rest.")
    for part in ("3 of the runs failed here", "here, and the gain was 10", "About 1/3 of the runs failed here, and 1"):
        assert missing(part, source) == "its quote is not in the source"
    assert missing("1/3 of the runs failed here", source) is None
    assert missing("here, and the gain was 10%", source) is None
