"""Promotions of played campaigns: real Prefect, real steps, real archive; the problem's noise is known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cognition.archive import Archive, RoundResult
from cognition.records import FRESH_FROM, Evaluation, MachineFault, Measurements, Provenance, Sample, Score
from flows import promoting
from flows.cli import app
from flows.config import ConfigError, Settings
from flows.finalists import NotDeterministic, at_rung, fresh_seeds
from flows.home import open_home

#: Program, and the score that its round is said to have found.
SEED = ("x = 0.0\n", 0.3)
GOOD = ("x = 5.0\n", 4.0)
LUCKY = ("x = 0\n# lucky\nx = 0.0\n", 3.0)
FRAGILE = ("# fragile\nx = 9.0\n", 8.0)
WORSE = ("x = -4.0\n", 2.0)
BELOW = ("x = 0.1\n", 0.1)


def _settings(tmp_path: Path, kind: str = "Noisy", **options: Any) -> Settings:
    return Settings.model_validate(
        {
            "name": "p",
            "problem": f"tests.noisy_domain:{kind}",
            "options": {"log": str(tmp_path / "calls"), **options},
            "tracking": {"enabled": False},
            "rounds": 3,
            "workers": 2,
        }
    )


def _played(settings: Settings, *candidates: tuple[str, float], start: int = 0) -> None:
    """A campaign whose rounds brought these programs, recorded without running anything."""
    with Archive.open(open_home().archive_url) as archive:
        archive.create_campaign(settings.name, settings.problem, 0, settings.model_dump(mode="json"), "1")
        for index, (code, fitness) in enumerate(candidates, start):
            claim = archive.open_round("p", index, "me/1/1", 60, lambda view: Sample(None, (), view.sequence, "hand"))
            measured = (Evaluation("explore", 7, "1", Measurements({"closeness": fitness})),)
            archive.record(
                RoundResult(claim.round_id, claim.token, Score(fitness), code, "", Provenance("hand"), measured)
            )


def _promote(settings: Settings, **plan: Any) -> dict[str, Any]:
    from flows import runtime

    return runtime.run_promotion(settings, promoting.plan(plan))


def _verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {row["candidate"]: row["verdict"] for row in report["finalists"]}


def _calls(tmp_path: Path) -> Counter[str]:
    return Counter(line.split(":")[0] for line in (tmp_path / "calls").read_text().split())


def test_what_is_better_is_promoted_and_what_was_lucky_is_not(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _played(settings, SEED, GOOD, LUCKY, FRAGILE, WORSE, BELOW)
    report = _promote(settings)
    verdicts = _verdicts(report)
    assert list(verdicts) == ["p-0003", "p-0001", "p-0002", "p-0004"]  # the best first; one is below the baseline
    assert verdicts["p-0001"] == "promoted"
    assert verdicts["p-0002"] in ("not promoted", "demoted")
    assert (verdicts["p-0003"], verdicts["p-0004"]) == ("failed", "demoted")
    good = next(row for row in report["finalists"] if row["candidate"] == "p-0001")
    assert 0.0 < good["lower"] < good["gain"] < good["upper"]
    assert abs(good["gain"] - 5.0) < 2.5
    assert (report["tried"], report["tests"]) == (5, 3)
    with Archive.open(open_home().archive_url) as archive:
        kept = archive.confirmations("p-0001", "explore")
        assert [e.seed for e in kept] == list(fresh_seeds(0, len(kept)))
        assert good["replicates"] <= len(kept) < good["replicates"] + 2  # a look may bring one more than was needed
        assert min(e.seed for e in kept) >= FRESH_FROM
        assert [c.id for c in archive.top("p", 2)] == ["p-0003", "p-0001"]  # no score and no ranking has changed
        assert [e.seed for e in archive.baseline_evaluations("p", "explore")] == [7]


def test_a_gain_is_wanted_on_every_part_that_the_problem_names(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path, "TwoSided", sd=0.2)
    _played(settings, SEED, GOOD, ("# costly\nx = 6.0\n", 6.0))
    report = _promote(settings)
    assert _verdicts(report) == {"p-0002": "not promoted", "p-0001": "promoted"}
    costly, good = report["finalists"]
    assert costly["gain"] > good["gain"]  # by the fitness alone it would be the better one
    assert costly["replicates"] == 4  # the cost is clear after the first look, and no further seed is spent
    assert ("cost" in costly["held_back_by"], good["held_back_by"]) == (True, [])
    shown = Console(width=200, record=True)
    promoting.show(shown, report)
    assert "not promoted: no sure gain on" in shown.export_text()


def test_who_is_demoted_is_marked_and_no_longer_the_best(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path, "Quiet", sd=0.0)
    boasted = ("x = -1.0\n", 9.0)  # a lucky score on the rounds' seeds: worse than the baseline on any other
    _played(settings, SEED, ("x = 0.5\n", 0.5), boasted)
    assert _verdicts(_promote(settings)) == {"p-0002": "demoted", "p-0001": "promoted"}
    assert _verdicts(_promote(settings)) == {"p-0002": "demoted", "p-0001": "promoted"}
    with Archive.open(open_home().archive_url) as archive:
        best = archive.best("p")
        assert best is not None
        assert best.id == "p-0001"
        assert archive.candidate("p-0002").fitness == 9.0
        demoted = archive.demoted("p")["p-0002"]
        assert (demoted.rung, demoted.replicates, demoted.gain) == ("explore", 2, -1.0)
        tags = [e.payload["data"]["tags"] for e in archive.pending(100) if e.step.startswith("retest:")]
    assert sorted(tag["nightshift.retest"] for tag in tags) == [
        "demoted by re-test at explore: gain -1 ± 0 on 2 fresh seeds",
        "promoted at explore: gain +0.5 ± 0 on 2 fresh seeds",
    ]
    shown = CliRunner().invoke(app, ["show", "p-0002"], env={"COLUMNS": "200"})
    assert "demoted by re-test: gain -1 over the baseline on 2 fresh seeds at explore" in shown.output
    assert json.loads(CliRunner().invoke(app, ["best", "p", "--json"]).output)["id"] == "p-0001"
    report = json.loads(CliRunner().invoke(app, ["report", "p", "--json"]).output)
    assert report["best"]["id"] == "p-0001"
    assert [notice["kind"] for notice in report["notices"]].count("demoted") == 1
    compared = json.loads(CliRunner().invoke(app, ["compare", "p-0001", "p-0002", "--json"]).output)
    assert (compared["a"]["retest"], compared["b"]["retest"][:18]) == ("", "demoted by re-test")


def test_a_night_ends_with_a_re_test_and_tells_what_is_left(home: Path, tmp_path: Path) -> None:
    import asyncio

    from flows import engines
    from flows.campaign import Ended
    from flows.nightly import retested

    settings = _settings(tmp_path, "Quiet", sd=0.0)
    _played(settings, SEED, ("x = 0.5\n", 0.5), ("x = -1.0\n", 9.0))
    engine = engines.engine_for(settings)
    done = asyncio.run(retested(engine, Ended("finished", "3 rounds recorded")))
    assert done == Ended("finished", "3 rounds recorded; on fresh seeds: 1 demoted, 1 promoted, best after it p-0001")
    late = Ended("wall_time", "it is late")
    assert asyncio.run(retested(engine, late)) == late


def test_a_second_promotion_measures_nothing_again_and_counts_on(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _played(settings, SEED, GOOD, WORSE)
    first = _promote(settings)
    before = _calls(tmp_path)
    again = _promote(settings)
    assert _calls(tmp_path)["train"] == before["train"]
    assert again["finalists"] == first["finalists"]
    _played(settings, ("x = 6.0\n", 6.0), start=3)
    later = _promote(settings)
    assert [(row["candidate"], row["number"]) for row in later["finalists"]] == [
        ("p-0001", 1),
        ("p-0002", 2),
        ("p-0003", 3),
    ]
    assert later["finalists"][2]["level"] < later["finalists"][0]["level"]
    assert later["finalists"][0] == first["finalists"][0]


def test_a_fault_of_ours_is_no_verdict_and_the_next_try_goes_on(home: Path, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    settings = _settings(tmp_path, fault_file=str(fault))
    _played(settings, SEED, GOOD)
    fault.touch()
    with pytest.raises(MachineFault, match="out of order"):
        _promote(settings)
    with Archive.open(open_home().archive_url) as archive:
        assert archive.confirmed("p") == []
    fault.unlink()
    assert _verdicts(_promote(settings)) == {"p-0001": "promoted"}


def test_the_next_rung_is_measured_anew(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _played(settings, SEED, GOOD)
    assert _promote(settings, rung="next")["rung"] == "verify"
    assert _promote(settings)["rung"] == "explore"
    with Archive.open(open_home().archive_url) as archive:
        assert [(each.candidate, each.rung) for each in archive.confirmed("p")] == [
            ("p-0001", "verify"),
            ("p-0001", "explore"),
        ]


def test_a_problem_without_noise_takes_two_seeds(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path, "Quiet", sd=0.0)
    _played(settings, SEED, ("x = 0.5\n", 0.5), WORSE)
    report = _promote(settings)
    assert report["deterministic"]
    assert _verdicts(report) == {"p-0001": "promoted", "p-0002": "demoted"} or _verdicts(report) == {
        "p-0002": "demoted",
        "p-0001": "promoted",
    }
    assert {row["replicates"] for row in report["finalists"]} == {2}
    assert "two seeds" in promoting.noise_note(report)


def test_noise_that_was_denied_is_refused(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path, "Quiet", sd=0.1)
    _played(settings, SEED, GOOD)
    with pytest.raises(NotDeterministic, match="said to be deterministic, but"):
        _promote(settings)


def test_no_spread_without_a_word_about_it_is_tested_like_any_other_and_said(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path, sd=0.0)
    _played(settings, SEED, ("x = 0.5\n", 0.5))
    report = _promote(settings)
    assert _verdicts(report) == {"p-0001": "promoted"}
    assert report["finalists"][0]["replicates"] >= 4
    assert "the same gain" in promoting.noise_note(report)


def test_the_table_says_everything(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _played(settings, SEED, GOOD, FRAGILE)
    console = Console(width=140, record=True, file=(tmp_path / "screen").open("w"))
    promoting.show(console, _promote(settings))
    shown = console.export_text()
    for text in ("promoted", "failed: works on the known seeds only", "2 rounds were tried", "0.05 at most"):
        assert text in shown


def test_the_held_out_test_is_touched_once_for_each_promoted_finalist(home: Path, tmp_path: Path) -> None:
    settings = _settings(tmp_path, "Guarded")
    _played(settings, SEED, GOOD, WORSE)
    first = _promote(settings)
    assert [row["candidate"] for row in first["held_out"]["finalists"]] == ["p-0001"]
    assert abs(first["held_out"]["finalists"][0]["gain"] - 5.0) < 5.0
    assert (first["held_out"]["touches"], first["tests"]) == (1, 2)
    before = _calls(tmp_path)["benchmark"]
    assert _promote(settings) == first
    assert _calls(tmp_path)["benchmark"] == before
    assert "Looks at it so far: 1" in promoting.held_out_note(first["held_out"])
    with pytest.raises(ConfigError, match="held-out test of guarded"):
        _promote(settings, rung="test")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cap": 3}, "first <= cap"),
        ({"alpha": 2}, "alpha"),
        ({"captain": 3}, "captain"),
    ],
)
def test_plans_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        promoting.plan(values)


def test_rungs_that_are_not_there_and_scores_that_are_claims_are_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with pytest.raises(ConfigError, match="explore, verify, not moon"):
        at_rung(settings, promoting.plan({"rung": "moon"}))
    top = settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update={"rung": "verify"})})
    with pytest.raises(ConfigError, match="last rung"):
        at_rung(top, promoting.plan({"rung": "next"}))
    with pytest.raises(ConfigError, match="reports its own scores"):
        at_rung(_settings(tmp_path, "Boastful"), promoting.plan({}))


def test_the_command_prints_json(home: Path, tmp_path: Path) -> None:
    _played(_settings(tmp_path, sd=0.0), SEED, ("x = 0.5\n", 0.5))
    done = CliRunner().invoke(app, ["promote", "p", "--json", "--set", "cap=12"])
    assert done.exit_code == 0, done.output
    assert _verdicts(json.loads(done.stdout)) == {"p-0001": "promoted"}


def test_the_command_sets_prefect_s_environment_before_prefect_is_imported() -> None:
    check = "import sys, flows.promoting; print('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_a_rung_that_needs_a_yes_is_asked_for_again(home: Path, tmp_path: Path) -> None:
    from flows import approval

    base = _settings(tmp_path)
    settings = base.model_copy(
        update={"rounds": 1, "approval": base.approval.model_copy(update={"rungs": ("verify",)})}
    )
    _played(settings, SEED, GOOD)
    desk = approval.campaign_desk(open_home().artefact_root, "p")
    refused = CliRunner().invoke(app, ["approve", "p", "--rung", "verify", "--no", "--note", "too dear"])
    assert refused.exit_code == 0
    with pytest.raises(ConfigError, match="refused: too dear"):
        _promote(settings, rung="verify")
    assert not (tmp_path / "calls").exists() or "benchmark" not in _calls(tmp_path)
    approval.decide(desk, approval.key_of("verify"), approval.Decision("accept"))
    assert _verdicts(_promote(settings, rung="verify")) == {"p-0001": "promoted"}
