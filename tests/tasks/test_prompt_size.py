"""A prompt stays within its tokens whatever the history: 10,000 candidates with long texts and 10,000 long items."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import insert, text

from cognition import search
from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.randomness import derive
from cognition.records import Failure, FailureKind, Item
from cognition.samplers import SamplerSettings, make_sampler
from cognition.schema import items
from tasks.analyzer import AnalysisInput, AnalyzerAnswer, analyzer_messages
from tasks.engine import Engine, Round
from tasks.llm import Message
from tasks.llm.forms import instructions
from tasks.proposal import Context
from tasks.propose import context_of
from tasks.researcher import EditsAnswer, ProgramAnswer, researcher_messages
from tasks.retrieve import retrieve
from tasks.settings import RetrieveSettings
from tests.cognition.play import NAME, new_archive
from tests.cognition.populate import claimed, populate
from tests.toy_domain import Toy, ToyOptions

COUNT = 10_000
WORDS = [
    "plateau",
    "regression",
    "gap",
    "corner",
    "restart",
    "gradient",
    "window",
    "overlap",
    "radius",
    "timeout",
    "crash",
    "memory",
]


def add_items(archive: Archive) -> None:
    """In bulk; each is far longer than its share of a prompt."""
    made = [
        Item(
            f"toy-{n}",
            "toy",
            f"{' '.join(WORDS[n % 9 :])} insight {n} " * 20,
            tuple(WORDS[n % 5 : n % 5 + 4]),
            "background " * 300,
            "guidance " * 300,
        )
        for n in range(COUNT)
    ]
    fixed = {"domain": "toy", "version": 1, "has_block": False, "created_at": "", "updated_at": ""}
    with archive.database.write() as tx:
        tx.execute(
            insert(items), [{"row": n, "id": one.id, "content": one, **fixed} for n, one in enumerate(made, start=1)]
        )
        for n, one in enumerate(made, start=1):
            search.add(tx, n, one)


def lengthen(archive: Archive) -> None:
    """All candidates get long analyses and motivations; some, and the best, a program of 60,000 characters."""
    with archive.database.write() as tx:
        tx.execute(text("UPDATE candidates SET analysis = :a, motivation = :a"), {"a": " ".join(WORDS * 50)})
        long = {"code": "value = 1.0  # a long line of a long program\n" * 1_300}
        best = "SELECT candidate FROM scores ORDER BY fitness DESC LIMIT 100"
        tx.execute(text(f"UPDATE candidates SET code = :code WHERE seq % 100 = 0 OR id IN ({best})"), long)


def length(messages: list[Message], *answers: Any) -> int:
    """Characters with the longest description of the answer."""
    return sum(len(m.text) for m in messages) + max(len(instructions(kind, "tags")) for kind in answers)


async def context_in(archive: Archive) -> Context:
    """What the proposer sees in round 10,000."""
    domain = Toy(ToyOptions())
    sampler = make_sampler(SamplerSettings.model_validate({"kind": "greedy"}))
    claim = claimed(archive, sampler, COUNT)
    round = Round(
        NAME,
        COUNT,
        claim.token,
        claim.candidate_id,
        claim.sample.parent,
        claim.sample.references,
        claim.sample.sequence,
        "greedy",
        None,
        claim.revision,
    )
    parts: dict[str, Any] = {"domain": domain, "brief": domain.brief(), "archive": archive, "embedder": None}
    parts |= {"items": ItemStore(archive), "campaign": NAME, "seed": 0, "researchers": ()}
    parts |= {"cognition": domain.name}
    parts |= {"retrieve": RetrieveSettings(top_k=50, recent=500, elites=500, leave_out=0.0)}
    parts |= {"seed_of": lambda index, *purpose: derive(0, index, *purpose).getrandbits(31)}
    engine = cast(Engine, SimpleNamespace(**parts))
    return context_of(engine, round, await retrieve(engine, round))


@pytest.mark.slow
async def test_prompts_stay_within_their_tokens_with_10000_candidates_and_10000_items(tmp_path: Path) -> None:
    with new_archive(tmp_path) as archive:
        populate(archive, COUNT)
        lengthen(archive)
        add_items(archive)
        context = await context_in(archive)
    assert len(context.items) == 50
    assert (len(context.elites), len(context.recent)) == (500, 500)
    refused = tuple(Failure(FailureKind.CRASH, "reason " * 2_000, "trace " * 2_000) for _ in range(10))
    for tokens in (2_500, 8_000, 16_000, 64_000):
        for form in ("program", "diff"):
            messages = researcher_messages(context, refused, form, tokens)
            assert length(messages, ProgramAnswer, EditsAnswer) <= tokens * 4
            assert context.parent is not None
            assert f"candidate {context.parent.id}" in messages[-1].text
    assert context.parent is not None
    experiment = AnalysisInput(
        "r",
        "goal " * 9_000,
        "m",
        context.parent.code,
        context.parent.motivation,
        Failure(FailureKind.CRASH, "x" * 9_000, "y" * 9_000),
        logs="line of a log\n" * 100_000,
        parent=context.parent,
        best_parent=context.elites[0],
        best=context.elites[1],
        known=context.items,
    )
    assert length(analyzer_messages(experiment, 24_000), AnalyzerAnswer) <= 24_000 * 4
