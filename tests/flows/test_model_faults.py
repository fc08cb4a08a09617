"""A campaign against a model server that fails in every way it can; real HTTP, real archive, real Prefect server."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from cognition.archive import Archive
from cognition.records import Failure, FailureKind, Score, round_id
from flows import progress
from flows.config import Settings
from flows.home import open_home
from tests.scripted_server import Script, ScriptedServer


def _settings(name: str, server: ScriptedServer, tmp_path: Path, **values: Any) -> Settings:
    model = {"model": "scripted", "base_url": server.base_url, "timeout_s": 1.0, "backoff_s": 0.01, "retries": 8}
    return Settings.model_validate(
        {
            "name": name,
            "problem": "tests.toy_domain:Toy",
            "options": {"log": str(tmp_path / "calls")},
            "propose": {"kind": "openai"},
            "analyze": {"kind": "model"},
            "models": {"researcher": model, "analyzer": model},
            "tracking": {"enabled": False},
            "workers": 4,
            **values,
        }
    )


def _run(settings: Settings) -> Any:
    from flows import runtime

    progress.stop_requested.clear()
    return runtime.run_campaign(settings, lambda: None)


def test_every_round_ends_whatever_the_model_server_does(home: Path, tmp_path: Path) -> None:
    # A third of the requests fail on the way, nearly half of what arrives cannot be used.
    on_the_way = Script(seed=3, http_500=0.1, http_429=0.1, hang=0.03, hang_s=5.0, cut_body=0.07)
    script = replace(on_the_way, cut_json=0.1, empty=0.1, no_code=0.1, bad_diff=0.1)
    with ScriptedServer(script) as server:
        ended = _run(_settings("faults", server, tmp_path, rounds=16))
    assert ended.ending == "finished", ended.sentence
    with Archive.open(open_home().archive_url) as archive:
        outcomes = [archive.outcome(round_id("faults", index)) for index in range(17)]
        rounds = archive.rounds("faults")
    kinds = Counter("scored" if isinstance(outcome, Score) else outcome.kind for outcome in outcomes if outcome)
    assert sum(kinds.values()) == 17
    assert set(kinds) <= {"scored", FailureKind.UNUSABLE, FailureKind.DUPLICATE, FailureKind.CHECK}
    assert kinds["scored"] >= 5
    for summary, outcome in zip(rounds, outcomes, strict=True):
        if isinstance(outcome, Failure):
            assert summary.reason == outcome.reason
            assert len(outcome.reason) > 20


def test_a_server_that_is_down_for_good_stops_the_campaign_with_one_sentence(home: Path, tmp_path: Path) -> None:
    with ScriptedServer(Script(down_after=6)) as server:
        settings = _settings("gone", server, tmp_path, rounds=200, workers=2)
        started = time.monotonic()
        ended = _run(settings)
    assert time.monotonic() - started < 60
    assert ended.ending == "machine_failures"
    assert "rounds in a row failed by no fault of theirs" in ended.sentence
    assert "model server" in ended.sentence
    assert "\n" not in ended.sentence
    with Archive.open(open_home().archive_url) as archive:
        assert 0 < len(archive.recorded_rounds("gone")) < 12
        assert all(isinstance(archive.outcome(r.id), Score | None) for r in archive.rounds("gone"))


def test_a_programs_lessons_reach_the_next_prompt(home: Path, tmp_path: Path) -> None:
    with ScriptedServer(Script()) as server:
        _run(_settings("memory", server, tmp_path, rounds=3, workers=1, analyze={"kind": "rules"}))
        prompts = [json.dumps(body["messages"]) for body in server.requests]
    with Archive.open(open_home().archive_url) as archive:
        analysis = archive.candidate("memory-0000").analysis
    assert any(analysis.splitlines()[1] in prompt for prompt in prompts)
    assert any("three is a good number" in prompt for prompt in prompts)  # the retrieved cognition item
