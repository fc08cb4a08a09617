"""The ledger of model calls: an answer received is never paid for twice, and the campaign's totals are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from cognition.database import Database, now_iso
from cognition.records import ModelCall
from cognition.schema import campaigns, model_calls, rounds

_FIELDS = tuple(ModelCall.__dataclass_fields__)


class CallStore:
    """The archive's part about model calls; fulfils tasks.llm's Ledger."""

    database: Database

    def find_call(self, round_id: str, role: str, attempt: int, prompt_hash: str) -> ModelCall | None:
        """The call stored under that key, or None."""
        with self.database.read() as tx:
            return _find(tx, round_id, role, attempt, prompt_hash)

    def save_call(self, call: ModelCall) -> None:
        """Store a call. Saving under a key that exists keeps the first."""
        with self.database.write() as tx:
            if _find(tx, call.round_id, call.role, call.attempt, call.prompt_hash) is not None:
                return
            campaign = _campaign_of(tx, call.round_id)
            values = {name: getattr(call, name) for name in _FIELDS}
            tx.execute(insert(model_calls).values(**values, campaign=campaign, created_at=now_iso()))
            _count(tx, campaign, call)

    def calls(self, round_id: str) -> list[ModelCall]:
        """All calls of a round, oldest first."""
        query = select(model_calls).where(model_calls.c.round_id == round_id).order_by(model_calls.c.id)
        with self.database.read() as tx:
            return [read_call(row) for row in tx.execute(query)]


def _find(tx: Connection, round_id: str, role: str, attempt: int, prompt_hash: str) -> ModelCall | None:
    query = select(model_calls).where(
        model_calls.c.round_id == round_id,
        model_calls.c.role == role,
        model_calls.c.attempt == attempt,
        model_calls.c.prompt_hash == prompt_hash,
    )
    row = tx.execute(query).one_or_none()
    return read_call(row) if row else None


def read_call(row: Row[tuple[Any, ...]]) -> ModelCall:
    """A row of the ledger as a record."""
    return ModelCall(**{name: row._mapping[name] for name in _FIELDS})


def _campaign_of(tx: Connection, round_id: str) -> str | None:
    """The round's campaign; for calls outside a round the campaign of that name; else None, and kept all the same."""
    campaign = tx.execute(select(rounds.c.campaign).where(rounds.c.id == round_id)).scalar()
    return campaign or tx.execute(select(campaigns.c.name).where(campaigns.c.name == round_id)).scalar()


def _count(tx: Connection, campaign: str | None, call: ModelCall) -> None:
    totals = {
        "calls": campaigns.c.calls + 1,
        "unpriced_calls": campaigns.c.unpriced_calls + int(call.price_usd is None),
        "dollars": campaigns.c.dollars + (call.price_usd or 0.0),
        "prompt_tokens": campaigns.c.prompt_tokens + call.prompt_tokens,
        "completion_tokens": campaigns.c.completion_tokens + call.completion_tokens,
    }
    tx.execute(update(campaigns).where(campaigns.c.name == campaign).values(totals))
