"""The archive is a ledger: an answer asked for in one process is found in the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cognition.archive import Archive
from tasks.llm import Model
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.ledger_suite import LedgerContract
from tests.tasks.llm_examples import ask, settings


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as archive:
        yield archive


class TestArchiveLedger(LedgerContract):
    """Every part of the contract, on a real SQLite file."""


@pytest.mark.parametrize(
    "script", [Script(), Script(response_format="ignore"), Script(cut_json=1.0), Script(empty=1.0)]
)
async def test_what_one_process_paid_for_the_next_one_reads(script: Script, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'archive.db'}"
    results = []
    with ScriptedServer(script) as server:
        for _ in range(2):
            with Archive.open(url) as archive:
                async with Model({"researcher": settings(server)}, archive) as model:
                    results.append(await ask(model))
        asked = len(server.requests)
    assert results[0] == results[1]
    assert asked == (2 if script.response_format == "ignore" else 1)
