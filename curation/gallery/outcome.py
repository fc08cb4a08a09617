"""What became of a document, in one word, and what a person should look at first. By rules; no truth is known here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from curation import referee
from curation.cleaning import Cleaned, Fault
from curation.measure.issues import without_issues
from curation.measure.judge import JUNK_TOKENS
from curation.measure.tokens import tokens

Outcome = Literal["failed", "dropped", "over-deleted", "changed", "unchanged"]
OUTCOMES: tuple[Outcome, ...] = ("failed", "over-deleted", "dropped", "changed", "unchanged")
#: A larger share of lost words that no rule finds fault with counts as over-deletion.
MOST_LOST = 0.3


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome; the share of faultless words that are lost (None: there were hardly any); a remark or ""."""

    outcome: Outcome
    lost: float | None
    remark: str = ""


def seen(original: str, cleaned: Cleaned) -> Seen:
    """The verdict of the rules.

    >>> seen("one two", "one two").outcome
    'unchanged'
    """
    if isinstance(cleaned, Fault):
        return Seen("failed", None, f"{cleaned.kind}: {cleaned.message}")
    lost = lost_share(original, cleaned or "")
    if not cleaned:
        remark = "" if lost is None else f"{lost:.0%} of words without fault are lost"
        return Seen("dropped", lost, remark)
    remark = referee.offence(original, cleaned)
    if cleaned == original:
        return Seen("unchanged", lost, remark)
    if lost is not None and lost > MOST_LOST:
        return Seen("over-deleted", lost, remark or f"{lost:.0%} of words without fault are lost")
    return Seen("changed", lost, remark)


def lost_share(original: str, cleaned: str) -> float | None:
    """The share of the words outside any issue that is gone; None if the document had next to none."""
    good = Counter(tokens(without_issues(original)))
    if good.total() < JUNK_TOKENS:
        return None
    return 1.0 - (good & Counter(tokens(cleaned))).total() / good.total()
