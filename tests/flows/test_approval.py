"""A person decides: through the Prefect API as its UI does, on the command line, or not at all."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cognition.archive import Archive
from cognition.records import Failure, FailureKind, round_id
from flows import approval, approval_cli, asking, progress
from flows.campaign import Ended
from flows.config import ConfigError, Settings
from flows.home import open_home
from tests.flows import prefect_api

SOON_H = 0.5 / 3600


class _Listener(progress.Silent):
    """Keeps what was asked, and lets somebody act on it."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.react = threading.Event()

    def asked(self, question: str) -> None:
        self.questions.append(question)
        self.react.set()


@pytest.fixture
def listener(home: Path, monkeypatch: pytest.MonkeyPatch) -> _Listener:
    listener = _Listener()
    monkeypatch.setattr(progress, "watcher", listener)
    monkeypatch.setattr(asking, "POLL_S", 0.1)
    return listener


def _settings(name: str, tmp_path: Path, **values: Any) -> Settings:
    options = {"log": str(tmp_path / "calls"), **values.pop("options", {})}
    sections = {"tracking": {"enabled": False}, "propose": {"kind": "random"}, "workers": 1, "rounds": 0}
    return Settings.model_validate(
        {"name": name, "problem": "tests.toy_domain:Toy", "options": options, **sections, **values}
    )


def _run(settings: Settings) -> Ended:
    from flows import runtime

    progress.stop_requested.clear()
    ended = runtime.run_campaign(settings, lambda: None)
    assert isinstance(ended, Ended)
    return ended


def _archive() -> Archive:
    return Archive.open(open_home().archive_url)


def _trained(tmp_path: Path) -> int:
    calls = tmp_path / "calls"
    return calls.read_text().split().count("train") if calls.exists() else 0


