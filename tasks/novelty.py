"""The novelty check on motivation and code (§4.1), before anything is spent: cheap comparison first, then a model.

Motivations are compared by their words, or by embeddings where the campaign has an endpoint; programs by their lines.
What looks like nothing known passes without a question; what repeats a motivation almost word for word is refused
without one (tasks/agents.WordNovelty). Only what lies between is shown to a model, with the difference between the
programs. An unusable answer refuses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from cognition.records import Candidate, Failure, FailureKind
from tasks.agents import WordNovelty, known_candidates, word_similarity
from tasks.llm import Message, Model
from tasks.prompts import CHARS_PER_TOKEN, Fence, render, shorten
from tasks.proposal import Context, Proposal
from tasks.publication import unified_diff

if TYPE_CHECKING:
    from tasks.embedding import Embedder

#: What is at least so alike (motivations by words or by cosine, programs by lines) is looked at by the model. Ours.
NEAR_WORDS, NEAR_COSINE, NEAR_CODE = 0.4, 0.85, 0.95
MOST_SHOWN = 3
MAX_GOAL_CHARS, MAX_MOTIVATION_CHARS, MAX_DIFF_CHARS = 4_000, 4_000, 6_000
#: Tokens of a prompt at most, the description of the answer included.
PROMPT_TOKENS = (
    MAX_GOAL_CHARS + MAX_MOTIVATION_CHARS + MOST_SHOWN * (MAX_MOTIVATION_CHARS + MAX_DIFF_CHARS)
) // CHARS_PER_TOKEN + 2_000
#: Embedded motivations that a process remembers.
MOST_REMEMBERED = 2_000


class NoveltyAnswer(BaseModel):
    """What the model answers."""

    reason: str = Field(description="One or two sentences: what is the same, or what is new")
    repeats: str = Field(default="", description="The id of the candidate that it repeats, exactly as given; or empty")


@dataclass(frozen=True, slots=True)
class ModelNovelty:
    """Text or embeddings first, then a model. `embedder` None: words alone."""

    model: Model
    embedder: Embedder | None = None
    remembered: dict[str, tuple[float, ...]] = field(default_factory=dict)

    async def check(self, proposal: Proposal, context: Context) -> Failure | None:
        """See Novelty (tasks/agents.py). Raises as Model.ask, and as Embedder.embed."""
        repeated = await WordNovelty().check(proposal, context)
        if repeated is not None:
            return repeated
        near = await self._near(proposal, context)
        if not near:
            return None
        messages = novelty_messages(proposal, context, near)
        # The attempt is 0 for every proposal of the round: their prompts differ, and so do their keys in the ledger.
        answer = await self.model.ask("novelty", context.round_id, 0, messages, NoveltyAnswer)
        if isinstance(answer, Failure) or answer.value.repeats not in {candidate.id for candidate in near}:
            return None
        reason = shorten(" ".join(answer.value.reason.split()), 600)
        return Failure(FailureKind.NOVELTY, f"it repeats {answer.value.repeats}: {reason}")

    async def _near(self, proposal: Proposal, context: Context) -> tuple[Candidate, ...]:
        known = known_candidates(context)
        if self.embedder is None:
            alike = {one.id: word_similarity(proposal.motivation, one.motivation) for one in known}
            return nearest(proposal, known, alike, NEAR_WORDS, context.parent)
        texts = [proposal.motivation, *(one.motivation for one in known)]
        vectors = await asyncio.to_thread(self._embedded, self.embedder, texts)
        alike = {one.id: _cosine(vectors[0], v) for one, v in zip(known, vectors[1:], strict=True)}
        return nearest(proposal, known, alike, NEAR_COSINE, context.parent)

    def _embedded(self, embedder: Embedder, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """Unit vectors; each text is embedded once in this process."""
        before = dict(self.remembered)  # other rounds of this process add to it, or empty it, meanwhile
        new = [text for text in dict.fromkeys(texts) if text not in before]
        made = dict(zip(new, (tuple(v.values_D.tolist()) for v in embedder.embed(new)), strict=True))
        if len(before) + len(made) > MOST_REMEMBERED:
            self.remembered.clear()
        self.remembered.update(made)
        return [(made if text in made else before)[text] for text in texts]


def nearest(
    proposal: Proposal,
    known: Sequence[Candidate],
    alike: Mapping[str, float],
    threshold: float,
    parent: Candidate | None,
) -> tuple[Candidate, ...]:
    """The candidates that the proposal may repeat, the most alike first. A child's code is like its parent's anyhow."""
    lines = code_lines(proposal.code)
    found: list[tuple[float, Candidate]] = []
    for one in known:
        code = 0.0 if parent is not None and one.id == parent.id else _share(lines, code_lines(one.code))
        excess = max(alike[one.id] - threshold, code - NEAR_CODE)
        if excess >= 0:
            found.append((excess, one))
    return tuple(one for _, one in sorted(found, key=lambda pair: (-pair[0], pair[1].seq))[:MOST_SHOWN])


def novelty_messages(proposal: Proposal, context: Context, near: Sequence[Candidate]) -> list[Message]:
    """The prompt, bounded."""
    fence = Fence.of(context.round_id, "novelty")
    user = render(
        "novelty_user.j2",
        goal=shorten(context.brief.goal, MAX_GOAL_CHARS),
        motivation=fence.wrap("proposal", proposal.motivation, MAX_MOTIVATION_CHARS),
        near=[
            fence.wrap(f"candidate {one.id}", _told(one, proposal), MAX_MOTIVATION_CHARS + MAX_DIFF_CHARS)
            for one in near
        ],
    )
    return [Message("system", render("novelty_system.j2")), Message("user", user)]


def code_lines(code: str) -> frozenset[str]:
    """A program's lines without indentation, blank lines and comments."""
    stripped = (line.strip() for line in code.split("\n"))
    return frozenset(line for line in stripped if line and not line.startswith("#"))


def _told(candidate: Candidate, proposal: Proposal) -> str:
    score = candidate.fitness
    result = f"fitness {score:.8g}" if score is not None else "failed"
    diff = unified_diff(candidate.code, proposal.code, candidate.id, "the proposal")
    motivation = shorten(candidate.motivation, MAX_MOTIVATION_CHARS - 200)
    return f"{result}\nmotivation: {motivation}\nfrom it to the proposal:\n{shorten(diff, MAX_DIFF_CHARS - 200)}"


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))  # both have length one


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0
