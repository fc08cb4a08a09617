"""Budgets are refused in one line, worst cases are what the settings allow, and resume changes only limits."""

from __future__ import annotations

from typing import Any

import pytest

from cognition.archive import Archive
from cognition.records import ModelCall
from flows import budgets, config
from flows.config import ConfigError, Settings
from tests.cognition.play import NAME
from tests.toy_domain import Toy, ToyOptions

PRICED = {
    "model": "scripted",
    "base_url": "http://127.0.0.1:9/v1",
    "max_tokens": 1_000,
    "price_prompt_usd_per_mtok": 1.0,
    "price_completion_usd_per_mtok": 10.0,
}
RESEARCHER_USD = (16_000 + 10 * 1_000) / 1e6
ANALYZER_USD = (24_000 + 10 * 1_000) / 1e6


def settings(**values: Any) -> Settings:
    """A toy campaign with two priced models."""
    sections = {
        "propose": {"kind": "openai"},
        "analyze": {"kind": "model"},
        "models": {"researcher": PRICED, "analyzer": PRICED},
    }
    return Settings.model_validate({"name": NAME, "problem": "tests.toy_domain:Toy", **sections, **values})


def toy(**options: Any) -> Toy:
    return Toy(ToyOptions(**options))


def test_the_least_round_is_one_worst_call_of_each_role_that_is_on() -> None:
    assert budgets.least_round_usd(settings()) == {"researcher": RESEARCHER_USD, "analyzer": ANALYZER_USD}
    assert budgets.least_round_usd(settings(analyze={"kind": "rules"})) == {"researcher": RESEARCHER_USD}
    assert budgets.least_round_usd(settings(propose={"kind": "random"}, analyze={"kind": "rules"})) == {}


def test_a_round_may_ask_for_every_try_and_every_repair() -> None:
    model = {"reviewer": "model", "debugger": "model", "repairs": 2}
    asked = settings(check=model, models=dict.fromkeys(("researcher", "reviewer", "debugger", "analyzer"), PRICED))
    assert budgets.calls_per_round(asked) == {"researcher": 3, "reviewer": 3, "debugger": 2, "analyzer": 1}


def test_judge_and_novelty_check_are_part_of_the_forecast() -> None:
    on = settings(
        check={"novelty": "model"},
        analyze={"kind": "model", "judge": "model"},
        models=dict.fromkeys(("researcher", "novelty", "analyzer", "judge"), PRICED),
    )
    assert budgets.calls_per_round(on) == {"researcher": 3, "novelty": 3, "analyzer": 1, "judge": 1}
    assert all(cost > 0 for cost in budgets.least_round_usd(on).values())


def test_with_several_researchers_the_dearest_is_reserved_and_each_needs_a_price() -> None:
    dear = PRICED | {"model": "dear", "price_completion_usd_per_mtok": 100.0}
    worst = budgets.worst_call_usd(settings(more_researchers=[dear]), "researcher")
    assert worst == pytest.approx((16_000 + 100 * 1_000) / 1e6)
    unpriced = {"model": "unheard", "base_url": "http://h/v1"}
    with pytest.raises(ConfigError, match=r"gain per dollar, and the price of unheard is not known"):
        budgets.refuse(settings(more_researchers=[unpriced]), toy())
    with pytest.raises(ValueError, match="names have to differ"):
        settings(more_researchers=[PRICED])


