"""In which order a campaign drew its samples, recorded its rounds and demoted elites. Pure.

A sample depends on what was recorded before it was drawn, and with several rounds in flight that is a matter of chance.
The archive keeps enough to say it exactly: samples are numbered, and each says up to which candidate it has read. A
round without a candidate matters to others only through the reasons that `retrieve` shows, so it is placed by time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cognition.archive import Demotion, DrawnRound
from flows.replaying.records import Event


def events(drawn: Sequence[DrawnRound], demotions: Sequence[Demotion] = ()) -> tuple[Event, ...]:
    """All events; `drawn` in the order of their samples."""
    return tuple(_events(drawn, demotions))


def _events(drawn: Sequence[DrawnRound], demotions: Sequence[Demotion]) -> Iterator[Event]:
    open_rounds: list[DrawnRound] = []
    for position, round in enumerate(drawn):
        done = [one for one in open_rounds if _was_over(one, round)]
        yield from (Event("record", one.index) for one in _in_order(done))
        open_rounds = [one for one in open_rounds if one not in done]
        yield from _verdicts(demotions, round.opened - 1, first=position == 0)
        yield Event("draw", round.index)
        if round.is_recorded:
            open_rounds.append(round)
    yield from (Event("record", one.index) for one in _in_order(open_rounds))
    if drawn:
        yield from _verdicts(demotions, drawn[-1].opened)


def _was_over(one: DrawnRound, later: DrawnRound) -> bool:
    """Whether a round was recorded when a later one was drawn."""
    if one.sequence is not None:
        return one.sequence <= later.sample.sequence
    return one.ended_at is not None and later.retrieved_at is not None and one.ended_at < later.retrieved_at


def _in_order(rounds: Sequence[DrawnRound]) -> list[DrawnRound]:
    """As they were recorded: candidates by their number, the others by time among them."""
    with_candidate = sorted((one for one in rounds if one.sequence is not None), key=lambda one: one.sequence or 0)
    found = list(with_candidate)
    for one in sorted((one for one in rounds if one.sequence is None), key=lambda one: one.ended_at or ""):
        before = [place for place, other in enumerate(found) if (other.ended_at or "") <= (one.ended_at or "")]
        found.insert(before[-1] + 1 if before else 0, one)
    return found


def _verdicts(demotions: Sequence[Demotion], drawn: int, *, first: bool = False) -> Iterator[Event]:
    """What was decided when so many samples had been drawn."""
    for one in demotions:
        if one.since == drawn:
            yield Event("demote", None, one.candidate, one.rung, one.gain, one.replicates)
        if one.until == drawn and not first:
            yield Event("reinstate", None, one.candidate, one.rung)
