"""The novelty check: cheap comparison first, the model only for what is near, and nothing refused by a bad answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cognition.records import Candidate, Failure, FailureKind, Provenance
from tasks.embedding import Embedder, EmbeddingSettings
from tasks.llm.forms import instructions
from tasks.novelty import PROMPT_TOKENS, ModelNovelty, NoveltyAnswer, novelty_messages
from tasks.proposal import Proposal
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.agent_examples import CONTEXT, as_text, candidate, model_at
from tests.tasks.golden_files import assert_golden

LINES = "".join(f"step_{n} = {n}.0\n" for n in range(60))
OLD = candidate(9, text="Use a larger gain early on and a smaller one late", code=LINES)
CONTEXT_9 = replace(CONTEXT, recent=(OLD,))
NEAR = Proposal("y = 1.0\n", "Start with a larger gain early on, then use a smaller one", Provenance("openai"))
FAR = Proposal("y = 1.0\n", "Sort the values before they are summed", Provenance("openai"))
SAME = json.dumps({"repeats": "c9", "reason": "The same schedule."})


async def checked(proposal: Proposal, *replies: str, known: Candidate = OLD) -> tuple[Failure | None, int]:
    """What came of it, and how often a model was asked."""
    with ScriptedServer(Script(replies=replies)) as server:
        async with model_at(server) as model:
            found = await ModelNovelty(model).check(proposal, replace(CONTEXT, recent=(known,)))
        return found, len(server.requests)


async def test_what_is_near_goes_to_the_model_and_only_that() -> None:
    assert await checked(FAR) == (None, 0)
    assert await checked(NEAR, SAME) == (Failure(FailureKind.NOVELTY, "it repeats c9: The same schedule."), 1)
    repeated = replace(NEAR, motivation=OLD.motivation)
    found, asked = await checked(repeated)
    assert (found is not None and found.kind, asked) == (FailureKind.NOVELTY, 0)


async def test_almost_the_same_program_goes_to_the_model_too_unless_it_is_the_parents_child() -> None:
    child = replace(FAR, code=LINES.replace("step_7 = 7.0", "step_7 = 7.5"))
    assert (await checked(child, SAME))[1] == 1
    with ScriptedServer() as server:
        async with model_at(server) as model:
            assert await ModelNovelty(model).check(child, replace(CONTEXT, parent=OLD)) is None
        assert server.requests == []


@pytest.mark.parametrize(
    "reply", ["", "{broken", '{"repeats": "", "reason": "new"}', '{"repeats": "c77", "reason": "x"}']
)
async def test_a_bad_answer_or_an_unknown_id_refuses_nothing(reply: str) -> None:
    assert await checked(NEAR, reply) == (None, 1)


async def test_embeddings_find_what_is_near_and_each_text_is_embedded_once() -> None:
    with ScriptedServer(Script(replies=(SAME, SAME))) as server:
        embedder = Embedder(EmbeddingSettings(model="e", base_url=server.base_url))
        async with model_at(server) as model:
            novelty = ModelNovelty(model, embedder)
            near = replace(NEAR, motivation="Use a larger gain early on and then a much smaller one late")
            first = await novelty.check(near, CONTEXT_9)
            assert first is not None
            assert "it repeats c9" in first.reason
            assert await novelty.check(FAR, CONTEXT_9) is None
        embedded = [text for body in server.requests if "input" in body for text in body["input"]]
    assert len(embedded) == len(set(embedded))
    assert OLD.motivation in embedded


def test_the_prompt_is_exactly_this() -> None:
    text = as_text(novelty_messages(replace(NEAR, code="x = 2\n"), CONTEXT, [candidate(1, code="x = 1\n")]))
    assert_golden("novelty.txt", text)


def test_the_prompt_stays_within_its_bound() -> None:
    near = [candidate(n, code=f"x_{n} = 1\n" * 50_000, text="words " * 20_000) for n in range(3)]
    context = replace(CONTEXT, brief=replace(CONTEXT.brief, goal="g" * 100_000))
    long = replace(NEAR, motivation="m" * 100_000, code="z = 1\n" * 50_000)
    messages = novelty_messages(long, context, near)
    wording = len(instructions(NoveltyAnswer, "tags"))
    assert sum(len(message.text) for message in messages) + wording <= PROMPT_TOKENS * 4
