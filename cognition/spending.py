"""What budgets count: model calls by role, GPU time reserved before it is used, wall time of a campaign's runs.

Money and GPU time are kept alike: the worst case of a call or step is stored before it starts, in the transaction that
checks the limit, so that several processes share one budget; afterwards what was used takes its place. If a process was
killed meanwhile, nobody reports, and the worst case stands.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from cognition.database import Database, now_iso
from cognition.schema import campaigns, gpu_uses, model_calls, usd_holds

#: No call takes so long, or if one does, it only counts as spent for a while.
LOST_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class RoleSpend:
    """The calls of one role to one model."""

    role: str
    model: str
    calls: int
    unpriced_calls: int
    dollars: float  # of calls whose price is known
    prompt_tokens: int
    completion_tokens: int
    unpriced_prompt_tokens: int
    unpriced_completion_tokens: int


class SpendStore:
    """The archive's part about budgets; totals are in `Spend` (cognition/campaigns.py)."""

    database: Database

    def add_wall(self, campaign: str, wall_s: float) -> None:
        """Count time that a run of the campaign has taken."""
        with self.database.write() as tx:
            longer = {"wall_s": campaigns.c.wall_s + wall_s}
            tx.execute(update(campaigns).where(campaigns.c.name == campaign).values(longer))

    def hold_usd(self, campaign: str, dollars: float, limit_usd: float) -> int | None:
        """Set a call's worst case aside until `release_usd`; None, and nothing stored, if it does not fit the limit."""
        with self.database.write() as tx:
            if _usd(tx, campaign) + dollars > limit_usd:
                return None
            values = {"campaign": campaign, "dollars": dollars, "since": time.time()}
            return int(tx.execute(insert(usd_holds).values(values).returning(usd_holds.c.id)).scalar_one())

    def release_usd(self, hold: int) -> None:
        """The call is in the ledger, or came to nothing."""
        with self.database.write() as tx:
            tx.execute(delete(usd_holds).where(usd_holds.c.id == hold))

    def spent_usd(self, campaign: str) -> float:
        """Dollars in the ledger, and set aside so long ago that nobody will report what was used."""
        with self.database.read() as tx:
            return _usd(tx, campaign, held_before=time.time() - LOST_AFTER_S)

    def committed_usd(self, campaign: str) -> float:
        """Dollars in the ledger, and set aside by calls under way or killed."""
        with self.database.read() as tx:
            return _usd(tx, campaign)

    def reserve_gpu(
        self, campaign: str, round_id: str, step: str, gpu_s: float, limit_s: float | None = None
    ) -> int | None:
        """Set a step's worst case aside until `settle_gpu`; None, and nothing stored, if it does not fit the limit."""
        with self.database.write() as tx:
            if limit_s is not None and _committed_gpu_s(tx, campaign) + gpu_s > limit_s:
                return None
            row = {"campaign": campaign, "round_id": round_id, "step": step, "gpu_s": gpu_s}
            values = {**row, "settled": False, "created_at": now_iso()}
            return int(tx.execute(insert(gpu_uses).values(values).returning(gpu_uses.c.id)).scalar_one())

    def settle_gpu(self, use: int, gpu_s: float) -> None:
        """Replace a reservation by what was used. Settling twice keeps the first."""
        waiting = (gpu_uses.c.id == use, gpu_uses.c.settled.is_(False))
        with self.database.write() as tx:
            if tx.execute(update(gpu_uses).where(*waiting).values(gpu_s=gpu_s, settled=True)).rowcount:
                campaign = select(gpu_uses.c.campaign).where(gpu_uses.c.id == use).scalar_subquery()
                total = {"gpu_s": campaigns.c.gpu_s + gpu_s}
                tx.execute(update(campaigns).where(campaigns.c.name == campaign).values(total))

    def committed_gpu_s(self, campaign: str) -> float:
        """GPU time used, and reserved by steps under way or killed."""
        with self.database.read() as tx:
            return _committed_gpu_s(tx, campaign)

    def round_gpu_s(self, round_id: str) -> float:
        """GPU time of a round's steps, of all its tries together."""
        with self.database.read() as tx:
            return settled_gpu_s(tx, round_id)

    def spend_by_role(self, campaign: str | None) -> list[RoleSpend]:
        """Calls by role and model, None: of no campaign (ingestion); reads one index, not the prompts."""
        calls, unpriced = model_calls.c, model_calls.c.price_usd.is_(None)
        query = (
            select(
                calls.role,
                calls.model,
                func.count(),
                func.count().filter(unpriced),
                func.coalesce(func.sum(calls.price_usd), 0.0),
                func.sum(calls.prompt_tokens),
                func.sum(calls.completion_tokens),
                func.coalesce(func.sum(calls.prompt_tokens).filter(unpriced), 0),
                func.coalesce(func.sum(calls.completion_tokens).filter(unpriced), 0),
            )
            .where(calls.campaign.is_(None) if campaign is None else calls.campaign == campaign)
            .group_by(calls.role, calls.model)
            .order_by(calls.role, calls.model)
        )
        with self.database.read() as tx:
            return [RoleSpend(*row) for row in tx.execute(query)]


def settled_gpu_s(tx: Connection, round_id: str) -> float:
    """GPU time that the round's finished steps used."""
    done = (gpu_uses.c.round_id == round_id, gpu_uses.c.settled.is_(True))
    return float(tx.execute(select(func.coalesce(func.sum(gpu_uses.c.gpu_s), 0.0)).where(*done)).scalar_one())


def _usd(tx: Connection, campaign: str, held_before: float = float("inf")) -> float:
    ours = (usd_holds.c.campaign == campaign, usd_holds.c.since < held_before)
    held = select(func.coalesce(func.sum(usd_holds.c.dollars), 0.0)).where(*ours)
    spent = tx.execute(select(campaigns.c.dollars).where(campaigns.c.name == campaign)).scalar()
    return float(tx.execute(held).scalar_one()) + float(spent or 0.0)


def _committed_gpu_s(tx: Connection, campaign: str) -> float:
    waiting = (gpu_uses.c.campaign == campaign, gpu_uses.c.settled.is_(False))
    reserved = tx.execute(select(func.coalesce(func.sum(gpu_uses.c.gpu_s), 0.0)).where(*waiting)).scalar_one()
    used = tx.execute(select(campaigns.c.gpu_s).where(campaigns.c.name == campaign)).scalar()
    return float(reserved) + float(used or 0.0)
