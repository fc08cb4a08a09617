"""Whether a cleaned text can have come from its original by cleaning. Trusted code; it needs no truth.

Cleaning takes away, repairs and normalises. It does not grow a document, invent text (of its own, or of another
document: merging), or change the order of what it keeps. Repaired mojibake and entities are known here, so that a
repair is not taken for an invention. Each rule has a little slack; what it lets through is bounded by it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

from cognition.records import Failure, FailureKind
from curation.cleaning import Cleaned, Fault
from curation.strategy import PLACEHOLDERS

WORD = re.compile(r"[^\W\d_]{3,}")
PLACEHOLDER = re.compile("|".join(re.escape(tag) for tag in PLACEHOLDERS))
SLACK_SHARE, SLACK_WORDS = 0.03, 3  # of the kept words; at least so many
MOST_OFFENDERS_SHARE = 0.004  # two documents of 500 may be odd


def refuse(originals: Sequence[str], cleaned: Sequence[Cleaned]) -> Failure | None:
    """Why a strategy's answers are not to be scored, or None. Names the first documents that show it."""
    if failed := faults(cleaned):
        return failed
    found = [(index, name) for index, name in _offences(originals, cleaned)]
    if len(found) <= MOST_OFFENDERS_SHARE * len(originals):
        return None
    counts = Counter(name for _, name in found)
    shown = ", ".join(f"{index}: {name}" for index, name in found[:3])
    worst = counts.most_common(1)[0][0]
    return Failure(FailureKind.INVALID, f"the strategy {worst} ({len(found)} of {len(originals)} documents; {shown})")


def faults(cleaned: Sequence[Cleaned]) -> Failure | None:
    """The failure of a strategy that fails on documents, or None."""
    crashed = [(index, each) for index, each in enumerate(cleaned) if isinstance(each, Fault)]
    if not crashed:
        return None
    index, fault = crashed[0]
    kind = {"cpu_time": FailureKind.CPU_TIME, "crash": FailureKind.CRASH}.get(fault.kind, FailureKind.INVALID)
    what = "loops or is far too slow" if kind is FailureKind.CPU_TIME else "fails"
    return Failure(kind, f"clean() {what} on {len(crashed)} documents, first on {index}: {fault.message}")


def _offences(originals: Sequence[str], cleaned: Sequence[Cleaned]) -> Iterator[tuple[int, str]]:
    for index, (original, text) in enumerate(zip(originals, cleaned, strict=True)):
        if isinstance(text, str) and (name := offence(original, text)):
            yield index, name


def offence(original: str, text: str) -> str:
    """What a cleaned text does that cleaning does not: "" if nothing.

    >>> offence("one two three", "three four fives sixes seven")
    'invents text'
    """
    kept = words(PLACEHOLDER.sub(" ", text))
    source = words(original)
    available = Counter(source)
    repaired = Counter(words(repair(original)))
    slack = max(SLACK_WORDS, SLACK_SHARE * len(kept))
    letters = _letters(original)
    unknown = [word for word in kept if word not in available and word not in repaired]
    if sum(_letters(word) not in letters for word in unknown) > slack:
        return "invents text"
    most = available | repaired
    surplus = sum(count - most[word] for word, count in Counter(kept).items() if count > most[word] > 0)
    if surplus > slack or len(text) > 1.5 * len(original) + 200:
        return "grows documents"
    if _out_of_order(source, kept) > slack:
        return "reorders text"
    return ""


def words(text: str) -> list[str]:
    """Runs of at least three letters, compatibility forms and cases folded."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def repair(text: str) -> str:
    """The text with entities decoded, tags cut out, soft hyphens joined and mojibake undone: what may newly appear."""
    text = re.sub(r"<[^<>]{0,300}>", "", html.unescape(html.unescape(text)))
    both = (_undone(line) or line for line in text.split("\n"))
    text = re.sub("[\xad\u200b-\u200f\ufeff]", "", "\n".join(both))
    return re.sub(r"(\w)-\n(\w)", r"\1\2", text)


def _undone(line: str) -> str:
    for codec in ("cp1252", "latin-1"):
        try:
            return line.encode(codec).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    return ""


def _letters(text: str) -> str:
    """The plain letters alone, in which a word that was split by a tag, a sign or mojibake is found again."""
    return re.sub("[^a-z]+", "", re.sub(r"<[^<>]{0,300}>", "", text.lower()))


def _out_of_order(source: Sequence[str], kept: Sequence[str]) -> int:
    """How many words that occur once on both sides break the order: those outside the longest rising run."""
    once = {word for word, count in Counter(source).items() if count == 1}
    once &= {word for word, count in Counter(kept).items() if count == 1}
    place = {word: position for position, word in enumerate(source) if word in once}
    tails: list[int] = []
    order = [place[word] for word in kept if word in once]
    for position in order:
        at = bisect_right(tails, position)
        tails[at : at + 1] = [position]
    return len(order) - len(tails)
