"""Replays of played campaigns: real Prefect, a real model server that is gone by then, real cassettes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cognition.archive import Archive, ArchiveError
from cognition.records import Item, Score
from flows import progress
from flows.cli import app
from flows.config import ConfigError, Settings
from flows.home import open_home
from flows.replaying import command, process, refusal, tape
from flows.replaying.command import Wanted
from flows.replaying.export import export
from flows.replaying.records import Cassette
from flows.trust_settings import CassetteSettings
from tasks.sandbox import Pool
from tests.conftest import Lent
from tests.scripted_server import Script, ScriptedServer

NAME = "told"


def _settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings.model_validate(
        {
            "name": NAME,
            "problem": "tests.toy_domain:Toy",
            "options": {"log": str(tmp_path / "calls")},
            "tracking": {"enabled": False},
            "workers": 3,
            "rounds": 6,
            **values,
        }
    )


def _asking(server: ScriptedServer) -> dict[str, Any]:
    model = {"model": "scripted", "base_url": server.base_url, "backoff_s": 0.01}
    return {
        "propose": {"kind": "openai"},
        "analyze": {"kind": "model"},
        "models": {"researcher": model, "analyzer": model},
    }


def _run(settings: Settings) -> None:
    from flows import runtime

    progress.stop_requested.clear()
    ended = runtime.run_campaign(settings, lambda: None)
    assert ended.ending == "finished", ended.sentence


def _replay(monkeypatch: pytest.MonkeyPatch, **wanted: Any) -> dict[str, Any]:
    """In this process, on its Prefect server; the state folder is this test's again afterwards."""
    home = open_home()
    with monkeypatch.context() as patched:
        patched.setenv("NIGHTSHIFT_HOME", str(home.root))
        return command.replay(home, Wanted(NAME, **wanted), lambda done, of: None, ephemeral=False)


def _trained(told: Told) -> int:
    return told.calls.read_text().split().count("train")


def _exported() -> Cassette:
    with Archive.open(open_home().archive_url) as archive:
        return export(archive, NAME)


@dataclass(frozen=True)
class Told:
    """A played campaign: its state folder, its server, and the file in which the problem counts."""

    folder: Path
    server: ScriptedServer
    calls: Path


