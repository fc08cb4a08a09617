"""Whole campaigns that run into their budgets, and go on when they are topped up; real HTTP, archive and Prefect."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cognition.archive import Archive
from cognition.records import round_id
from flows import budgets, progress
from flows.config import Settings
from flows.home import open_home
from tests.scripted_server import ScriptedServer

PRICES = {"price_prompt_usd_per_mtok": 0.0, "price_completion_usd_per_mtok": 100.0}


def _settings(name: str, server: ScriptedServer | None, tmp_path: Path, **values: Any) -> Settings:
    options = {"log": str(tmp_path / "calls"), **values.pop("options", {})}
    base: dict[str, Any] = {"tracking": {"enabled": False}, "propose": {"kind": "random"}, "workers": 1, "rounds": 3}
    if server is not None:
        model = {"model": "scripted", "base_url": server.base_url, "max_tokens": 1_000, "structured": "tags", **PRICES}
        base |= {"models": {"researcher": model}, "propose": {"kind": "openai"}}
    return Settings.model_validate(
        {"name": name, "problem": "tests.toy_domain:Toy", "options": options, **base, **values}
    )


def _run(settings: Settings) -> Any:
    from flows import runtime

    progress.stop_requested.clear()
    return runtime.run_campaign(settings, lambda: None)


def _archive() -> Archive:
    return Archive.open(open_home().archive_url)


def _topped_up(settings: Settings, **limits: float) -> Settings:
    return Settings.model_validate(budgets.topped_up(settings.model_dump(mode="json"), {"limits": limits}))


def test_a_campaign_ends_before_the_round_it_cannot_pay_for_and_goes_on_when_topped_up(
    home: Path, tmp_path: Path
) -> None:
    with ScriptedServer() as server:  # a call costs at most $0.1, and really about a cent
        settings = _settings("poor", server, tmp_path, rounds=20, limits={"max_usd": 0.11})
        ended = _run(settings)
        asked = len(server.requests)
        with _archive() as archive:
            recorded = len(archive.recorded_rounds("poor"))
            spent = archive.spend("poor").dollars
            assert archive.spend("poor").wall_s > 0
            assert [r.state for r in archive.rounds("poor")] == ["recorded"] * recorded
        assert (ended.ending, ended.is_failure) == ("budget", False)
        assert "`nightshift resume poor --set limits.max_usd=0.22` goes on" in ended.sentence
        assert 0.01 < spent <= 0.11
        assert _run(settings).ending == "budget"  # nothing was added: nothing is asked, nothing fails
        assert len(server.requests) == asked
        _run(_topped_up(settings, max_usd=0.13))
    with _archive() as archive:
        assert len(archive.recorded_rounds("poor")) > recorded
        assert archive.spend("poor").dollars <= 0.13
        assert [spend.role for spend in archive.spend_by_role("poor")] == ["researcher"]


def test_gpu_hours_are_reserved_used_and_end_the_campaign(home: Path, tmp_path: Path) -> None:
    options = {"gpus": 1, "train_wall_s": 36.0, "sleep_s": 0.3}
    limits = {"max_gpu_h": 36.9 / 3600}  # room for one worst case while less than 0.9 s are used
    settings = _settings("gpus", None, tmp_path, rounds=20, options=options, limits=limits)
    ended = _run(settings)
    assert ended.ending == "budget", ended.sentence
    assert "--set limits.max_gpu_h=0.0205` goes on" in ended.sentence
    with _archive() as archive:
        used_s = archive.spend("gpus").gpu_s
        assert archive.recorded_rounds("gpus") >= {0, 1}
        assert len(archive.recorded_rounds("gpus")) < 6
        assert archive.committed_gpu_s("gpus") == used_s  # nothing stays reserved
        assert archive.round_gpu_s(round_id("gpus", 0)) >= 0.3
    assert 0.9 < used_s < 4.0
    assert asyncio.run(_gpu_slots()) == 1


async def _gpu_slots() -> int:
    from prefect import get_client

    async with get_client() as client:
        return (await client.read_global_concurrency_limit_by_name("gpu")).limit


def test_a_budget_below_one_round_is_refused_before_anything_starts(home: Path, tmp_path: Path) -> None:
    from flows.config import ConfigError

    with ScriptedServer() as server:
        settings = _settings("beggar", server, tmp_path, limits={"max_usd": 0.01})
        with pytest.raises(ConfigError, match="cannot pay for one round"):
            _run(settings)
    assert server.requests == []
    with _archive() as archive:
        assert archive.campaigns() == []


@pytest.mark.slow
def test_only_one_of_several_workers_trains_at_a_time_on_one_gpu(home: Path, tmp_path: Path) -> None:
    options = {"gpus": 1, "sleep_s": 0.2, "overlap": str(tmp_path / "overlap")}
    ended = _run(_settings("turns", None, tmp_path, rounds=5, workers=4, options=options))
    assert ended.ending == "finished", ended.sentence
    assert max(int(line) for line in (tmp_path / "overlap").read_text().split()) == 1


@pytest.mark.slow
def test_more_gpus_than_slots_are_refused_with_the_command_to_change_it(home: Path, tmp_path: Path) -> None:
    from flows.config import ConfigError

    with pytest.raises(ConfigError, match=r"needs 3 GPUs at once.*`prefect gcl update gpu --limit 3`"):
        _run(_settings("many", None, tmp_path, options={"gpus": 3}))


@pytest.mark.slow
def test_wall_time_of_all_runs_together_is_kept_across_resumes(home: Path, tmp_path: Path) -> None:
    settings = _settings("long", None, tmp_path, rounds=50, options={"sleep_s": 0.3})
    first = _run(settings.model_copy(update={"rounds": 2}))
    assert first.ending == "finished"
    with _archive() as archive:
        wall_s = archive.spend("long").wall_s
    assert wall_s > 0.6
    ended = _run(_topped_up(settings, max_total_wall_h=(wall_s + 1.5) / 3600))
    assert ended.ending == "wall_time"
    assert "all runs together" in ended.sentence
    with _archive() as archive:
        assert 2 < len(archive.recorded_rounds("long")) < 12
    ended = _run(_topped_up(settings, max_wall_h=1.0 / 3600))  # per run: it starts again at zero
    assert "`nightshift resume long` goes on for as long again" in ended.sentence


@pytest.mark.slow
def test_the_command_line_forecasts_ends_with_0_and_is_topped_up(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.cli import app

    monkeypatch.setattr("flows.runtime.enter", lambda *_, **__: "")
    monkeypatch.setattr("flows.runtime._handle_interrupts", lambda _: None)
    runner = CliRunner()
    with ScriptedServer() as server:
        settings = _settings("night", server, tmp_path, rounds=20, limits={"max_usd": 0.11})
        path = tmp_path / "night.json"
        path.write_text(json.dumps(settings.model_dump(mode="json")))
        monkeypatch.setattr("flows.config.read_toml", lambda _: json.loads(path.read_text()))
        first = runner.invoke(app, ["run", "night.toml"])
        assert first.exit_code == 0, first.output
        assert "forecast for 20 rounds, worst case: $6.00, no GPU" in first.output
        assert "limits.max_usd = 0.11 may end it earlier" in first.output
        assert "--set limits.max_usd=0.22" in " ".join(first.output.split())
        second = runner.invoke(app, ["resume", "night", "--set", "limits.max_usd=0.2"])
        assert second.exit_code == 0, second.output
        assert "recorded: $" in second.output
    (status,) = json.loads(runner.invoke(app, ["status", "--json"]).stdout)["campaigns"]
    assert status["budgets"] == {"max_usd": 0.2}
    assert status["spend"]["by_role"]["researcher"]["dollars"] == pytest.approx(status["spend"]["dollars"])
    shown = json.loads(runner.invoke(app, ["show", "night-0001", "--json"]).stdout)
    assert shown["spend"]["by_role"]["researcher"]["calls"] >= 1
    assert "researcher $" in runner.invoke(app, ["show", "night-0001"]).output
