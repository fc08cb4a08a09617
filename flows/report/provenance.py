"""Where the ideas came from: the shares of cognition, experience and novelty (§4.1), of all candidates and of winners.

Measured by what each proposal declares, not by reading its program. A candidate counts as one, divided equally among
its declared sources: an item from literature or data is cognition; a lesson of our own runs, or an earlier candidate
whose result it names (for `recombine` the candidates it was put together from), is experience; a candidate that names
nothing is novel. Declarations are a model's word. The paper has its shares from a classification of its own, so they
can be set beside these and not be compared with them. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cognition.archive import CandidateDigest
from cognition.records import Item, Provenance, Score
from flows.report.records import Shares


def shares(provenances: Iterable[Provenance], items: Mapping[str, Item]) -> Shares | None:
    """The shares of these candidates; None if there are none.

    >>> shares([Provenance("openai"), Provenance("openai", candidates=("a-0001",))], {})
    Shares(cognition=0.0, experience=0.5, novel=0.5, candidates=2)
    """
    each = [_parts(provenance, items) for provenance in provenances]
    if not each:
        return None
    cognition, experience = (sum(part) / len(each) for part in zip(*each, strict=True))
    return Shares(cognition, experience, max(0.0, 1.0 - cognition - experience), len(each))


def winners(
    digests: Mapping[str, CandidateDigest], baseline_fitness: float | None, demoted: Collection[str] = ()
) -> Collection[str]:
    """The candidates that scored above the baseline, as the paper's 105 did; none if it has no score.

    Not those whose score a re-test on fresh seeds found to be noise.
    """
    if baseline_fitness is None:
        return ()
    return [
        id
        for id, digest in digests.items()
        if digest.round_index > 0
        and id not in demoted
        and isinstance(digest.outcome, Score)
        and digest.outcome.ranks
        and digest.outcome.fitness > baseline_fitness
    ]


def _parts(provenance: Provenance, items: Mapping[str, Item]) -> tuple[float, float]:
    """One candidate's shares of cognition and experience."""
    lessons = [id for id in provenance.sources if id in items and items[id].provenance == "experience"]
    cognition = len(set(provenance.sources)) - len(set(lessons))
    experience = len({*lessons, *provenance.candidates, *(provenance.built_on or ())})
    total = cognition + experience
    return (cognition / total, experience / total) if total else (0.0, 0.0)
