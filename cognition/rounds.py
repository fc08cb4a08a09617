"""Rounds in the archive: who works on them, what was sampled for them, how they ended.

A round is claimed by a lease with a fencing token. Every takeover raises the token, and what a former owner brings
afterwards is refused, so that two workers can never both record. States: running, recorded, failed (by our machine),
open (reopened, nobody works on it).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, exists, insert, select, update

from cognition.campaigns import find_campaign
from cognition.database import Database, now_iso
from cognition.errors import ArchiveError, RoundBusy, StaleLease
from cognition.records import STEPS, Failure, Outcome, Sample, Score, round_id
from cognition.samplers.view import View
from cognition.schema import NEVER, campaigns, candidates, demotions, rounds
from cognition.view import ArchiveView, newest_sequence

State = Literal["running", "recorded", "failed", "open"]
Found = Row[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class OpenRound:
    """A claim on a round, and everything that was decided when it was first opened."""

    round_id: str
    token: int
    sample: Sample
    revision: dict[str, int]  # for every step
    candidate_id: str


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """One line of a report."""

    index: int
    id: str
    state: State
    candidate_id: str | None
    parent: str | None
    references: tuple[str, ...]
    sampler: str | None
    island: int | None
    outcome_kind: str | None  # "scored", a FailureKind, or None while there is no outcome
    fitness: float | None
    best_fitness: float | None  # of this and all rounds of lower index; demoted candidates left out
    unranked: str  # why its fitness is in no ranking; "" if it is
    reason: str  # why there is no score
    failed_step: str  # where it failed, by whosever fault; "": it did not, or it is not known
    started_at: str
    ended_at: str | None


class RoundStore:
    """The archive's part about rounds."""

    database: Database

    def open_round(
        self, campaign: str, index: int, owner: str, lease_s: float, choose: Callable[[View], Sample]
    ) -> OpenRound:
        """Claim a round, and draw its sample if it has none. Raises RoundBusy while another owner's lease lives.

        `choose` runs inside the transaction and must not write. A recorded round is handed out as it is.
        """
        identity = round_id(campaign, index)
        with self.database.write() as tx:
            row = _lookup(tx, identity)
            if row is None:
                find_campaign(tx, campaign)
                _insert(tx, campaign, index, owner, lease_s)
            elif row.state != "recorded":
                _take_over(tx, row, owner, lease_s)
            claimed = find_round(tx, identity)
            sample = claimed.sample or _draw(tx, campaign, identity, choose)
            return OpenRound(identity, claimed.token, sample, revision_of(claimed), next_candidate_id(tx, claimed))

    def reserve_round(self, campaign: str, index: int, owner: str, lease_s: float) -> int | None:
        """Claim a round that is neither recorded nor in work, without drawing its sample; the token, or None.

        For several processes that share a campaign: the owner opens the round (`open_round`) before the lease ends.
        """
        identity = round_id(campaign, index)
        with self.database.read() as tx:
            if not _is_free(_lookup(tx, identity)):
                return None
        with self.database.write() as tx:
            row = _lookup(tx, identity)
            if not _is_free(row):
                return None
            if row is None:
                find_campaign(tx, campaign)
                _insert(tx, campaign, index, owner, lease_s)
            else:
                _take_over(tx, row, owner, lease_s)
            return int(find_round(tx, identity).token)

    def renew_lease(self, round_id: str, token: int, lease_s: float) -> None:
        """Keep a claim for another `lease_s`. Raises StaleLease if somebody else has taken the round over."""
        with self.database.write() as tx:
            row = find_round(tx, round_id)
            check_token(row, token)
            if row.state == "running":
                tx.execute(update(rounds).where(rounds.c.id == round_id).values(lease_until=time.time() + lease_s))

    def fail_round(self, round_id: str, token: int, reason: str, step: str = "") -> bool:
        """Give a round up because of our machine. False, and nothing changed, if it is no longer ours or recorded."""
        failed = {"state": "failed", "lease_until": 0.0, "reason": reason, "failed_step": step, "ended_at": now_iso()}
        ours = (rounds.c.id == round_id, rounds.c.token == token, rounds.c.state == "running")
        with self.database.write() as tx:
            return bool(tx.execute(update(rounds).where(*ours).values(failed)).rowcount)

    def release_round(self, round_id: str, token: int) -> bool:
        """Give a round back that nothing is wrong with. False, and nothing changed, if it is no longer ours."""
        ours = (rounds.c.id == round_id, rounds.c.token == token, rounds.c.state == "running")
        with self.database.write() as tx:
            return bool(tx.execute(update(rounds).where(*ours).values(state="open", lease_until=0.0)).rowcount)

    def release_leases(self, campaign: str, is_dead: Callable[[str], bool]) -> int:
        """Give up the running rounds whose owner is dead, so that they can be taken over at once; returns how many."""
        running = (rounds.c.campaign == campaign, rounds.c.state == "running")
        failed = {"state": "failed", "lease_until": 0.0, "reason": "its process is gone", "ended_at": now_iso()}
        with self.database.write() as tx:
            rows = tx.execute(select(rounds.c.id, rounds.c.owner).where(*running)).all()
            dead = [row.id for row in rows if is_dead(row.owner)]
            for identity in dead:
                tx.execute(update(rounds).where(rounds.c.id == identity).values(failed))
        return len(dead)

    def reopen_round(self, round_id: str, from_step: str, steps: Sequence[str] = STEPS) -> None:
        """Ask for a round to be run again from a step on; the sample stays. Raises RoundBusy, ArchiveError."""
        if from_step not in steps:
            raise ArchiveError(f"there is no step {from_step!r}; steps are {', '.join(steps)}")
        again = steps[list(steps).index(from_step) :]
        with self.database.write() as tx:
            row = find_round(tx, round_id)
            _refuse_if_busy(row, owner=None)
            revision = revision_of(row) | {step: revision_of(row).get(step, 1) + 1 for step in again}
            values = {"revision": revision, "state": "open", "token": row.token + 1, "lease_until": 0.0}
            tx.execute(update(rounds).where(rounds.c.id == round_id).values(values))

    def recorded_rounds(self, campaign: str) -> frozenset[int]:
        """The indices of the rounds that are done."""
        query = select(rounds.c.round_index).where(rounds.c.campaign == campaign, rounds.c.state == "recorded")
        with self.database.read() as tx:
            return frozenset(tx.execute(query).scalars())

    def without_candidate(self, campaign: str, k: int) -> tuple[Failure, ...]:
        """How the last k rounds ended whose proposals were not run, vetoes among them; newest first."""
        barren = (rounds.c.state == "recorded", rounds.c.candidate.is_(None), rounds.c.campaign == campaign)
        query = select(rounds.c.outcome).where(*barren).order_by(rounds.c.round_index.desc()).limit(k)
        with self.database.read() as tx:
            return tuple(outcome for outcome in tx.execute(query).scalars() if isinstance(outcome, Failure))

    def busy_rounds(self, campaign: str, besides: str) -> frozenset[int]:
        """The indices of the rounds that an owner other than this one works on, under a living lease."""
        running = (rounds.c.campaign == campaign, rounds.c.state == "running", rounds.c.owner != besides)
        query = select(rounds.c.round_index).where(*running, rounds.c.lease_until > time.time())
        with self.database.read() as tx:
            return frozenset(tx.execute(query).scalars())

    def outcome(self, round_id: str) -> Outcome | None:
        """How a recorded round ended; None if it is not recorded."""
        query = select(rounds.c.outcome).where(rounds.c.id == round_id, rounds.c.state == "recorded")
        with self.database.read() as tx:
            return tx.execute(query).scalar()

    def rounds(self, campaign: str) -> list[RoundSummary]:
        """All rounds by index, for reports."""
        with self.database.read() as tx:
            rows = tx.execute(select(rounds).where(rounds.c.campaign == campaign).order_by(rounds.c.round_index)).all()
            standing = (demotions.c.campaign == campaign, demotions.c.until == NEVER)
            demoted = set(tx.execute(select(demotions.c.candidate).where(*standing)).scalars())
        summaries, best = [], None
        for row in rows:
            summary = _summary(row, best, is_demoted=row.candidate in demoted)
            best = summary.best_fitness
            summaries.append(summary)
        return summaries


