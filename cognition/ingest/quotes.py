"""Whether a quote is in a source: the same words, whatever became of white space, line breaks and hyphens. Pure.

Texts are compared after NFKC, in one case, with one kind of quotation mark and dash, runs of white space as one space,
and hyphens inside a word taken out, since a line break may have put them there. Numbers, signs and words have to be
the same, in the same order, and whole.
"""

from __future__ import annotations

import re
import unicodedata

#: A shorter quote is found in any text, and shows nothing. Ours.
LEAST_CHARS, LEAST_WORDS = 20, 3
#: A longer one is not evidence for one claim, but a copy.
MOST_CHARS = 800

_SIGNS = str.maketrans(
    {"\u00ad": "", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "“": '"', "”": '"', "„": '"'}
    | {"‘": "'", "’": "'", "`": "'"}
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])-\s*(?=[^\W\d_])")


def normalised(text: str) -> str:
    """A text as quotes are compared.

    >>> normalised("State-\\nspace  models  are ﬁne")
    'statespace models are fine'
    """
    plain = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS).casefold()
    return _HYPHEN.sub("", " ".join(plain.split()))


def missing(quote: str, normal_source: str) -> str | None:
    """Why a quote is no evidence from that source, whose text is normalised already; None if it is.

    >>> source = normalised("We find that the gate\\nmust stay above 0.1 at all times.")
    >>> missing("the gate must stay above 0.1", source)
    >>> missing("the gate must stay above 0.01", source)
    'its quote is not in the source'
    """
    wanted = normalised(quote).strip(" \"'")
    if not wanted:
        return "it quotes nothing"
    if len(wanted) < LEAST_CHARS or len(wanted.split()) < LEAST_WORDS:
        return f"its quote is too short to be evidence (at least {LEAST_CHARS} characters, {LEAST_WORDS} words)"
    if len(wanted) > MOST_CHARS:
        return f"its quote is too long to be evidence for one claim (at most {MOST_CHARS} characters)"
    if not _has(normal_source, wanted):
        return "its quote is not in the source"
    return None


def _has(source: str, wanted: str) -> bool:
    at = source.find(wanted)
    while at >= 0:
        before, after = source[at - 1 : at], source[at + len(wanted) : at + len(wanted) + 2]
        if not _continues(before, wanted[0]) and not _goes_on(wanted[-1], after):
            return True
        at = source.find(wanted, at + 1)
    return False


def _continues(before: str, first: str) -> bool:
    return (before.isalnum() and first.isalnum()) or (before in {"-", ".", ",", "/"} and first.isdigit())


def _goes_on(last: str, after: str) -> bool:
    """Whether the quote breaks off inside a word or a number."""
    if last.isalnum() and after[:1].isalnum():
        return True
    return last.isdigit() and (after[:1] == "%" or (after[:1] in {".", ",", "/"} and after[1:2].isdigit()))
