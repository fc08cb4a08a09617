"""The schema's versions. `upgrade` runs Alembic inside a transaction that the caller holds; nothing else imports it.

A new version: change cognition/schema.py, write versions/NNNN_what.py by hand, append its number to KNOWN. A test
compares the migrated database with the tables, and KNOWN with the files.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

#: Oldest first.
KNOWN = ("0001", "0002", "0003", "0004", "0005")
HEAD = KNOWN[-1]


def upgrade(tx: Connection) -> None:
    """Bring the schema to HEAD. All or nothing, because SQLite's DDL is transactional."""
    # Alembic costs 100 ms to import, and an up-to-date archive does not need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