def find_round(tx: Connection, identity: str) -> Found:
    """The round's row. Raises ArchiveError."""
    row = _lookup(tx, identity)
    if row is None:
        raise ArchiveError(f"there is no round {identity!r}; a round is named CAMPAIGN-0007, see `nightshift status`")
    return row


def check_token(row: Found, token: int) -> None:
    """Raises StaleLease unless the token is the round's current one."""
    if row.token != token:
        raise StaleLease(f"round {row.id} was taken over: the current token is {row.token}, this one is {token}")


def revision_of(row: Found) -> dict[str, int]:
    """The revision of every step: 1 unless it was reopened."""
    stored: dict[str, int] = row.revision
    return dict.fromkeys(STEPS, 1) | stored


def next_candidate_id(tx: Connection, row: Found) -> str:
    """The id under which this round's next candidate is recorded, or the current one of a recorded round."""
    if row.state == "recorded":
        return str(row.candidate or row.id)
    has_one = tx.execute(select(exists().where(candidates.c.round_id == row.id))).scalar()
    return f"{row.id}r{max(revision_of(row).values())}" if has_one else str(row.id)


def _lookup(tx: Connection, identity: str) -> Found | None:
    return tx.execute(select(rounds).where(rounds.c.id == identity)).one_or_none()


def _insert(tx: Connection, campaign: str, index: int, owner: str, lease_s: float) -> None:
    values = {
        "id": round_id(campaign, index),
        "campaign": campaign,
        "round_index": index,
        "state": "running",
        "owner": owner,
        "lease_until": time.time() + lease_s,
        "token": 1,
        "revision": {},
        "started_at": now_iso(),
    }
    tx.execute(insert(rounds).values(values))


