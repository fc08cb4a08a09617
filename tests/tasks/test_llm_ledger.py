"""The in-memory ledger keeps the contract; the hash tells apart what costs money anew."""

from __future__ import annotations

import pytest

from tasks.llm import Ledger, MemoryLedger, ModelSettings
from tasks.llm.ledger import prompt_hash
from tests.tasks.ledger_suite import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return MemoryLedger()


def test_the_hash_changes_with_model_temperature_limit_form_and_prompt() -> None:
    base = ModelSettings(model="a")
    hashes = {
        prompt_hash(base, "tags", "prompt"),
        prompt_hash(ModelSettings(model="b"), "tags", "prompt"),
        prompt_hash(ModelSettings(model="a", temperature=0.5), "tags", "prompt"),
        prompt_hash(ModelSettings(model="a", max_tokens=7), "tags", "prompt"),
        prompt_hash(base, "json_schema", "prompt"),
        prompt_hash(base, "tags", "another"),
    }
    assert len(hashes) == 6


def test_the_hash_ignores_address_and_patience() -> None:
    here = ModelSettings(model="a", base_url="http://localhost:1/v1", timeout_s=1, retries=0)
    assert prompt_hash(here, "tags", "prompt") == prompt_hash(ModelSettings(model="a"), "tags", "prompt")
