"""The archive: every campaign, round, candidate, evaluation and model call, in one database.

One class over one database, made of stores that each hold one noun: read campaigns.py, rounds.py, recording.py,
candidates.py, confirmations.py, demotions.py, audits.py, calls.py, spending.py, arms.py, outbox.py, digest.py, tape.py
for the methods. docs/archive.md explains the tables and the guarantees:

- every write is one transaction and idempotent, so a killed process can simply do it again;
- threads and processes may share an archive;
- the work per round does not grow with the number of candidates.

It knows nothing of Prefect, MLflow, models or sandboxes. Cognition items live in the same file (cognition/items.py).
"""

from __future__ import annotations

from types import TracebackType

from cognition.arms import ArmStore
from cognition.audits import AuditStore
from cognition.calls import CallStore
from cognition.campaigns import Campaign, CampaignStore, Spend
from cognition.candidates import CandidateStore
from cognition.confirmations import ConfirmationStore, Confirmed
from cognition.database import Database, open_database
from cognition.demotions import Demotion, DemotionStore
from cognition.digest import CallTotal, CandidateDigest, DigestStore
from cognition.errors import ArchiveError, ArchiveUnavailable, CampaignMismatch, RoundBusy, StaleLease
from cognition.outbox import OutboxEntry, OutboxStore
from cognition.programs import code_hash
from cognition.recording import RecordStore, RoundResult
from cognition.rounds import OpenRound, RoundStore, RoundSummary
from cognition.samplers.view import View
from cognition.spending import RoleSpend, SpendStore
from cognition.tape import DrawnRound, Placement, TapeStore

__all__ = [
    "Archive",
    "ArchiveError",
    "ArchiveUnavailable",
    "CallTotal",
    "Campaign",
    "CampaignMismatch",
    "CandidateDigest",
    "Confirmed",
    "Demotion",
    "DrawnRound",
    "OpenRound",
    "OutboxEntry",
    "Placement",
    "RoleSpend",
    "RoundBusy",
    "RoundResult",
    "RoundSummary",
    "Spend",
    "StaleLease",
    "View",
    "code_hash",
]


class Archive(
    CampaignStore,
    RoundStore,
    RecordStore,
    CandidateStore,
    ConfirmationStore,
    DemotionStore,
    AuditStore,
    TapeStore,
    CallStore,
    SpendStore,
    OutboxStore,
    DigestStore,
    ArmStore,
):
    """All stores over one database. Thread-safe; a context manager."""

    def __init__(self, database: Database) -> None:
        """Use `Archive.open`."""
        self.database = database

    @classmethod
    def open(cls, url: str) -> Archive:
        """Open or create an archive, e.g. `sqlite:////home/me/.nightshift/archive.db`. Raises ArchiveError."""
        return cls(open_database(url))

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Archive:
        """The archive itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
