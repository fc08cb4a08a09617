"""Campaigns in the archive: creating, finding, what they have spent."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from cognition.database import Database, now_iso
from cognition.errors import ArchiveError, CampaignMismatch
from cognition.records import JSON
from cognition.schema import campaigns


@dataclass(frozen=True, slots=True)
class Campaign:
    """One evolution run of one problem."""

    name: str
    problem: str
    seed: int
    contract_version: str
    settings: JSON
    created_at: str


@dataclass(frozen=True, slots=True)
class Spend:
    """What a campaign has used so far: answers received, CPU time of what was recorded, GPU and wall time."""

    dollars: float = 0.0  # of calls whose price is known
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    unpriced_calls: int = 0  # of `calls`: the model's price is not known
    cpu_s: float = 0.0
    gpu_s: float = 0.0  # of every step that used a GPU, failed ones too
    wall_s: float = 0.0  # of all runs of the campaign together

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


class CampaignStore:
    """The archive's part about campaigns."""

    database: Database

    def create_campaign(self, name: str, problem: str, seed: int, settings: JSON, contract_version: str) -> None:
        """Create it, or update the settings of the one that exists. Raises CampaignMismatch."""
        identity = {"problem": problem, "seed": seed, "contract_version": contract_version}
        with self.database.write() as tx:
            row = tx.execute(select(campaigns).where(campaigns.c.name == name)).one_or_none()
            if row is None:
                values = {**identity, "name": name, "settings": settings, "created_at": now_iso()}
                tx.execute(insert(campaigns).values(values))
                return
            _check_same(row, identity)
            tx.execute(update(campaigns).where(campaigns.c.name == name).values(settings=settings))

    def campaign(self, name: str) -> Campaign:
        """The campaign of that name. Raises ArchiveError, which lists those there are."""
        with self.database.read() as tx:
            return _campaign(find_campaign(tx, name))

    def campaigns(self) -> list[Campaign]:
        """All of them, newest first."""
        newest_first = select(campaigns).order_by(campaigns.c.created_at.desc(), campaigns.c.name)
        with self.database.read() as tx:
            return [_campaign(row) for row in tx.execute(newest_first)]

    def spend(self, campaign: str) -> Spend:
        """Running totals; zeros for a campaign that does not exist yet."""
        columns = [campaigns.c[name] for name in Spend.__dataclass_fields__]
        with self.database.read() as tx:
            row = tx.execute(select(*columns).where(campaigns.c.name == campaign)).one_or_none()
        return Spend() if row is None else Spend(**row._mapping)


def find_campaign(tx: Connection, name: str) -> Row[tuple[object, ...]]:
    """The campaign's row. Raises ArchiveError, which lists those there are."""
    row = tx.execute(select(campaigns).where(campaigns.c.name == name)).one_or_none()
    if row is None:
        known = tx.execute(select(campaigns.c.name).order_by(campaigns.c.created_at.desc()).limit(20)).scalars().all()
        listed = ", ".join(known) if known else "none yet"
        raise ArchiveError(f"there is no campaign {name!r}; known: {listed}")
    return row


def _campaign(row: Row[tuple[object, ...]]) -> Campaign:
    return Campaign(row.name, row.problem, row.seed, row.contract_version, row.settings, row.created_at)


def _check_same(row: Row[tuple[object, ...]], identity: dict[str, JSON]) -> None:
    stored = row._mapping
    different = [f"{key} is {stored[key]!r}, not {new!r}" for key, new in identity.items() if stored[key] != new]
    if different:
        raise CampaignMismatch(
            f"the campaign {row.name!r} exists and its {', its '.join(different)}: choose another name"
        )
