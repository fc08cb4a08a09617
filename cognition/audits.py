"""What is known of a problem before money is spent: audits of its evaluator, and the files that a campaign ran with."""

from __future__ import annotations

from sqlalchemy import exists, insert, select, update

from cognition.database import Database, now_iso
from cognition.records import JSON
from cognition.schema import audits, campaigns, rounds


class AuditStore:
    """The archive's part about problems. `key` stands for a problem's files, options and rung."""

    database: Database

    def keep_audit(self, key: str, problem: str, report: JSON, *, replace: bool = False) -> None:
        """Store what an audit found. A second one under the same key keeps the first, unless it is to replace it."""
        values = {"key": key, "problem": problem, "report": report, "created_at": now_iso()}
        with self.database.write() as tx:
            if tx.execute(select(audits.c.key).where(audits.c.key == key)).scalar() is None:
                tx.execute(insert(audits).values(values))
            elif replace:
                tx.execute(update(audits).where(audits.c.key == key).values(values))

    def audit_of(self, key: str) -> JSON | None:
        """What was found under that key, or None."""
        with self.database.read() as tx:
            return tx.execute(select(audits.c.report).where(audits.c.key == key)).scalar()

    def keep_files(self, campaign: str, problem: str, files: JSON) -> None:
        """Remember a campaign's problem's files by their hashes, in place of what was remembered."""
        self.keep_audit(f"files/{campaign}", problem, files, replace=True)

    def files_of(self, campaign: str) -> JSON | None:
        """What was remembered of them; None for campaigns of older versions."""
        return self.audit_of(f"files/{campaign}")

    def note_source(self, campaign: str, source: str) -> str:
        """Remember the hash of the problem's files at a campaign's first run; returns the one that is remembered.

        The first run is the last one before anything is recorded: a problem that was mended before that is another.
        """
        with self.database.write() as tx:
            query = select(campaigns.c.source).where(campaigns.c.name == campaign)
            known: str | None = tx.execute(query).scalar()
            recorded = exists().where(rounds.c.campaign == campaign, rounds.c.state == "recorded")
            if known is None or not tx.execute(select(recorded)).scalar():
                tx.execute(update(campaigns).where(campaigns.c.name == campaign).values(source=source))
                return source
            return known

    def source_of(self, campaign: str) -> str | None:
        """The hash of the problem's files when the campaign was first run; None for campaigns of older versions."""
        with self.database.read() as tx:
            return tx.execute(select(campaigns.c.source).where(campaigns.c.name == campaign)).scalar()
