"""Reviewer, debugger, novelty check and judge: off does nothing; the model-backed ones refuse and repair."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cognition.records import Failure, FailureKind, Provenance
from tasks.agents import (
    ModelDebugger,
    ModelReviewer,
    OffDebugger,
    OffJudge,
    OffNovelty,
    OffReviewer,
    WordNovelty,
)
from tasks.proposal import Proposal
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.agent_examples import BRIEF, CONTEXT, FAILED, PARENT_PROGRAM, candidate, model_at
from tests.tasks.golden_files import assert_golden


async def test_off_does_nothing() -> None:
    proposal = Proposal("x = 1", "Idea 1.", Provenance("openai"))
    assert await OffReviewer().review("x", BRIEF, "r") is None
    assert await OffDebugger().repair("x", FAILED, BRIEF, "r", 0) == FAILED
    assert await OffNovelty().check(proposal, CONTEXT) is None
    assert await OffJudge().judge("x", {}, BRIEF, "r") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"approve": true, "reason": "fine"}', None),
        ('{"approve": false, "reason": "no run(n)"}', Failure(FailureKind.REVIEW, "no run(n)")),
        ("", None),
    ],
)
async def test_the_reviewer_refuses_only_when_it_says_so(content: str, expected: Failure | None) -> None:
    with ScriptedServer(Script(replies=(content,))) as server:
        async with model_at(server) as model:
            assert await ModelReviewer(model).review(PARENT_PROGRAM, BRIEF, "demo-0007") == expected
    assert_golden("reviewer.txt", _prompt(server))


async def test_the_debugger_returns_the_repaired_program() -> None:
    answer = json.dumps({"cause": "GAIN", "code": "```python\ndef run(n):\n    return [0.0] * n\n```"})
    with ScriptedServer(Script(replies=(answer,))) as server:
        async with model_at(server) as model:
            repaired = await ModelDebugger(model).repair(PARENT_PROGRAM, FAILED, BRIEF, "demo-0007", 0)
    assert repaired == "def run(n):\n    return [0.0] * n\n"
    assert_golden("debugger.txt", _prompt(server))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the answer was empty"),
        ('{"cause": "c", "code": " "}', "no other program"),
        (json.dumps({"cause": "c", "code": PARENT_PROGRAM}), "no other program"),
    ],
)
async def test_a_repair_that_repairs_nothing_is_a_failure(content: str, reason: str) -> None:
    with ScriptedServer(Script(replies=(content,))) as server:
        async with model_at(server) as model:
            failure = await ModelDebugger(model).repair(PARENT_PROGRAM, FAILED, BRIEF, "demo-0007", 0)
    assert isinstance(failure, Failure)
    assert reason in failure.reason


@pytest.mark.parametrize(
    ("motivation", "twin"),
    [
        ("Use a larger gain early on", "c9"),
        ("use a LARGER gain, early on!", "c9"),
        ("Sort the values before they are summed", None),
        ("", None),
    ],
)
async def test_only_a_repeated_motivation_is_not_novel(motivation: str, twin: str | None) -> None:
    known = candidate(9, text="Use a larger gain early on")
    failure = await WordNovelty().check(
        Proposal("x = 1", motivation, Provenance("openai")), replace(CONTEXT, recent=(known,))
    )
    assert (failure and failure.kind) == (FailureKind.NOVELTY if twin else None)
    assert twin is None or twin in str(failure)


def _prompt(server: ScriptedServer) -> str:
    return "\n".join(f"[{m['role']}]\n{m['content']}" for m in server.requests[0]["messages"]) + "\n"
