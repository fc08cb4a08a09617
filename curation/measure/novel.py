"""New issues, found while strategies are judged: what the discovery before round 1 did not see. No truth is used.

Three kinds: an issue that the rules know, left in a category and quality where discovery had not found it; a short
line that recurs at the edges of documents after cleaning and stands in no known clean text (inside documents lines
recur for good reason, such as a parameter of many functions); and what a model judge names beyond the known issues.
Each comes with the documents that show it, and is written to the cognition base as a lesson.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

from cognition.records import JSON, Lesson
from curation.corpus.build import Corpus
from curation.discovery import discover
from curation.measure.issues import ISSUES, counts
from curation.measure.judge import Verdict

FEWEST_DOCUMENTS, SHOWN, MOST = 3, 5, 5
LONGEST_LINE, FEWEST_WORDS, EDGE_LINES = 140, 2, 3


def observations(corpus: Corpus, cleaned: Sequence[str | None], verdict: Verdict, label: str) -> list[dict[str, JSON]]:
    """At most MOST of each kind, as plain values that travel with the measurements."""
    found = [*_left(corpus, cleaned, verdict), *_recurring(corpus, cleaned), *_reported(verdict, label)]
    return [dict(each) for each in found]


def lesson(domain: str, observation: dict[str, JSON]) -> Lesson:
    """An observation as the engine stores it; the same one of another round is one more piece of evidence."""
    where = observation["documents"]
    shown = ", ".join(str(index) for index in where[:SHOWN])
    numbers = f"documents {shown}" + (f" and {len(where) - SHOWN} more" if len(where) > SHOWN else "")
    return Lesson(domain, observation["claim"], "", True, numbers, observation["made_by"], observation["key"])


def _observation(key: str, claim: str, documents: Sequence[int], made_by: str = "rules") -> dict[str, JSON]:
    return {"key": key, "claim": claim, "documents": list(documents), "made_by": made_by}


@lru_cache(maxsize=8)
def _discovered(corpus: Corpus) -> frozenset[tuple[str, str, str]]:
    return frozenset((each.issue, each.category, each.quality) for each in discover(corpus.documents))


def _left(corpus: Corpus, cleaned: Sequence[str | None], verdict: Verdict) -> list[dict[str, JSON]]:
    shows: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index in verdict.chosen:
        document = corpus.documents[index]
        for name, count in counts(cleaned[index] or "").items():
            if count:
                shows[name, document.category, document.quality].append(index)
    new = [(key, where) for key, where in sorted(shows.items()) if len(where) >= FEWEST_DOCUMENTS]
    return [
        _observation(
            f"issue/{issue}/{category}/{quality}",
            f"Documents of {category.replace('_', ' ')} of {quality} quality show {issue}, which strategies leave.",
            where,
        )
        for (issue, category, quality), where in new
        if (issue, category, quality) not in _discovered(corpus)
    ][:MOST]


def _recurring(corpus: Corpus, cleaned: Sequence[str | None]) -> list[dict[str, JSON]]:
    clean = {_bare(line) for text in corpus.held_out for line in text.split("\n")}
    clean |= {_bare(line) for spike in corpus.spikes if spike.is_clean for line in spike.text.split("\n")}
    shows: defaultdict[str, list[int]] = defaultdict(list)
    inside: Counter[str] = Counter()
    for index, text in enumerate(cleaned):
        lines = [line for line in map(_bare, (text or "").split("\n")) if line]
        edges = dict.fromkeys((*lines[:EDGE_LINES], *lines[-EDGE_LINES:]))
        inside.update(set(lines) - set(edges))
        for line in edges:
            if len(line) <= LONGEST_LINE and len(line.split()) >= FEWEST_WORDS and line not in clean:
                shows[line].append(index)
    new = [(line, where) for line, where in shows.items() if len(where) >= FEWEST_DOCUMENTS]
    often = sorted((-len(where), line) for line, where in new if len(where) > inside[line])
    return [
        _observation(
            f"line/{line}",
            f"The line {line!r} recurs at the edges of documents after cleaning and is in no known clean text.",
            shows[line],
        )
        for _, line in often[:MOST]
    ]


def _reported(verdict: Verdict, label: str) -> list[dict[str, JSON]]:
    known = {words for name in ISSUES for words in (f"{name} left", f"{name} lost")}
    new = [(name, where) for name, where in verdict.reported.items() if name not in known]
    often = sorted(new, key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        _observation(f"judge/{name}", f"A judge of cleaned documents names an issue: {name}.", where, label)
        for name, where in often[:MOST]
        if len(where) >= 2
    ]


def _bare(line: str) -> str:
    return " ".join(line.split())
