"""Models and candidates of several files: exact prompts, and what becomes of their answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cognition import tree
from cognition.records import Failure, FailureKind
from tasks.agents import ModelDebugger, ModelReviewer
from tasks.proposal import Context, Proposal
from tasks.researcher import Form, OpenAIResearcher, ResearcherSettings, form_of, researcher_messages
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.agent_examples import BRIEF, CONTEXT, FAILED, as_text, candidate, model_at
from tests.tasks.golden_files import assert_golden
from tests.tasks.test_trees import BASE, EDIT, FILES, TREE_BRIEF

PARENT = tree.write({**FILES, "pkg/core.py": FILES["pkg/core.py"].replace("0.5", "0.25"), "pkg/odd.txt": "=== file: x"})
TREE_CONTEXT = replace(
    CONTEXT, brief=TREE_BRIEF, parent=candidate(3, code=PARENT), references=(candidate(1, code=BASE),)
)


def reply(**values: object) -> Script:
    return Script(replies=(json.dumps({"motivation": "Because.", "sources": [], **values}),))


async def proposed(script: Script, mode: str, context: Context = TREE_CONTEXT) -> Proposal | Failure:
    with ScriptedServer(script) as server:
        async with model_at(server) as model:
            settings = ResearcherSettings.model_validate({"mode": mode})
            return await OpenAIResearcher(model, settings).propose(context, ())


async def repaired(script: Script) -> tuple[str | Failure, str]:
    with ScriptedServer(script) as server:
        async with model_at(server) as model:
            done = await ModelDebugger(model).repair(PARENT, FAILED, TREE_BRIEF, "demo-0007", 0)
        sent = server.requests[0]["messages"]
    return done, "\n".join(f"[{message['role']}]\n{message['content']}" for message in sent)


@pytest.mark.parametrize("form", ["program", "diff"])
def test_the_prompt_is_exactly_this(form: Form) -> None:
    assert_golden(f"researcher_tree_{form}.txt", as_text(researcher_messages(TREE_CONTEXT, (), form, 16_000)))


async def test_the_debuggers_prompt_is_exactly_this_and_its_patch_is_applied() -> None:
    patch = EDIT.replace("0.25", "0.125").replace("0.5", "0.25")
    answer = {"cause": "It is.", "edits": f"=== file: pkg/core.py\n{patch}"}
    done, prompt = await repaired(Script(replies=(json.dumps(answer),)))
    assert isinstance(done, str), done
    assert tree.read(done)["pkg/core.py"].startswith("STEP = 0.125\n")
    assert_golden("debugger_tree.txt", prompt)


async def test_a_repair_of_a_protected_file_is_none() -> None:
    answer = {"cause": "It is.", "edits": "=== whole file: data/table.txt\n9\n"}
    done, _ = await repaired(Script(replies=(json.dumps(answer),)))
    assert isinstance(done, Failure)
    assert "data/table.txt (changed)" in done.reason


async def test_the_reviewer_sees_which_files_are_protected() -> None:
    with ScriptedServer(Script(replies=(json.dumps({"reason": "fine", "approve": True}),))) as server:
        async with model_at(server) as model:
            assert await ModelReviewer(model).review(PARENT, TREE_BRIEF, "demo-0007") is None
        assert "=== file: data/table.txt (protected)" in server.requests[0]["messages"][1]["content"]


async def test_all_files_become_a_proposal_with_the_protected_ones() -> None:
    made = await proposed(reply(code="=== file: pkg/core.py\ndef run(n):\n    return [1.0] * n\n"), "program")
    assert isinstance(made, Proposal), made
    assert tree.read(made.code) == {"data/table.txt": "1 2 3\n", "pkg/core.py": "def run(n):\n    return [1.0] * n\n"}
    assert made.provenance.form == "program"


async def test_a_patch_becomes_a_proposal() -> None:
    made = await proposed(reply(edits="```\n=== remove file: pkg/extra.py\n```"), "diff")
    assert isinstance(made, Proposal), made
    assert "pkg/extra.py" not in tree.read(made.code)
    assert tree.read(made.code)["pkg/odd.txt"] == "=== file: x"


@pytest.mark.parametrize(
    ("mode", "answer", "said"),
    [
        ("program", {"code": "def run(n):\n    return []\n"}, "expected lines `=== file: NAME`"),
        ("program", {"code": "=== file: /etc/x.py\n"}, "not absolute"),
        ("diff", {"edits": EDIT}, "expected lines `=== file: NAME`"),
        ("diff", {"edits": "=== file: pkg/none.py\n"}, "there is no file pkg/none.py"),
    ],
)
async def test_answers_that_cannot_be_used_say_why(mode: str, answer: dict[str, str], said: str) -> None:
    made = await proposed(reply(**answer), mode)
    assert isinstance(made, Failure)
    assert made.kind is FailureKind.UNUSABLE
    assert said in made.reason


def test_a_tree_too_long_to_show_is_patched_and_its_prompt_stays_within_the_budget() -> None:
    long = tree.write({**FILES, **{f"pkg/m{n}.py": "x = 1.0\n" * 1_000 for n in range(20)}})
    context = replace(TREE_CONTEXT, parent=candidate(3, code=long), references=(candidate(1, code=long),) * 3)
    assert form_of(context, 0, ResearcherSettings(mode="program")) == "diff"
    assert form_of(replace(context, brief=BRIEF), 0, ResearcherSettings(mode="diff")) == "program"
    for tokens in (2_500, 16_000):
        messages = researcher_messages(context, (), "diff", tokens)
        assert sum(len(message.text) for message in messages) <= tokens * 4
    assert "=== file: pkg/core.py\nSTEP = 0.5" in as_text(messages)
    assert "[left out here, and part of it all the same: " in as_text(messages)
