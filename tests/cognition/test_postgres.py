"""What only concerns PostgreSQL. The rest of this folder runs on it too, under the mark `postgres`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from cognition import postgres as backend
from cognition.archive import Archive, ArchiveError, ArchiveUnavailable, StaleLease
from cognition.items import ItemStore
from cognition.records import Item, MachineFault, Score
from cognition.schema import metadata
from cognition.view import ArchiveView
from tests.cognition.play import NAME, add_campaign, no_parent, opened, played, result
from tests.postgres import PostgresServer

SECRET = "hunter2"


def test_the_archive_in_short(postgres: PostgresServer) -> None:
    """One round after another, a takeover, and a search: what `make test` sees of PostgreSQL."""
    url = postgres.create("in_short")
    with Archive.open(url) as archive, Archive.open(url) as other:
        add_campaign(archive)
        played(archive, 0, 1.0)
        held = archive.open_round(NAME, 1, "me", -1, no_parent)
        taken = opened(other, 1)
        assert other.record(result(taken, Score(3.0)))
        with pytest.raises(StaleLease):
            archive.record(result(held, Score(2.0)))
        assert [c.fitness for c in archive.top(NAME, 5)] == [3.0, 1.0]
        items = ItemStore(archive)
        items.upsert(
            [Item("overlap", "d", "shrink radii", ("circles overlap",)), Item("gap", "d", "overlapping edges")]
        )
        assert [hit.item.id for hit in items.search("d", "Overlaps of a circle")] == ["overlap", "gap"]


def test_an_unreachable_server_is_named_in_one_line_without_its_password() -> None:
    with pytest.raises(ArchiveUnavailable, match=r"^the archive at 127\.0\.0\.1:9/nights cannot be used: ") as raised:
        Archive.open(f"postgresql://me:{SECRET}@127.0.0.1:9/nights")
    assert isinstance(raised.value, MachineFault)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("url", [f"postgresql:/me:{SECRET}@host", f"postgresql://me:{SECRET}@host:port/db"])
def test_a_wrong_url_does_not_show_its_password(url: str) -> None:
    with pytest.raises(ArchiveError, match="expected a database URL") as raised:
        Archive.open(url)
    assert SECRET not in str(raised.value)


@pytest.mark.postgres
def test_migrations_lead_to_the_tables_in_the_code(postgres: PostgresServer) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    url = postgres.create("migrated")
    Archive.open(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert [change for change in found if "items_fts" not in str(change)] == []


@pytest.mark.postgres
def test_a_newer_schema_is_refused_and_does_not_show_the_url(postgres: PostgresServer) -> None:
    url = postgres.create("newer")
    Archive.open(url).close()
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", "newer")
    with pytest.raises(ArchiveError, match=rf"^127.0.0.1:{postgres.port}/newer has schema 9999, newer"):
        Archive.open(url)


@pytest.mark.postgres
def test_a_second_writer_waits_and_readers_do_not(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.create("busy")
    with Archive.open(url) as archive:
        add_campaign(archive)
        monkeypatch.setattr(backend, "LOCK_TIMEOUT_S", 1)
        with Archive.open(url) as other, archive.database.write():
            assert other.campaign(NAME).seed == 0
            with pytest.raises(ArchiveUnavailable, match="lock timeout"):
                other.create_campaign("another", "p", 0, {}, "1")
        archive.create_campaign("another", "p", 0, {}, "1")


@pytest.mark.postgres
def test_a_reader_sees_one_moment(postgres: PostgresServer) -> None:
    with Archive.open(postgres.create("moment")) as archive:
        add_campaign(archive)
        played(archive, 0, 1.0)
        with archive.database.read() as tx:
            before = ArchiveView(tx, NAME, 99, 99).pool(9)
            thread = threading.Thread(target=played, args=(archive, 1, 2.0))
            thread.start()
            thread.join()
            assert ArchiveView(tx, NAME, 99, 99).pool(9) == before
            with pytest.raises(Exception, match="read-only transaction"):
                tx.execute(text("DELETE FROM scores"))
        assert len(archive.top(NAME, 9)) == 2


@pytest.mark.postgres
def test_connections_that_were_cut_are_replaced(postgres: PostgresServer) -> None:
    with Archive.open(postgres.create("cut")) as archive:
        add_campaign(archive)
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'")
        assert archive.campaign(NAME).seed == 0
        archive.create_campaign("another", "p", 0, {}, "1")


@pytest.mark.postgres
def test_a_user_without_rights_is_told_so(postgres: PostgresServer) -> None:
    url = postgres.create("closed")
    postgres.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(ArchiveError, match=r"closed: permission denied .* must own the database"):
        Archive.open(url.replace("postgres@", "guest@"))


QUESTIONS: dict[str, Callable[[ArchiveView], object]] = {
    "scores_by_rank": lambda view: view.pool(70),
    "rounds_by_parent": lambda view: view.visits(["packing-0000"]),
    "elites_by_island": lambda view: view.elites(0, 70),
}


@pytest.mark.postgres
@pytest.mark.parametrize("index", QUESTIONS)
def test_a_sampler_s_question_can_use_its_index(postgres: PostgresServer, index: str) -> None:
    with Archive.open(postgres.create(f"plan_{index}")) as archive:
        add_campaign(archive)
        plan = _plan(archive, index)
    assert index in plan
    assert "Sort" not in plan or index == "elites_by_island"  # an island has at most a few hundred elites


def _plan(archive: Archive, index: str) -> str:
    """How PostgreSQL would answer a question if reading whole tables were dear, as it is in a large archive."""
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    with archive.database.read() as tx:
        event.listen(Engine, "before_cursor_execute", note)
        QUESTIONS[index](ArchiveView(tx, NAME, 99, 99))
        event.remove(Engine, "before_cursor_execute", note)
        for setting in ("enable_seqscan", "enable_bitmapscan"):
            tx.exec_driver_sql(f"SET LOCAL {setting} = off")
        statement, parameters = asked[0]
        return "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {statement}", parameters))
