"""Settings refuse typos, keys in the wrong place, and half a price list, without repeating what was typed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.llm import ModelSettings

SECRET = "sk-verysecret123"


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": SECRET},
        {"api_key_env": SECRET},
        {"base_url": f"https://user:{SECRET}@host/v1"},
        {"base_url": f"https://host/v1?key={SECRET}"},
        {"temperatur": 0.5},
        {"base_url": "localhost:8000"},
        {"price_prompt_usd_per_mtok": 1.0},
    ],
)
def test_what_is_wrong_is_refused_and_never_repeated(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelSettings(model="m", **settings)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"base_url": "http://localhost:11434/v1"}, ""),
        ({"base_url": "https://api.openai.com.evil.example/v1"}, ""),
        ({"base_url": "https://openrouter.ai/api/v1", "api_key_env": "OPENROUTER_API_KEY"}, "OPENROUTER_API_KEY"),
        ({"api_key_env": ""}, ""),
    ],
)
def test_a_key_goes_only_where_it_was_meant_to(settings: dict[str, Any], variable: str) -> None:
    assert ModelSettings(model="m", **settings).key_variable == variable


def test_prices_are_per_million_tokens_and_unknown_is_none() -> None:
    priced = ModelSettings(model="m", price_prompt_usd_per_mtok=2.0, price_completion_usd_per_mtok=10.0)
    assert priced.price_usd(500_000, 100_000) == pytest.approx(2.0)
    assert ModelSettings(model="m").price_usd(500_000, 100_000) is None


def test_importing_the_package_does_not_import_openai() -> None:
    code = "import sys, tasks.llm, tasks.agents, tasks.analyzer, tasks.researcher; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
