"""The forecast: worst case at first, measured later, unknown stays unknown."""

from __future__ import annotations

from typing import Any

import pytest

from cognition.archive import Spend
from flows import forecast
from flows.forecast import Forecast, Past
from tests.flows.test_budgets import ANALYZER_USD, PRICED, RESEARCHER_USD, settings, toy


def _sentence(past: Past, options: dict[str, Any] | None = None, **values: Any) -> str:
    asked, domain = settings(**values), toy(**(options or {}))
    return forecast.sentence(asked, forecast.forecast(asked, domain, past), past)


def test_before_the_first_round_it_is_the_worst_case() -> None:
    asked = settings(rounds=10, workers=5)
    expected = forecast.forecast(asked, toy(gpus=2, train_wall_s=1_800.0), Past())
    assert (expected.rounds, expected.measured_on) == (10, 0)
    assert expected.dollars == pytest.approx(10 * (3 * RESEARCHER_USD + ANALYZER_USD) + ANALYZER_USD)
    assert expected.gpu_h == pytest.approx(11 * 1.0)  # the baseline too
    assert expected.wall_h == pytest.approx(3 * 1_801 / 3600)  # the baseline, then twice five at once


def test_after_some_rounds_it_is_their_average() -> None:
    past = Past(4, Spend(dollars=2.0, calls=8, gpu_s=7_200.0, wall_s=3_600.0), 2.0)
    assert forecast.forecast(settings(rounds=6), toy(), past) == Forecast(2, 4, 1.0, 1.0, 0.5)
    assert _sentence(past, rounds=6) == "forecast for 2 rounds, from 4 recorded: $1.00, 1 GPU-hours, 30 min"


def test_an_unknown_price_is_said_and_never_zero() -> None:
    unknown = {"researcher": {"model": "m", "base_url": "http://h/v1"}, "analyzer": PRICED}
    assert "price unknown" in _sentence(Past(), models=unknown)
    assert "price unknown" in _sentence(Past(2, Spend(calls=4, unpriced_calls=4), None), models=unknown)


def test_without_models_and_gpus_it_says_so() -> None:
    line = _sentence(Past(), rounds=3, workers=1, propose={"kind": "random"}, analyze={"kind": "rules"}, models={})
    assert line == "forecast for 3 rounds, worst case: no model calls, no GPU, 4.1 min"


def test_list_prices_are_shown_with_their_date() -> None:
    assert "prices as listed on 20" in _sentence(Past(), models={"researcher": {"model": "gpt-5-mini"}})


def test_limits_that_will_end_it_earlier_are_named() -> None:
    past = Past(4, Spend(dollars=2.0, calls=8, wall_s=3_600.0), 2.0)
    limits = {"max_usd": 2.5, "max_wall_h": 0.1, "max_total_wall_h": 90.0, "max_gpu_h": 5.0}
    assert _sentence(past, rounds=6, limits=limits).endswith(
        "; limits.max_usd = 2.5 and limits.max_wall_h = 0.1 may end it earlier"
    )
