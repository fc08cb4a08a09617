"""The audit before the first round: what is new is attacked once, and what can be fooled does not begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cognition.archive import Archive
from flows import engines, registry, scaffold
from flows.auditing import audit as auditing
from flows.auditing import first_run
from flows.config import Settings
from tasks.engine import Engine
from tasks.sandbox import Pool
from tests.conftest import Lent


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """A problem as `nightshift new` makes it."""
    folder = tmp_path / "mine"
    scaffold.new(folder)
    return folder


@pytest.fixture(autouse=True)
def audits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own environment switches audits off."""
    monkeypatch.delenv(first_run.SWITCH)


@pytest.fixture
def engine_of(warm_sandbox: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Engines of campaigns in a state folder of their own, on the shared sandbox."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("flows.engines.open_sandbox", lambda *_, **__: Lent(warm_sandbox))
    opened: list[Archive] = []

    def engine(settings: Settings) -> Engine:
        engine = engines.engine_for(settings)
        opened.append(engine.archive)
        stored = settings.model_dump(mode="json")
        engine.archive.create_campaign(settings.name, settings.problem, 0, stored, engine.domain.contract_version)
        return engine

    yield engine
    for archive in opened:
        archive.close()


def _settings(problem: Path, name: str = "first", **values: Any) -> Settings:
    plain = {"name": name, "problem": registry.resolved(str(problem)), "tracking": {"enabled": False}, "workers": 2}
    return Settings.model_validate(plain | values)


def _believing(problem: Path) -> None:
    """A judge that looks at one number only, and not whether it lies in the square."""
    file = problem / "problem.py"
    text = file.read_text()
    head = text[: text.index("        points = [(float(x)")]
    file.write_text(f"{head}        return {{'min_distance': max(float(x) for x, y in answer)}}\n")


def _note(engine: Engine, name: str) -> str:
    return first_run.note_of(engine.archive, name)


@pytest.mark.slow
def test_a_new_problem_is_audited_once_and_by_its_files(problem: Path, engine_of: Any, monkeypatch: Any) -> None:
    settings = _settings(problem)
    engine = engine_of(settings)
    assert first_run.refusal(engine, settings) is None
    assert "none scored" in _note(engine, "first")
    monkeypatch.setattr(first_run, "attacked", None)  # would be called for what is new
    again = _settings(problem, "second")
    assert first_run.refusal(engine_of(again), again) is None
    assert _note(engine, "second") == _note(engine, "first")


@pytest.mark.slow
def test_a_judge_that_believes_what_it_is_told_stops_the_run(problem: Path, engine_of: Any) -> None:
    _believing(problem)
    settings = _settings(problem)
    engine = engine_of(settings)
    refused = first_run.refusal(engine, settings)
    assert refused is not None
    assert "cheats get through" in refused
    assert "--accept-audit" in refused
    accepted = _settings(problem, "accepted", audit={"first_run": "accept"})
    assert first_run.refusal(engine_of(accepted), accepted) is None
    assert "believe no score" in _note(engine, "accepted")


def test_time_is_up_after_the_budget_and_says_so(problem: Path, engine_of: Any) -> None:
    settings = _settings(problem, audit={"budget_s": 0.001})
    engine = engine_of(settings)
    assert first_run.refusal(engine, settings) is None
    assert "not tried" in _note(engine, "first")


def test_what_is_switched_off_shipped_or_self_reported_is_not_audited(
    problem: Path, engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_run, "attacked", None)
    off = _settings(problem, "off", audit={"first_run": "off"})
    engine = engine_of(off)
    assert first_run.refusal(engine, off) is None
    assert "switched off" in _note(engine, "off")
    told = replace(engine, brief=replace(engine.brief, metric="self_reported/score"))
    claimed = _settings(problem, "claimed")
    engine.archive.create_campaign("claimed", claimed.problem, 0, {}, "1")
    assert first_run.refusal(told, claimed) is None
    assert "what programs say of themselves" in _note(engine, "claimed")
    shipped = Settings(name="shipped", problem="circle_packing")
    engine.archive.create_campaign("shipped", "circle_packing", 0, {}, "1")
    assert first_run.refusal(engine, shipped) is None
    assert _note(engine, "shipped") == ""
    assert engine.archive.source_of("shipped") is not None


def test_a_problem_that_breaks_the_audit_is_left_to_its_first_round(
    problem: Path, engine_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("of the problem's own")

    monkeypatch.setattr(first_run, "attacked", broken)
    settings = _settings(problem)
    engine = engine_of(settings)
    assert first_run.refusal(engine, settings) is None
    assert "could not be audited: RuntimeError" in _note(engine, "first")


def test_a_run_that_is_refused_ends_with_one_sentence_and_code_1(
    home: Path, problem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import runtime

    _believing(problem)
    finding = auditing.Finding("forges a report", "claim", "scored", 9.0, "", "")
    found = auditing.Audit("mine", "explore", "bubblewrap", 1.0, True, (finding,), 1.0)
    monkeypatch.setattr(first_run, "attacked", lambda *_: found)
    ended = runtime.run_campaign(_settings(problem), lambda: None)
    assert (ended.ending, ended.is_failure) == ("gameable", True)
    assert "forges a report" in ended.sentence
    assert "\n" not in ended.sentence
    assert json.dumps(ended.sentence)