@pytest.fixture(scope="module")
def recorded(prefect_home: Path, warm_sandbox: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A campaign with several rounds in flight, whose model refuses, rambles and repeats itself. Played once."""
    folder = tmp_path_factory.mktemp("told")
    script = Script(seed=3, latency_s=0.02, no_code=0.15, cut_json=0.1, empty=0.1)
    with ScriptedServer(script) as server, pytest.MonkeyPatch.context() as patched:
        patched.setattr("flows.summary.report_of", lambda *_: None)
        patched.setattr("flows.engines.open_sandbox", lambda *_, **__: Lent(warm_sandbox))
        patched.setenv("NIGHTSHIFT_HOME", str(folder / "home"))
        _run(_settings(folder, **_asking(server)))
        yield Told(folder / "home", server, folder / "calls")


@pytest.fixture
def told(home: Path, recorded: Told) -> Told:
    """The played campaign in this test's own state folder."""
    shutil.copytree(recorded.folder, home)
    return recorded


def test_a_campaign_is_replayed_to_the_last_bit_without_its_models(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, trained = len(told.server.requests), _trained(told)
    report = _replay(monkeypatch)
    assert report["differences"] == []
    assert report["stopped"] == ""
    assert report["identical"]
    assert (report["rounds_replayed"], report["rounds_recorded"]) == (7, 7)
    assert report["answers"] > 6
    assert len(told.server.requests) == asked
    assert _trained(told) > trained  # it was measured again, not looked up


def test_a_campaign_without_models_is_replayed_too(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(_settings(tmp_path, sampler={"kind": "map_elites", "map_elites": {"islands": 2}}, rounds=9))
    report = _replay(monkeypatch)
    assert (report["differences"], report["identical"], report["answers"]) == ([], True, 0)


def test_what_a_cassette_holds_travels_and_prompts_can_be_left_out(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "told.jsonl"
    made = CliRunner().invoke(app, ["cassette", "export", NAME, "--out", str(file), "--prompts", "hashed", "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["prompts"] == "hashed"
    assert "find three" not in "".join(line for line in file.read_text().splitlines() if line.startswith('{"call'))
    assert tape.read(file).calls[0].answer == _exported().calls[0].answer
    shutil.rmtree(home_root := open_home().root)
    assert not home_root.exists()
    report = _replay(monkeypatch, cassette=file)
    assert (report["differences"], report["identical"]) == ([], True)


def test_another_answer_than_the_recorded_is_a_difference_and_a_missing_one_an_error(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cassette = _exported()
    file = tmp_path / "told.jsonl"
    dropped = next(call for call in cassette.calls if call.round_id == f"{NAME}-0003")
    calls = tuple(call for call in cassette.calls if call != dropped)
    shutil.rmtree(open_home().root)  # what the archive has recorded is not to help
    tape.write(replace(cassette, calls=calls), file)
    report = _replay(monkeypatch, cassette=file)
    assert not report["identical"]
    assert f"{NAME}-0003" in report["stopped"]
    assert "no answer to such a question was recorded" in report["stopped"]
    changed = replace(dropped, prompt_hash="0" * 64)
    tape.write(replace(cassette, calls=(*calls, changed)), file)
    report = _replay(monkeypatch, cassette=file)
    assert "the prompt is not the recorded one" in report["stopped"]


def test_an_evaluator_that_does_not_repeat_is_named_as_such(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.toy_domain import Toy

    _run(_settings(tmp_path, propose={"kind": "random"}, rounds=2))
    shift = iter(range(100))
    original = Toy.benchmark

    def drifting(self: Toy, *arguments: Any) -> Any:
        found: Any = original(self, *arguments)
        metrics = {"closeness": found.metrics["closeness"] - 1e-12 * (1 + next(shift))}
        return replace(found, metrics=metrics)

    monkeypatch.setattr(Toy, "benchmark", drifting)
    monkeypatch.setattr(Toy, "deterministic", True, raising=False)
    report = _replay(monkeypatch)
    assert not report["identical"]
    assert report["not_repeatable"][0] == f"{NAME}-0000"
    assert report["deterministic"]
    first = report["differences"][0]
    assert (first["where"], first["what"]) == (f"{NAME}-0000", "outcome.fitness")


def test_another_sampler_needs_no_recorded_answers_or_is_refused(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate(_exported().header.settings)
    refusal.refuse_sampler(settings, "greedy")  # its researcher is a script on this machine
    model = settings.models["researcher"].model_copy(update={"model": "gpt-5"})
    bought = settings.model_copy(update={"models": {"researcher": model}})
    with pytest.raises(ConfigError, match="asked other questions than were recorded"):
        refusal.refuse_sampler(bought, "greedy")
    report = _replay(monkeypatch, sampler="greedy")
    assert report["instead"]["sampler"] == "greedy"
    assert report["instead"]["rounds"] == 7
    with pytest.raises(ConfigError, match="--sampler"):
        _replay(monkeypatch, sampler="psychic")


def test_cassettes_that_do_not_fit_are_refused_with_the_round(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cassette, file = _exported(), tmp_path / "told.jsonl"

    def refused(match: str, changed: Cassette, **wanted: Any) -> None:
        tape.write(changed, file)
        with pytest.raises(ConfigError, match=match):
            _replay(monkeypatch, cassette=file, **wanted)

    header = cassette.header
    refused("0000: .*problem hash is abc", replace(cassette, header=replace(header, source="abc")))
    refused("0000: .*contract version is 9", replace(cassette, header=replace(header, contract_version="9")))
    other = {**header.settings, "options": {"sleep_s": 1.0}}
    refused("0000: .*its options", replace(cassette, header=replace(header, settings=other)))
    rounds = {**cassette.picture.rounds, 2: {**cassette.picture.rounds[2], "answers": []}}
    refused("0002: .*prompt hashes", replace(cassette, picture=replace(cassette.picture, rounds=rounds)))
    file.write_text(file.read_text().replace("scripted", "scribbled", 1))
    with pytest.raises(ConfigError, match="checksum"):
        _replay(monkeypatch, cassette=file)
    file.write_text("hello")
    with pytest.raises(ConfigError, match="no cassette"):
        tape.read(file)
    with pytest.raises(ArchiveError, match="no campaign 'nobody'"), Archive.open(open_home().archive_url) as archive:
        export(archive, "nobody")


def test_keys_are_blacked_out_and_patterns_too(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "find three")
    cassette = _exported()
    patterns = CassetteSettings(prompts="patterns", patterns=(r"assign \w+",))
    made = tape.redacted(cassette, patterns, ["A_KEY"])
    assert any("assign x" in call.prompt for call in cassette.calls)
    assert not any("assign x" in call.prompt or "find three" in call.prompt for call in made.calls)
    assert [call.prompt_hash for call in made.calls] == [call.prompt_hash for call in cassette.calls]
    monkeypatch.setenv("A_KEY", cassette.calls[0].answer)
    with pytest.raises(ConfigError, match="contains an API key"):
        tape.redacted(cassette, CassetteSettings(), ["A_KEY"])
    item = Item("pasted", "toy", "the key is sk-0123456789 here")
    monkeypatch.setenv("A_KEY", "sk-0123456789")
    with pytest.raises(ConfigError, match=r"in a line 'base' \(pasted\)"):
        tape.redacted(replace(cassette, base=(item,)), CassetteSettings(), ["A_KEY"])
    with pytest.raises(ConfigError, match="no regular expression"):
        tape.redacted(cassette, CassetteSettings(prompts="patterns", patterns=("(",)))


def test_demotions_in_the_middle_of_a_campaign_are_replayed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(tmp_path, sampler={"kind": "greedy"}, rounds=4, workers=1)
    _run(settings)
    with Archive.open(open_home().archive_url) as archive:
        best = archive.best(NAME)
        assert best is not None
        assert isinstance(best.outcome, Score)
        assert archive.demote(best.id, "explore", -0.5, 4)
        assert archive.best(NAME) != best
    _run(settings.model_copy(update={"rounds": 7}))
    with Archive.open(open_home().archive_url) as archive:
        later = [round.sample.parent for round in archive.drawn_rounds(NAME) if round.index > 4]
    assert best.id not in later
    report = _replay(monkeypatch)
    assert (report["differences"], report["identical"]) == ([], True)


def test_the_choice_among_several_models_is_replayed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rounds in flight together, whose number of finished rounds is not known to the round that was drawn."""
    second = Script(seed=4, model="other", latency_s=0.3)
    with ScriptedServer(Script(seed=3, latency_s=0.05)) as server, ScriptedServer(second) as other:
        priced = {"price_prompt_usd_per_mtok": 1.0, "price_completion_usd_per_mtok": 1.0, "backoff_s": 0.01}
        asking = {
            "propose": {"kind": "openai"},
            "analyze": {"kind": "off"},
            "models": {"researcher": {"model": "scripted", "base_url": server.base_url, **priced}},
            "more_researchers": [{"model": "other", "base_url": other.base_url, **priced}],
        }
        _run(_settings(tmp_path, **asking, rounds=12))
    report = _replay(monkeypatch)
    assert (report["stopped"], report["differences"], report["identical"]) == ("", [], True)


def test_a_signal_reaches_the_replay_and_not_prefect(home: Path) -> None:
    """Prefect takes SIGTERM in the main thread while a flow runs, and would wait for a server that is gone."""
    from prefect.utilities.engine import capture_sigterm

    async def flow() -> Any:
        with capture_sigterm():
            return signal.getsignal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    assert process._run(open_home(), flow()) == before


@pytest.mark.slow
def test_thirty_rounds_in_a_state_folder_and_process_of_their_own(tmp_path: Path) -> None:
    """As a person does it: `run`, the model gone, `cassette export`, and `replay` on what is another machine."""

    def nightshift(home: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {**outside, "NIGHTSHIFT_HOME": str(tmp_path / home), "COLUMNS": "200"}
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)

    script = Script(seed=3, latency_s=0.05, no_code=0.12, cut_json=0.08, empty=0.05, http_500=0.05)
    with ScriptedServer(script) as server:
        settings = _settings(tmp_path, **_asking(server), rounds=30, workers=4)
        file = tmp_path / "thirty.toml"
        file.write_text(_as_toml(settings, server))
        ran = nightshift("one", "run", str(file), "--ephemeral", "--json")
        assert ran.returncode == 0, ran.stderr
    cassette = str(tmp_path / "thirty.jsonl")
    assert nightshift("one", "cassette", "export", NAME, "--out", cassette, "--prompts", "hashed").returncode == 0
    replayed = nightshift("two", "replay", NAME, "--cassette", cassette, "--json")
    report = json.loads(replayed.stdout)
    assert report["differences"] == []
    assert (report["identical"], report["rounds_replayed"], replayed.returncode) == (True, 31, 0)


@pytest.mark.slow
def test_thirty_rounds_of_circle_packing_with_a_counted_clock(tmp_path: Path) -> None:
    """Real programs that stop by the time, several at once, and again one by one: identical to the last bit."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**outside, "NIGHTSHIFT_HOME": str(tmp_path / "home"), "COLUMNS": "200"}

    def nightshift(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", *arguments, "--json"]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)

    options = ("--set", "options.cpu_s=0.3", "--set", "options.clock=calls", "--set", "tracking.enabled=false")
    plain = ("run", "circle_packing", "--name", "packing", "--rounds", "30", "--workers", "2", "--ephemeral")
    ran = nightshift(*plain, *options)
    assert ran.returncode == 0, ran.stderr
    replayed = nightshift("replay", "packing")
    report = json.loads(replayed.stdout)
    assert (report["not_repeatable"], report["differences"]) == ([], [])
    assert (report["identical"], report["rounds_replayed"], replayed.returncode) == (True, 31, 0)


def _as_toml(settings: Settings, server: ScriptedServer) -> str:
    model = f'model = "scripted"\nbase_url = "{server.base_url}"\nbackoff_s = 0.01\n'
    return (
        f'name = "{settings.name}"\nproblem = "{settings.problem}"\nrounds = {settings.rounds}\n'
        f'workers = {settings.workers}\n\n[propose]\nkind = "openai"\n\n[analyze]\nkind = "model"\n\n'
        f"[tracking]\nenabled = false\n\n[models.researcher]\n{model}\n[models.analyzer]\n{model}"
    )
