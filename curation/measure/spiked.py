"""What became of known passages in documents whose truth nobody knows: the F1 of kept tokens on those passages alone.

A passage is followed by its runs of GRAM tokens that stand nowhere else in its document, so that words which the rest
of the document has too prove nothing. Right: runs of clean passages that are still there; kept: these and those of
noisy ones; true: all runs of clean passages. The counts are those of measure/tokens.py, and so are the intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from curation.corpus.build import Corpus
from curation.measure.tokens import Kept, tokens

GRAM = 3
Grams = Counter[tuple[str, ...]]


def kept(corpus: Corpus, cleaned: Sequence[str | None]) -> Kept:
    """Counts per document; zero where nothing was put in."""
    right, held, true = (np.zeros(len(cleaned)) for _ in range(3))
    for at, text, is_clean in ((spike.document, spike.text, spike.is_clean) for spike in corpus.spikes):
        own = own_grams(text, corpus.documents[at].text)
        left = (own & grams(cleaned[at] or "", len(next(iter(own), ())))).total()
        held[at] += left
        if is_clean:
            right[at] += left
            true[at] += own.total()
    return Kept(right, held, true)


def own_grams(passage: str, document: str) -> Grams:
    """The passage's runs that stand in it alone.

    >>> sorted(own_grams("a b c d", "x a b c d y a b c"))
    [('b', 'c', 'd')]
    """
    size = min(GRAM, len(tokens(passage)))
    own, everywhere = grams(passage, size), grams(document, size)
    return Counter({gram: count for gram, count in own.items() if everywhere[gram] == count})


def grams(text: str, size: int) -> Grams:
    """Runs of so many tokens."""
    found = tokens(text)
    return Counter(tuple(found[at : at + size]) for at in range(len(found) - size + 1)) if size else Counter()
