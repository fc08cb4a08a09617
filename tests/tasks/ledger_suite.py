"""What every Ledger must do. Derive a test class from `LedgerContract` and give it a `ledger` fixture."""

from __future__ import annotations

from dataclasses import replace

from cognition.records import ModelCall
from tasks.llm import Ledger

CALL = ModelCall(
    round_id="packing-0007",
    role="researcher",
    attempt=1,
    prompt_hash="a" * 64,
    model="scripted",
    prompt='[{"role": "user", "content": "Größe? ∑ 🙂"}]',
    answer="```\nline one\r\n  line two \n```\n",
    prompt_tokens=12,
    completion_tokens=0,
    price_usd=None,
    latency_s=0.25,
)


class LedgerContract:
    """Inherit it."""

    def test_a_call_comes_back_field_for_field(self, ledger: Ledger) -> None:
        ledger.save_call(CALL)
        assert ledger.find_call("packing-0007", "researcher", 1, "a" * 64) == CALL

    def test_every_part_of_the_key_counts(self, ledger: Ledger) -> None:
        ledger.save_call(CALL)
        keys = [
            ("packing-0008", "researcher", 1, "a" * 64),
            ("packing-0007", "analyzer", 1, "a" * 64),
            ("packing-0007", "researcher", 2, "a" * 64),
            ("packing-0007", "researcher", 1, "b" * 64),
        ]
        assert [ledger.find_call(*key) for key in keys] == [None] * 4

    def test_saving_again_keeps_the_first(self, ledger: Ledger) -> None:
        ledger.save_call(CALL)
        ledger.save_call(replace(CALL, answer="another"))
        assert ledger.find_call("packing-0007", "researcher", 1, "a" * 64) == CALL

    def test_a_known_price_stays_a_price(self, ledger: Ledger) -> None:
        priced = replace(CALL, prompt_hash="c" * 64, price_usd=0.0)
        ledger.save_call(priced)
        assert ledger.find_call("packing-0007", "researcher", 1, "c" * 64) == priced
