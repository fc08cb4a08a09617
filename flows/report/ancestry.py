"""Who the best was made from, and which items appeared with candidates that improved. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from cognition.archive import CandidateDigest
from cognition.records import Item, Score
from flows.report.records import Ancestor, ItemUse

#: More ancestors beside the main line than these are not shown: the nearest are.
MOST_BESIDE = 40


def lineage(best: str | None, digests: Mapping[str, CandidateDigest]) -> tuple[tuple[Ancestor, ...], int]:
    """The best and all it was made from, youngest first, and how many more there are."""
    if best is None or best not in digests:
        return (), 0
    main = _main_line(best, digests)
    beside = [id for id in _breadth_first(best, digests) if id not in main]
    kept = sorted([*main, *beside[:MOST_BESIDE]], key=lambda id: digests[id].round_index, reverse=True)
    return tuple(_ancestor(digests[id], id in main) for id in kept), max(0, len(beside) - MOST_BESIDE)


def _main_line(best: str, digests: Mapping[str, CandidateDigest]) -> list[str]:
    line: list[str] = []
    following: str | None = best
    while following is not None and following in digests and following not in line:
        line.append(following)
        following = next(iter(digests[following].lineage), None)
    return line


def _breadth_first(best: str, digests: Mapping[str, CandidateDigest]) -> list[str]:
    found = [best]
    for id in found:  # grows while it is read
        found += [one for one in digests[id].lineage if one in digests and one not in found]
    return found


def _ancestor(digest: CandidateDigest, is_main_line: bool) -> Ancestor:
    score = digest.outcome if isinstance(digest.outcome, Score) else None
    return Ancestor(
        digest.id,
        digest.round_index,
        score.fitness if score else None,
        score.standard_error if score else None,
        digest.provenance.proposer,
        digest.lineage,
        is_main_line,
    )


def improving(digests: Mapping[str, CandidateDigest], demoted: Collection[str] = ()) -> frozenset[str]:
    """The candidates that scored higher than all they were made from, or than the baseline if made from nothing.

    Not those whose score a re-test on fresh seeds found to be noise.
    """
    baseline = tuple(id for id, digest in digests.items() if digest.round_index == 0)
    return frozenset(
        id
        for id, digest in digests.items()
        if digest.round_index > 0 and id not in demoted and _improves(digest, digest.lineage or baseline, digests)
    )


def _improves(digest: CandidateDigest, before: Sequence[str], digests: Mapping[str, CandidateDigest]) -> bool:
    outcomes = [digests[id].outcome for id in before if id in digests]
    scores = [outcome.fitness for outcome in outcomes if isinstance(outcome, Score) and outcome.ranks]
    found = digest.outcome
    return isinstance(found, Score) and found.ranks and bool(scores) and found.fitness > max(scores)


def item_uses(
    retrieved: Mapping[str, tuple[str, ...]],
    digests: Mapping[str, CandidateDigest],
    better: frozenset[str],
    items: Mapping[str, Item],
) -> tuple[ItemUse, ...]:
    """How often each item appeared with improving candidates and with others. `retrieved`: by candidate id."""
    appeared: Counter[tuple[str, bool]] = Counter()
    declared: Counter[tuple[str, bool]] = Counter()
    for id, digest in digests.items():
        appeared.update((item, id in better) for item in retrieved.get(id, ()))
        declared.update((item, id in better) for item in digest.provenance.sources)
    names = sorted({item for item, _ in [*appeared, *declared]})
    uses = [
        ItemUse(
            name,
            items[name].insight if name in items else "",
            appeared[name, True],
            appeared[name, False],
            declared[name, True],
            declared[name, False],
        )
        for name in names
    ]
    return tuple(sorted(uses, key=lambda use: (-use.with_improving, use.with_others, use.id)))
