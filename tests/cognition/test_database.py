"""Opening an archive: quick when nothing is to be done, atomic when something is, plain refusals."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from cognition import migrations, sqlite
from cognition.archive import Archive, ArchiveError, ArchiveUnavailable
from cognition.records import MachineFault
from cognition.schema import metadata
from tests.cognition.play import NAME, new_archive, url


def structure(path: Path) -> dict[str, object]:
    """Columns, keys and indexes of every table, as SQLite sees them."""
    found: dict[str, object] = {}
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table.startswith(("items_fts", "sqlite_", "alembic_")):
                continue
            indexes = connection.execute(f"PRAGMA index_list('{table}')").fetchall()
            columns = {i[1]: connection.execute(f"PRAGMA index_xinfo('{i[1]}')").fetchall() for i in indexes}
            found[table] = (
                connection.execute(f"PRAGMA table_info('{table}')").fetchall(),
                sorted(row[2:5] for row in connection.execute(f"PRAGMA foreign_key_list('{table}')")),
                columns,
            )
    return found


def test_migrations_lead_to_the_tables_in_the_code(tmp_path: Path) -> None:
    new_archive(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    metadata.create_all(engine)
    engine.dispose()
    direct = structure(tmp_path / "direct.db")
    assert set(direct) == set(metadata.tables)
    assert structure(tmp_path / "archive.db") == direct


def test_the_known_versions_are_the_files() -> None:
    files = sorted((Path(migrations.__file__).parent / "versions").glob("0*.py"))
    assert tuple(file.name[:4] for file in files) == migrations.KNOWN


def test_an_up_to_date_archive_opens_without_alembic(tmp_path: Path) -> None:
    new_archive(tmp_path).close()
    program = (
        "import sys; from cognition.archive import Archive\n"
        f"with Archive.open({url(tmp_path)!r}) as archive: print(archive.campaign({NAME!r}).problem)\n"
        "print([name for name in ('alembic', 'prefect', 'mlflow', 'torch', 'openai') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["circle_packing", "[]"]


def test_an_archive_of_the_first_version_is_upgraded_and_keeps_its_rows(tmp_path: Path) -> None:
    new_archive(tmp_path).close()
    with sqlite3.connect(tmp_path / "archive.db") as connection:  # back to what the first version made
        for table in ("item_versions", "item_evidence", "recalls", "item_uses", "item_vectors"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX items_by_freshness")
        for column in ("state", "reason", "refreshed"):
            connection.execute(f"ALTER TABLE items DROP COLUMN {column}")
        connection.execute("DROP TABLE gpu_uses")
        connection.execute("DROP TABLE usd_holds")
        connection.execute("DROP INDEX rounds_without_candidate")
        connection.execute("DROP INDEX model_calls_by_campaign")
        for table in ("demotions", "audits"):
            connection.execute(f"DROP TABLE {table}")
        for column in ("wall_s", "source"):
            connection.execute(f"ALTER TABLE campaigns DROP COLUMN {column}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with Archive.open(url(tmp_path)) as archive:
        assert archive.spend(NAME).wall_s == 0.0
        assert archive.committed_gpu_s(NAME) == archive.committed_usd(NAME) == 0.0


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    new_archive(tmp_path).close()
    with sqlite3.connect(tmp_path / "archive.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = rf"has schema 9999, newer than this program's {migrations.HEAD}: update the program$"
    with pytest.raises(ArchiveError, match=refused):
        Archive.open(url(tmp_path))


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_way(tx: Connection) -> None:
        tx.exec_driver_sql("CREATE TABLE half (way INTEGER)")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "upgrade", half_way)
        with pytest.raises(KeyboardInterrupt):
            Archive.open(url(tmp_path))
    assert structure(tmp_path / "archive.db") == {}
    new_archive(tmp_path).close()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("mysql://host/db", "supports sqlite:///FILE and postgresql"),
        ("postgresql+asyncpg://host/db", "supports sqlite:///FILE and postgresql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("archive.db", "expected a database URL"),
    ],
)
def test_what_cannot_be_an_archive_is_refused(bad: str, said: str) -> None:
    with pytest.raises(ArchiveError, match=said):
        Archive.open(bad)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archive.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(ArchiveError, match="not a usable SQLite file"):
        Archive.open(url(tmp_path))


def test_a_folder_is_created_or_it_is_our_machine_s_fault(tmp_path: Path) -> None:
    new_archive(tmp_path / "a" / "b").close()
    (tmp_path / "file").touch()
    with pytest.raises(MachineFault, match="cannot create the archive's folder"):
        new_archive(tmp_path / "file" / "b")


def test_a_database_locked_for_too_long_is_our_machine_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.1)
    with new_archive(tmp_path) as archive, sqlite3.connect(tmp_path / "archive.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveUnavailable, match="database is locked") as raised:
            archive.create_campaign("another", "p", 0, {}, "1")
        assert archive.campaign(NAME).seed == 0  # reading goes on
        other.execute("ROLLBACK")
    assert isinstance(raised.value, MachineFault)
