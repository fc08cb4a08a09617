"""The price list knows what it lists, at the provider's own address, and nothing else."""

from __future__ import annotations

import datetime
import tomllib

import pytest

from tasks.llm import ModelSettings, Price
from tasks.llm.prices import TABLE, list_price

TABLE_CONTENT = tomllib.loads(TABLE.read_text())


def test_the_table_is_dated_and_every_price_is_complete_and_has_a_source() -> None:
    assert datetime.date.fromisoformat(TABLE_CONTENT["as_of"])
    hosts = {host: entry for host, entry in TABLE_CONTENT.items() if host != "as_of"}
    assert all(entry["source"].startswith("https://") for entry in hosts.values())
    prices = [price for entry in hosts.values() for price in entry["models"].values()]
    assert [price for price in prices if not 0 < price["prompt"] < price["completion"]] == []


def test_a_listed_model_at_its_provider_has_its_dated_price() -> None:
    assert ModelSettings(model="gpt-5-mini").price == Price(0.25, 2.0, TABLE_CONTENT["as_of"])


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        ("https://api.openai.com/v1", "gpt-5-mini-2099-01-01"),
        ("https://api.openai.com.evil.example/v1", "gpt-5-mini"),
        ("http://127.0.0.1:8000/v1", "gpt-5-mini"),
        ("https://api.anthropic.com/v1", "gpt-5-mini"),
    ],
)
def test_what_is_not_listed_has_no_price(base_url: str, model: str) -> None:
    assert list_price(base_url, model) is None
    assert ModelSettings(model=model, base_url=base_url).price_usd(1, 1) is None


def test_the_campaign_s_own_price_wins_also_when_it_is_zero() -> None:
    free = ModelSettings(model="gpt-5", price_prompt_usd_per_mtok=0, price_completion_usd_per_mtok=0)
    assert free.price == Price(0.0, 0.0)
    assert free.price_usd(10**6, 10**6) == 0.0
