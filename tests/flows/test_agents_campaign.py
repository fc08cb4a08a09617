"""All agents at once in a real campaign: two Researchers in turns, rules, novelty, judge; real HTTP and Prefect."""

from __future__ import annotations

from pathlib import Path

from cognition.archive import Archive
from cognition.records import Score
from flows import progress
from flows.config import Settings
from flows.home import open_home
from tests.scripted_server import Script, ScriptedServer

PRICED = {"price_prompt_usd_per_mtok": 1.0, "price_completion_usd_per_mtok": 1.0, "timeout_s": 5.0}


def test_a_campaign_with_every_agent(home: Path) -> None:
    from flows import runtime

    with ScriptedServer() as server, ScriptedServer(Script(model="other")) as second:
        model = {"model": "scripted", "base_url": server.base_url, **PRICED}
        settings = Settings.model_validate(
            {
                "name": "agents",
                "problem": "tests.toy_domain:Toy",
                "tracking": {"enabled": False},
                "workers": 1,
                "rounds": 4,
                "propose": {"kind": "openai"},
                "models": dict.fromkeys(("researcher", "novelty", "analyzer", "judge"), model),
                "more_researchers": [{"model": "other", "base_url": second.base_url, **PRICED}],
                "check": {"reviewer": "rules", "novelty": "model"},
                "analyze": {"kind": "model", "judge": "model", "judge_weight": 0.5},
                "limits": {"max_usd": 5.0},
            }
        )
        progress.stop_requested.clear()
        ended = runtime.run_campaign(settings, lambda: None)
    assert ended.ending == "finished", ended.sentence
    with Archive.open(open_home().archive_url) as archive:
        found = [archive.candidate(f"agents-{index:04d}") for index in range(1, 5)]
        models = [call.model for index in range(1, 5) for call in archive.calls(f"agents-{index:04d}")]
        asked = {one.role for one in archive.spend_by_role("agents")}
        tried = archive.tried("agents", 10)
    assert {"researcher", "analyzer", "judge", "novelty"} >= asked >= {"researcher", "analyzer", "judge"}
    assert sorted(candidate.provenance.model or "" for candidate in found) == ["other", "other", "scripted", "scripted"]
    assert {"other", "scripted"} == set(models)
    assert [one.model for one in tried] == [candidate.provenance.model for candidate in found]
    for candidate in found:
        assert isinstance(candidate.outcome, Score)
        assert candidate.outcome.fitness == candidate.metrics["closeness"] + 0.5
        assert candidate.features["judge_innovation"] == 10.0
        assert "Judge (model scripted" in candidate.analysis
