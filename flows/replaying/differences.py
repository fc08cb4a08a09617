"""Where two pictures of a campaign differ, and what that says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cognition.records import JSON, round_id
from flows.replaying.records import Picture


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not what it was."""

    where: str  # a round id, "cells" or "ranking"
    what: str  # e.g. evaluations[0].metrics.closeness
    recorded: str
    replayed: str


def differences(campaign: str, recorded: Picture, replayed: Picture) -> tuple[Difference, ...]:
    """All of them, by round; the order is that of the rounds' numbers."""
    return tuple(_differences(campaign, recorded, replayed))


def _differences(campaign: str, recorded: Picture, replayed: Picture) -> Iterator[Difference]:
    for index in sorted(recorded.rounds.keys() | replayed.rounds.keys()):
        one, other = recorded.rounds.get(index), replayed.rounds.get(index)
        yield from _compared(round_id(campaign, index), "", one, other)
    yield from _compared("cells", "", list(recorded.cells), list(replayed.cells))
    yield from _compared("ranking", "", list(recorded.ranking), list(replayed.ranking))


def _compared(where: str, what: str, one: JSON, other: JSON) -> Iterator[Difference]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            inner = f"{what}.{key}" if what else str(key)
            yield from _compared(where, inner, one.get(key, MISSING), other.get(key, MISSING))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _compared(where, f"{what}[{place}]", left, right)
    elif not _same(one, other):
        yield Difference(where, what or "all of it", _shown(one), _shown(other))


MISSING = "(nothing)"


def _same(one: JSON, other: JSON) -> bool:
    """Equal in value and kind, floats to the last bit; lists and tuples are alike."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return type(one) is type(other) and one == other


def _shown(value: JSON) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def unrepeatable(campaign: str, recorded: Picture, replayed: Picture) -> tuple[str, ...]:
    """The rounds in which the very same program was measured differently on the same seeds."""
    found = []
    for index, one in recorded.rounds.items():
        other = replayed.rounds.get(index)
        if other is None or one.get("code") is None or one["code"] != other.get("code"):
            continue
        if any(True for _ in _compared("", "", _measured(one), _measured(other))):
            found.append(round_id(campaign, index))
    return tuple(found)


def _measured(round: Mapping[str, JSON]) -> JSON:
    """What was measured, and how that ended: not the score, which is made from several."""
    outcome = round["outcome"]
    return [round["evaluations"], outcome["kind"]]