@pytest.mark.parametrize("factor", [1.001, 10.0])
def test_a_budget_of_one_round_or_more_is_accepted(factor: float) -> None:
    budgets.refuse(settings(limits={"max_usd": factor * (RESEARCHER_USD + ANALYZER_USD)}), toy())


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a budget below one round": (
        {"limits": {"max_usd": 0.9 * (RESEARCHER_USD + ANALYZER_USD)}},
        {},
        r"^limits\.max_usd: \$0\.054 cannot pay for one round.*\$0\.06 \(researcher \$0\.026, analyzer \$0\.034\)",
    ),
    "a model without a price": (
        {"limits": {"max_usd": 9.0}, "models": {"researcher": {"model": "m", "base_url": "http://h/v1"}}},
        {},
        r"missing for m: set models\.researcher\.price_prompt_usd_per_mtok and models\.researcher\.price_completion_",
    ),
    "fewer GPU-hours than one candidate may take": (
        {"limits": {"max_gpu_h": 0.9}},
        {"gpus": 2, "train_wall_s": 1_800.0},
        r"^limits\.max_gpu_h: 0\.9 GPU-hours cannot pay for one candidate, which may take 1$",
    ),
    "a rate for a server that no model uses": (
        {"rate": {"servers": {"http://other/v1": {"concurrent_requests": 1}}}},
        {},
        r"^rate\.servers: no model is served from http://other/v1 \(served from: http://127",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_kept_is_refused_in_one_line(case: str) -> None:
    values, options, said = REFUSED[case]
    with pytest.raises(ConfigError, match=said) as refused:
        budgets.refuse(settings(**values), toy(**options))
    assert "\n" not in str(refused.value)


def test_gpu_hours_without_a_bound_cannot_be_budgeted(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = toy(gpus=1)
    monkeypatch.setattr(type(domain), "needs", lambda *_: budgets_needs_without_bound())
    with pytest.raises(ConfigError, match="does not say how long a GPU step may run at explore"):
        budgets.refuse(settings(limits={"max_gpu_h": 1.0}), domain)


def budgets_needs_without_bound() -> Any:
    from tasks.contract import Needs

    return Needs(gpus=1)


def test_an_unknown_price_without_a_budget_in_dollars_is_allowed() -> None:
    budgets.refuse(settings(models={"researcher": {"model": "m", "base_url": "http://h/v1"}}), toy())


@pytest.mark.parametrize("bad", ["max_usd=0", "max_usd=-1", "max_gpu_h=0", "max_wall_h=-2", "max_total_wall_h=0"])
def test_a_budget_of_nothing_or_less_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match=r"limits\.max_\w+: Input should be greater than 0"):
        config.load("circle_packing", config.parse_assignments([f"limits.{bad}"]))


def test_the_sentence_at_the_end_of_the_money_says_how_to_go_on() -> None:
    asked = settings(limits={"max_usd": 1.0})
    assert budgets.money_used_up(asked, 0.94) is None
    sentence = budgets.money_used_up(asked, 0.95)
    assert sentence is not None
    assert sentence.endswith("`nightshift resume packing --set limits.max_usd=2` goes on")


def test_the_sentence_at_the_end_of_the_gpu_hours_says_how_to_go_on() -> None:
    asked, domain = settings(limits={"max_gpu_h": 1.0}), toy(gpus=1, train_wall_s=1_800.0)
    assert budgets.gpu_used_up(asked, domain, 0.5) is None
    sentence = budgets.gpu_used_up(asked, domain, 0.51)
    assert sentence is not None
    assert "--set limits.max_gpu_h=2` goes on" in sentence


def test_wall_time_is_limited_for_a_run_and_for_all_runs() -> None:
    night = settings(limits={"max_wall_h": 8.0, "max_total_wall_h": 20.0})
    assert budgets.time_used_up(night, run_h=7.9, total_h=19.9) is None
    assert "for one run" in str(budgets.time_used_up(night, run_h=8.1, total_h=8.1))
    assert "--set limits.max_total_wall_h=40`" in str(budgets.time_used_up(night, run_h=1.0, total_h=20.1))


STORED = settings().model_dump(mode="json")


@pytest.mark.parametrize(
    "change",
    [
        "limits.max_usd=20",
        "rounds=9",
        "workers=1",
        "rate.requests_per_minute=30",
        "models.researcher.price_prompt_usd_per_mtok=2",
    ],
)
def test_resume_takes_new_limits(change: str) -> None:
    assert budgets.topped_up(STORED, config.parse_assignments([change])) != STORED


def test_a_new_limit_leaves_the_others_alone() -> None:
    stored = settings(limits={"max_wall_h": 3.0}).model_dump(mode="json")
    limits = budgets.topped_up(stored, {"limits": {"max_usd": 5.0}})["limits"]
    assert (limits["max_wall_h"], limits["max_usd"]) == (3.0, 5.0)


@pytest.mark.parametrize(
    "change", ["options.n=3", "seed=1", "models.researcher.model=other", "models.judge.price_prompt_usd_per_mtok=1"]
)
def test_resume_refuses_what_would_change_measurements(change: str) -> None:
    with pytest.raises(ConfigError, match="a resumed campaign keeps its settings, except rounds, workers"):
        budgets.topped_up(STORED, config.parse_assignments([change]))


@pytest.fixture
def archive(tmp_path: Any) -> Any:
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as opened:
        opened.create_campaign(NAME, "toy", 0, STORED, "1")
        yield opened


def test_calls_stored_without_a_price_count_once_a_price_is_known(archive: Archive) -> None:
    archive.save_call(ModelCall(NAME, "researcher", 0, "h", "scripted", "p", "a", 1_000, 200, None, 1.0))
    archive.save_call(ModelCall(NAME, "researcher", 1, "h", "scripted", "p", "a", 1_000, 200, 0.5, 1.0))
    archive.save_call(ModelCall(NAME, "researcher", 2, "h", "another", "p", "a", 1_000, 200, None, 1.0))
    dollars, unknown = budgets.priced_later(archive, settings())
    assert dollars == pytest.approx(0.003)
    assert unknown == 1
    assert budgets.spent_before(archive, settings()).dollars == pytest.approx(0.503)