@contextmanager
def _person(answers: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Somebody at the Prefect UI who sends the form of each flow run of these names; yields what the forms said."""
    shown: dict[str, str] = {}
    failed: list[BaseException] = []

    def sit() -> None:
        try:
            for name, answer in answers.items():
                shown[name] = _send_form(name, answer)
        except BaseException as error:  # noqa: BLE001  # shown by the test, not lost in the thread
            failed.append(error)
            progress.stop_requested.set()  # or the run would wait its hours for somebody who has left

    person = threading.Thread(target=sit, daemon=True)
    person.start()
    yield shown
    person.join(10)
    assert not failed, failed
    assert list(shown) == list(answers)


def _send_form(name: str, answer: dict[str, Any]) -> str:
    """What the button Resume does; returns the description above the form."""
    server = os.environ["PREFECT_API_URL"]
    wanted = {"flow_runs": {"name": {"any_": [name]}, "state": {"type": {"any_": ["PAUSED"]}}}}
    for _ in range(150):
        found = prefect_api.post(f"{server}/flow_runs/filter", wanted)
        keys = found[0]["state"]["state_details"]["run_input_keyset"] if found else {}
        place = f"{server}/flow_runs/{found[0]['id']}" if found else ""
        if found and (described := httpx.get(f"{place}/input/{keys['description']}", timeout=30)).status_code == 200:
            refused = prefect_api.post(f"{place}/resume", {"run_input": {"nonsense": 1}})
            assert refused["status"] == "REJECT"
            assert prefect_api.post(f"{place}/resume", {"run_input": answer})["status"] == "ACCEPT"
            return str(json.loads(described.text))
        time.sleep(0.2)
    raise AssertionError(f"{name} was never paused")


def _state_of(name: str) -> str:
    wanted = {"flow_runs": {"name": {"any_": [name]}}, "sort": "EXPECTED_START_TIME_DESC"}
    return str(prefect_api.post(f"{os.environ['PREFECT_API_URL']}/flow_runs/filter", wanted)[0]["state"]["name"])


def test_an_approved_rung_is_spent_on(listener: _Listener, tmp_path: Path) -> None:
    settings = _settings("yes", tmp_path, approval={"rungs": ["explore"]})
    with _person({"yes": {"approved": True, "note": "go"}}) as shown:
        assert _run(settings).ending == "finished"
    assert "rung **explore**" in shown["yes"]
    assert "forecast for 0 rounds, worst case" in shown["yes"]
    assert len(listener.questions) == 1


def test_a_refused_rung_spends_nothing_until_it_is_approved(listener: _Listener, tmp_path: Path) -> None:
    settings = _settings("no", tmp_path, approval={"rungs": ["explore"]})
    with _person({"no": {"approved": False, "note": "too dear"}}):
        ended = _run(settings)
    again = _run(settings)
    assert ended == again
    assert (ended.ending, ended.is_failure) == ("unapproved", False)
    assert "refused: too dear; `nightshift approve no`, then `nightshift resume no`" in ended.sentence
    assert (_trained(tmp_path), len(listener.questions), _state_of("no")) == (0, 1, "Completed")
    approval_cli.approve("no")
    assert _run(settings).ending == "finished"


@pytest.mark.slow
def test_a_rung_that_nobody_approves_in_time_ends_the_run(listener: _Listener, tmp_path: Path) -> None:
    settings = _settings("late", tmp_path, approval={"rungs": ["explore"], "wait_h": SOON_H})
    ended = _run(settings)
    assert ended.ending == "unapproved"
    assert "nobody approved it within 0.5 s; `nightshift approve late`" in ended.sentence
    assert (_trained(tmp_path), _state_of("late")) == (0, "Completed")


def test_a_rung_that_does_not_exist_is_refused(listener: _Listener, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"approval.rungs: .* has explore, not explroe"):
        _run(_settings("typo", tmp_path, approval={"rungs": ["explroe"]}))


@pytest.mark.slow
def test_proposals_are_accepted_edited_and_vetoed(listener: _Listener, tmp_path: Path) -> None:
    settings = _settings("said", tmp_path, rounds=3, approval={"motivations": "ask"})
    answers = [
        {"decision": "accept", "motivation": "not to be used"},
        {"decision": "edit", "motivation": "because I say so"},
        {"decision": "veto", "note": "seen before"},
    ]
    with _person({round_id("said", index): answer for index, answer in enumerate(answers, start=1)}) as shown:
        assert _run(settings).ending == "finished"
    with _archive() as archive:
        accepted, edited = archive.candidate("said-0001"), archive.candidate("said-0002")
        vetoed = archive.outcome("said-0003")
        published = json.dumps([entry.payload for entry in archive.pending(1000)])
    assert accepted.code.splitlines()[0] in shown["said-0001"]
    assert accepted.motivation not in ("not to be used", "")
    assert edited.motivation == "because I say so"
    assert '"motivation.md": "because I say so"' in published
    assert isinstance(vetoed, Failure)
    assert (vetoed.kind, vetoed.reason) == (FailureKind.REVIEW, "vetoed: seen before")
    assert _trained(tmp_path) == 3
    assert _state_of("said-0003") == "Completed"


@pytest.mark.slow
def test_a_proposal_that_nobody_looks_at_goes_on(listener: _Listener, tmp_path: Path) -> None:
    assert (
        _run(_settings("alone", tmp_path, rounds=1, approval={"motivations": "ask", "wait_h": SOON_H})).ending
        == "finished"
    )
    assert len(listener.questions) == 1
    desk = approval.round_desk(open_home().artefact_root, "alone-0001")
    decision = approval.decision_of(desk, approval.asked(desk) or "")
    assert decision == approval.Decision("accept", "nobody answered within 0.5 s")


def test_a_retry_does_not_ask_again(listener: _Listener, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    settings = _settings("once", tmp_path, approval={"motivations": "ask"}, options={"fault_file": str(fault)})
    _run(settings)
    settings = settings.model_copy(update={"rounds": 1})
    fault.touch()
    with _person({"once-0001": {"decision": "edit", "motivation": "mine"}}):
        assert _run(settings).ending == "machine_failures"
    fault.unlink()
    assert _run(settings).ending == "finished"
    assert len(listener.questions) == 1
    with _archive() as archive:
        assert archive.candidate("once-0001").motivation == "mine"


@pytest.mark.slow
def test_the_command_line_answers_a_waiting_round(
    listener: _Listener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = _settings("typed", tmp_path, rounds=1, approval={"motivations": "ask"})

    def person() -> None:
        assert listener.react.wait(20)
        approval_cli.veto("typed-0001", note="no")

    thread = threading.Thread(target=person, daemon=True)
    thread.start()
    assert _run(settings).ending == "finished"
    thread.join(5)
    with _archive() as archive:
        outcome = archive.outcome("typed-0001")
    assert isinstance(outcome, Failure)
    assert outcome.reason == "vetoed: no"
    with pytest.raises(ConfigError, match="typed-0001 is decided already: veto, no"):
        approval_cli.accept("typed-0001")
    with pytest.raises(ConfigError, match="typed-0000 waits for no decision"):
        approval_cli.accept("typed-0000")


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_at_once_and_gives_the_round_back(listener: _Listener, tmp_path: Path) -> None:
    settings = _settings("stopped", tmp_path, rounds=1, lease_s=5.0, approval={"motivations": "ask"})

    def person() -> None:
        assert listener.react.wait(20)
        progress.stop_requested.set()

    thread = threading.Thread(target=person, daemon=True)
    thread.start()
    ended = _run(settings)
    thread.join(5)
    assert (ended.ending, ended.is_failure) == ("interrupted", False)
    with _archive() as archive:
        assert [(one.state, one.reason) for one in archive.rounds("stopped")][1:] == [("open", "")]
    assert _state_of("stopped") == "Completed"
