"""The archive keeps the contract of tasks.llm's Ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cognition.archive import Archive
from tasks.llm import Ledger
from tests.tasks.ledger_suite import CALL, LedgerContract


class TestArchiveAsLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, archive: Archive) -> Ledger:
        return archive


def test_an_answer_survives_the_process_s_end(archive: Archive, archive_url: str) -> None:
    archive.save_call(CALL)
    with Archive.open(archive_url) as another:
        assert another.find_call(CALL.round_id, CALL.role, CALL.attempt, CALL.prompt_hash) == CALL


def test_a_round_s_calls_in_order(archive: Archive) -> None:
    made = [replace(CALL, attempt=attempt, role=role) for attempt in (2, 1) for role in ("researcher", "analyzer")]
    for call in made:
        archive.save_call(call)
    archive.save_call(replace(CALL, round_id="packing-0008"))
    assert archive.calls("packing-0007") == made
