"""A lesson that one round taught is shown to the Researcher of a later one; real HTTP, archive and Prefect server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.lessons import KIND
from flows import progress
from flows.config import Settings
from flows.home import open_home
from tests.scripted_server import ScriptedServer


def _run(settings: Settings) -> Any:
    from flows import runtime

    progress.stop_requested.clear()
    return runtime.run_campaign(settings, lambda: None)


def _settings(name: str, **values: Any) -> Settings:
    sections = {"problem": "tests.toy_domain:Toy", "tracking": {"enabled": False}, "workers": 1}
    return Settings.model_validate({"name": name, **sections, **values})


def test_a_lesson_of_one_round_is_retrieved_in_a_later_one(home: Path) -> None:
    with ScriptedServer() as server:
        model = {"model": "scripted", "base_url": server.base_url, "timeout_s": 5.0}
        settings = _settings(
            "teaches",
            rounds=4,
            models={"researcher": model, "analyzer": model},
            propose={"kind": "openai"},
            analyze={"kind": "model"},
            retrieve={"leave_out": 0.0, "embedding": {"model": "embed", "base_url": server.base_url}},
        )
        ended = _run(settings)
        prompts = [body["messages"][-1]["content"] for body in server.requests if "messages" in body]
        embedded = [body for body in server.requests if "messages" not in body]
    assert ended.ending == "finished", ended.sentence
    with Archive.open(open_home().archive_url) as archive:
        store = ItemStore(archive)
        (lesson,) = [kept for kept in store.kept_all("toy") if kept.item.kind == KIND]
        assert lesson.item.insight == "Small changes of one constant are cheap to try."
        assert lesson.standing.supports == 5  # the baseline and every round, each once
        assert [space[:2] for space in store.vector_spaces()] == [("toy", "embed")]
    shown = [prompt for prompt in prompts if f'<data label="item {lesson.item.id}"' in prompt]
    assert shown, "no Researcher saw the lesson"
    told = re.search(r"Supported by (\d) of this system's own runs, contradicted by 0", shown[-1])
    assert told is not None
    assert int(told.group(1)) >= 1
    assert embedded


def test_without_a_model_rules_teach_and_say_so_and_the_draws_are_logged(home: Path) -> None:
    ended = _run(_settings("ruled", rounds=12, propose={"kind": "recombine"}, retrieve={"leave_out": 0.5}))
    assert ended.ending == "finished", ended.sentence
    with Archive.open(open_home().archive_url) as archive:
        store = ItemStore(archive)
        taught = [kept for kept in store.kept_all("toy") if kept.item.kind == KIND]
        used = [kept.uplift for kept in store.kept_all("toy") if kept.uplift is not None]
    assert taught
    assert {kept.item.source for kept in taught} == {"made by rules"}
    assert all(re.search(r"\+ ruled-\d{4}: fitness \S+ against \S+ of ruled-\d{4}", k.item.background) for k in taught)
    assert used
    assert all(uplift.shown > 0 and uplift.left_out > 0 for uplift in used)
