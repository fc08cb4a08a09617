"""Candidates in the archive: finding one, the best, the newest, the same program."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, select

from cognition.database import Database
from cognition.errors import ArchiveError
from cognition.records import FRESH_FROM, Candidate, Evaluation
from cognition.schema import candidates, evaluations, rounds, scores
from cognition.view import stands


class CandidateStore:
    """The archive's part about candidates. `up_to` hides what was recorded after that sequence number."""

    database: Database

    def candidate(self, id: str) -> Candidate:
        """One candidate, superseded or not. Raises ArchiveError."""
        found = self._load(select(candidates.c.seq).where(candidates.c.id == id))
        if not found:
            with self.database.read() as tx:
                raise ArchiveError(_why_missing(tx, id))
        return found[0]

    def best(self, campaign: str) -> Candidate | None:
        """The one with the highest fitness, the oldest of equals; None if nothing has a score. Not a demoted one."""
        return next(iter(self.top(campaign, 1)), None)

    def top(self, campaign: str, k: int, up_to: int | None = None) -> list[Candidate]:
        """The k best, best first; demoted ones left out (cognition/demotions.py)."""
        query = select(scores.c.seq)
        query = query.where(scores.c.campaign == campaign, stands())
        if up_to is not None:
            query = query.where(scores.c.seq <= up_to)
        return self._load(query.order_by(scores.c.fitness.desc(), scores.c.seq).limit(k))

    def recent(self, campaign: str, k: int, up_to: int | None = None) -> list[Candidate]:
        """The k newest, newest first, failed ones too."""
        query = select(candidates.c.seq).where(candidates.c.campaign == campaign, candidates.c.superseded.is_(False))
        if up_to is not None:
            query = query.where(candidates.c.seq <= up_to)
        return self._load(query.order_by(candidates.c.seq.desc()).limit(k))

    def find_code(self, campaign: str, code_hash: str, up_to: int | None = None) -> str | None:
        """The oldest candidate with that code hash (`cognition.archive.code_hash`), superseded ones left out."""
        query = select(candidates.c.id).where(
            candidates.c.campaign == campaign, candidates.c.code_hash == code_hash, candidates.c.superseded.is_(False)
        )
        if up_to is not None:
            query = query.where(candidates.c.seq <= up_to)
        with self.database.read() as tx:
            return tx.execute(query.order_by(candidates.c.seq).limit(1)).scalar()

    def evaluations(self, candidate_id: str) -> list[Evaluation]:
        """The measurements of a candidate's round, by rung and seed; not those on fresh seeds (confirmations.py)."""
        with self.database.read() as tx:
            return _evaluations(tx, candidate_id)

    def baseline_evaluations(self, campaign: str, rung: str) -> list[Evaluation]:
        """The measurements of round 0 at one rung, fresh seeds left out; none before it is recorded."""
        query = select(rounds.c.candidate).where(rounds.c.campaign == campaign, rounds.c.round_index == 0)
        with self.database.read() as tx:
            baseline = tx.execute(query).scalar()
            measured = _evaluations(tx, baseline) if baseline else []
        return [evaluation for evaluation in measured if evaluation.rung == rung]

    def _load(self, numbers: Select[tuple[int]]) -> list[Candidate]:
        """The candidates of these sequence numbers, in their order.

        A round reads about a hundred of them, nearly all the same as the round before, and decoding is what costs. A
        stored candidate never changes (schema.py), so one that was decoded before is still right.
        """
        with self.database.read() as tx:
            order = list(tx.execute(numbers).scalars())
            known = {seq: found for seq in order if (found := self.database.decoded.get(seq)) is not None}
            missing = [seq for seq in order if seq not in known]
            if missing:
                for row in tx.execute(select(candidates).where(candidates.c.seq.in_(missing))):
                    known[row.seq] = self.database.decoded.keep(row.seq, _candidate(row))
        return [known[seq] for seq in order]


def _evaluations(tx: Connection, candidate: str) -> list[Evaluation]:
    query = select(evaluations).where(evaluations.c.candidate == candidate, evaluations.c.seed < FRESH_FROM)
    rows = tx.execute(query.order_by(evaluations.c.rung, evaluations.c.seed, evaluations.c.contract_version))
    return [Evaluation(row.rung, row.seed, row.contract_version, row.measurements) for row in rows]


def _candidate(row: Row[tuple[Any, ...]]) -> Candidate:
    names = Candidate.__dataclass_fields__
    return Candidate(**{name: value for name, value in row._mapping.items() if name in names})


def _why_missing(tx: Connection, id: str) -> str:
    row = tx.execute(select(rounds.c.state, rounds.c.outcome).where(rounds.c.id == id)).one_or_none()
    if row is None:
        return f"there is no candidate {id!r}; a candidate is named like its round, CAMPAIGN-0007"
    if row.outcome is None:
        return f"round {id} has no candidate: it is {row.state}, not recorded"
    return f"round {id} has no candidate: {row.outcome.reason}"
