"""Which of the items that text and vectors found are worth recalling. Pure.

Reciprocal-rank fusion joins the two rankings, whose scores cannot be compared; the measured uplift of an item raises or
lowers it; then items are taken one by one, each for its score less what those before it say already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cognition.records import Item
from cognition.similar import meaning

#: Reciprocal-rank fusion's constant: how little it matters to be first instead of second.
FUSION_RANK = 60

_PUNCTUATION = ".,;:!?()[]{}\"'“”„‘’"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    """How items are chosen. The numbers are ours; what was measured of them is in docs/cognition.md.

    The paper's threshold is a cosine of 0.4 (App. A), of its own embedding model. Models differ in how near a symptom
    comes to its remedy: of a small sentence encoder 0.4 would cut off what vectors add.
    """

    least_cosine: float = 0.2
    vector_weight: float = 0.6  # of the vectors' ranking beside the text's, which counts 1
    least_share: float = 0.1  # of the best text score: scores of one search can only be compared with one another
    diversity: float = 0.3  # how much likeness to what was taken already counts against an item
    uplift_weight: float = 2.0  # an uplift of 0.1 raises a score by a fifth; at most by half, at least by minus half


@dataclass(frozen=True, slots=True)
class Recalled:
    """An item worth showing, its version, its fused score and what it was measured to bring (None: not known)."""

    item: Item
    version: int
    score: float
    uplift: float | None = None


@dataclass(frozen=True, slots=True)
class Ranked(Generic[T]):
    """One ranking's entry: something found, and its score there."""

    found: T
    score: float


def above_share(ranking: Sequence[Ranked[T]], share: float) -> list[T]:
    """Those that score at least that share of the best, in order.

    >>> above_share([Ranked("a", 8.0), Ranked("b", 2.0), Ranked("c", 0.5)], 0.1)
    ['a', 'b']
    """
    return [entry.found for entry in ranking if entry.score >= share * ranking[0].score]


def fused(*rankings: tuple[Sequence[T], float]) -> dict[T, float]:
    """Reciprocal-rank fusion of rankings, each with its weight.

    >>> scores = fused((["a", "b"], 1.0), (["b", "c"], 0.6))
    >>> sorted(scores, key=lambda name: -scores[name])
    ['b', 'a', 'c']
    """
    scores: dict[T, float] = {}
    for ranking, weight in rankings:
        for rank, found in enumerate(ranking, start=1):
            scores[found] = scores.get(found, 0.0) + weight / (FUSION_RANK + rank)
    return scores


def with_uplift(score: float, uplift: float | None, weight: float) -> float:
    """A score raised or lowered by what its item was measured to bring.

    >>> with_uplift(1.0, 0.1, 2.0), with_uplift(1.0, None, 2.0), with_uplift(1.0, -0.9, 2.0)
    (1.2, 1.0, 0.5)
    """
    return score if uplift is None else score * min(1.5, max(0.5, 1.0 + weight * uplift))


def chosen(
    found: Mapping[str, tuple[Item, int]], scores: Mapping[str, float], uplifts: Mapping[str, float], k: int, rule: Rule
) -> list[Recalled]:
    """At most k items, by score and difference from one another (maximal marginal relevance)."""
    raised = {id: with_uplift(scores[id], uplifts.get(id), rule.uplift_weight) for id in found}
    words = {id: _words(meaning(item)) for id, (item, _) in found.items()}
    taken: list[str] = []
    likeness = dict.fromkeys(found, 0.0)  # to the most similar one that was taken
    best = max(raised.values(), default=1.0)
    while len(taken) < min(k, len(found)):
        rest = [id for id in found if id not in taken]
        worth = {
            id: (1 - rule.diversity) * _relevance(raised[id] / best) - rule.diversity * likeness[id] for id in rest
        }
        pick = max(rest, key=lambda id: worth[id])
        taken.append(pick)
        for id in rest:
            both = len(words[id] & words[pick])
            likeness[id] = max(likeness[id], both / max(1, len(words[id]) + len(words[pick]) - both))
    return [Recalled(*found[id], raised[id], uplifts.get(id)) for id in taken]


def _words(text: str) -> frozenset[str]:
    """Roughly the words: what twins are told by (cognition/similar.py) takes ten times as long.

    >>> sorted(_words("Gaps, at the (Edges)."))
    ['at', 'edges', 'gaps', 'the']
    """
    return frozenset(word.strip(_PUNCTUATION) for word in text.casefold().split())


def _relevance(share: float) -> float:
    """A share of the best score, stretched: fused scores of the first and the twentieth differ by a quarter only.

    >>> _relevance(1.0), round(_relevance((FUSION_RANK + 1) / (FUSION_RANK + 20)), 3)
    (1.0, 0.0)
    """
    lowest = (FUSION_RANK + 1) / (FUSION_RANK + 20)
    return (share - lowest) / (1.0 - lowest)