def _take_over(tx: Connection, row: Found, owner: str, lease_s: float) -> None:
    _refuse_if_busy(row, owner)
    values = {
        "state": "running",
        "owner": owner,
        "lease_until": time.time() + lease_s,
        "token": row.token + 1,
        "reason": "",
        "failed_step": "",
        "ended_at": None,
    }
    tx.execute(update(rounds).where(rounds.c.id == row.id).values(values))


def _refuse_if_busy(row: Found, owner: str | None) -> None:
    left_s = row.lease_until - time.time()
    if row.state == "running" and row.owner != owner and left_s > 0:
        raise RoundBusy(
            f"round {row.id} is being worked on by {row.owner}, whose lease lives for another {left_s:.0f} s: wait"
        )


def _is_free(row: Found | None) -> bool:
    if row is None or row.state in ("failed", "open"):
        return True
    return bool(row.state == "running" and row.lease_until <= time.time())


def _draw(tx: Connection, campaign: str, identity: str, choose: Callable[[View], Sample]) -> Sample:
    """Choose and store the sample. The draw counts as a visit of its parent, whatever becomes of the round."""
    opened = tx.execute(select(campaigns.c.opened).where(campaigns.c.name == campaign)).scalar_one()
    view = ArchiveView(tx, campaign, newest_sequence(tx), opened)
    sample = choose(view)
    visit = view.visits_of(sample.parent) + 1 if sample.parent else None
    values = {"sample": sample, "parent": sample.parent, "visit": visit, "opened": opened + 1}
    tx.execute(update(rounds).where(rounds.c.id == identity).values(values))
    tx.execute(update(campaigns).where(campaigns.c.name == campaign).values(opened=opened + 1))
    return sample


def _summary(row: Found, best: float | None, *, is_demoted: bool) -> RoundSummary:
    outcome: Outcome | None = row.outcome
    sample: Sample | None = row.sample
    fitness = outcome.fitness if isinstance(outcome, Score) else None
    unranked = outcome.unranked if isinstance(outcome, Score) else ""
    known = [value for value in (best, None if unranked or is_demoted else fitness) if value is not None]
    kind, reason = None, row.reason
    if outcome is not None:
        kind = "scored" if isinstance(outcome, Score) else str(outcome.kind)
        reason = row.reason or (unranked if isinstance(outcome, Score) else outcome.reason)
    return RoundSummary(
        index=row.round_index,
        id=row.id,
        state=row.state,
        candidate_id=row.candidate,
        parent=row.parent,
        references=sample.references if sample else (),
        sampler=sample.sampler if sample else None,
        island=sample.island if sample else None,
        outcome_kind=kind,
        fitness=fitness,
        best_fitness=max(known, default=None),
        unranked=unranked,
        reason=reason,
        failed_step=row.failed_step,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
