"""The helpers around the loop (§4.1): reviewer, debugger, novelty check, judge. Each is off unless switched on.

`Off...` does nothing; `RuleReviewer` asks the domain's static rules, `ModelReviewer` and `ModelDebugger` a model;
`WordNovelty` compares motivations by their words. The check with a model is in tasks/novelty.py, the judge in
tasks/judge.py: a missing judgement is None, never a number.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, Field, field_validator

from cognition.records import Candidate, Failure, FailureKind
from tasks.contract import Brief
from tasks.llm import Message, Model
from tasks.llm.forms import unfence
from tasks.prompts import Fence, render, shorten
from tasks.proposal import Context, Proposal
from tasks.tree_edits import apply_patch
from tasks.trees import refusal, shown

#: At most so much of a program goes into a reviewer's or debugger's prompt.
MAX_CODE_CHARS = 60_000
MAX_TRACE_CHARS = 6_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's opinion: criterion to points from 1 to 10."""

    points: dict[str, float]
    reason: str
    model: str


class Reviewer(Protocol):
    """Reads a program before anything is spent on it."""

    async def review(self, code: str, brief: Brief, round_id: str) -> Failure | None:
        """A Failure of kind REVIEW, or None if the program may be tried. Raises ModelServerDown."""


class Debugger(Protocol):
    """Repairs a program from the way it failed."""

    async def repair(self, code: str, failure: Failure, brief: Brief, round_id: str, attempt: int) -> str | Failure:
        """Another program, or why there is none. Raises ModelServerDown."""


class Novelty(Protocol):
    """Tells new ideas from old ones."""

    async def check(self, proposal: Proposal, context: Context) -> Failure | None:
        """A Failure of kind NOVELTY, or None if the proposal is new."""


class Judge(Protocol):
    """Gives points for what metrics do not show."""

    async def judge(self, code: str, metrics: Mapping[str, float], brief: Brief, round_id: str) -> Judgement | None:
        """The judgement, or None if there is none."""


class OffReviewer:
    """Lets everything pass."""

    async def review(self, code: str, brief: Brief, round_id: str) -> Failure | None:
        """See Reviewer."""
        return None


class OffDebugger:
    """Repairs nothing."""

    async def repair(self, code: str, failure: Failure, brief: Brief, round_id: str, attempt: int) -> str | Failure:
        """See Debugger: the failure stands."""
        return failure


class OffNovelty:
    """Everything is new."""

    async def check(self, proposal: Proposal, context: Context) -> Failure | None:
        """See Novelty."""
        return None


class OffJudge:
    """No opinion."""

    async def judge(self, code: str, metrics: Mapping[str, float], brief: Brief, round_id: str) -> Judgement | None:
        """See Judge."""
        return None


@dataclass(frozen=True, slots=True)
class RuleReviewer:
    """The domain's own static rules, before a round is spent: the Researcher hears of it and tries again.

    `faults` parses inside the sandbox first and gives the first thing that is wrong (tasks/check.static_faults).
    """

    faults: Callable[[str], Awaitable[Failure | None]]

    async def review(self, code: str, brief: Brief, round_id: str) -> Failure | None:
        """See Reviewer."""
        failure = await self.faults(code)
        return None if failure is None else Failure(FailureKind.REVIEW, f"it breaks the contract: {failure.reason}")


class ReviewAnswer(BaseModel):
    """What a reviewing model answers."""

    reason: str = Field(description="One or two sentences: which rule of the contract is broken, or that none is")
    approve: bool = Field(description="true if the program may be tried, false if it certainly breaks the contract")


@dataclass(frozen=True, slots=True)
class ModelReviewer:
    """A model checks the program against the contract. An unusable answer refuses nothing."""

    model: Model

    async def review(self, code: str, brief: Brief, round_id: str) -> Failure | None:
        """See Reviewer."""
        fence = Fence.of(round_id, "reviewer")
        user = render(
            "reviewer_user.j2",
            goal=brief.goal,
            contract=brief.program_contract,
            program=fence.wrap("program", shown(code, brief, MAX_CODE_CHARS), MAX_CODE_CHARS),
        )
        messages = [Message("system", render("reviewer_system.j2")), Message("user", user)]
        answer = await self.model.ask("reviewer", round_id, 0, messages, ReviewAnswer)
        if isinstance(answer, Failure) or answer.value.approve:
            return None
        return Failure(FailureKind.REVIEW, shorten(answer.value.reason, 1_000))


class RepairAnswer(BaseModel):
    """What a debugging model answers."""

    cause: str = Field(description="One sentence: why the program failed")
    code: str = Field(description="The whole repaired program")

    @field_validator("code")
    @classmethod
    def _without_fence(cls, code: str) -> str:
        return unfence(code)


class RepairPatchAnswer(BaseModel):
    """What a debugging model answers where programs have several files."""

    cause: str = Field(description="One sentence: why the program failed")
    edits: str = Field(description="The patch, as described above")

    @field_validator("edits")
    @classmethod
    def _without_fence(cls, edits: str) -> str:
        return unfence(edits)


@dataclass(frozen=True, slots=True)
class ModelDebugger:
    """A model repairs the program from its trace, keeping its idea."""

    model: Model

    async def repair(self, code: str, failure: Failure, brief: Brief, round_id: str, attempt: int) -> str | Failure:
        """See Debugger."""
        fence = Fence.of(round_id, "debugger")
        user = render(
            "debugger_user.j2",
            goal=brief.goal,
            contract=brief.program_contract,
            kind=str(failure.kind),
            program=fence.wrap("program", shown(code, brief, MAX_CODE_CHARS), MAX_CODE_CHARS),
            is_tree=brief.tree is not None,
            reason=fence.wrap("reason", failure.reason, MAX_TRACE_CHARS),
            trace=fence.wrap("trace", failure.trace, MAX_TRACE_CHARS) if failure.trace else "",
        )
        system = render("debugger_system.j2", is_tree=brief.tree is not None)
        messages = [Message("system", system), Message("user", user)]
        if brief.tree is not None:
            patch = await self.model.ask("debugger", round_id, attempt, messages, RepairPatchAnswer)
            patched = patch if isinstance(patch, Failure) else apply_patch(code, patch.value.edits)
            return patched if isinstance(patched, Failure) else refusal(brief, patched) or patched
        answer = await self.model.ask("debugger", round_id, attempt, messages, RepairAnswer)
        if isinstance(answer, Failure):
            return answer
        repaired = answer.value.code.strip("\n").rstrip() + "\n"
        if not repaired.strip() or repaired.strip() == code.strip():
            return Failure(FailureKind.UNUSABLE, "the debugger returned no other program")
        return repaired


@dataclass(frozen=True, slots=True)
class WordNovelty:
    """Refuses a motivation that repeats a known one almost word for word (Jaccard similarity of their words)."""

    max_similarity: float = 0.85

    async def check(self, proposal: Proposal, context: Context) -> Failure | None:
        """See Novelty. Compares with the candidates of the context, which is bounded."""
        for candidate in known_candidates(context):
            similarity = word_similarity(proposal.motivation, candidate.motivation)
            if similarity > self.max_similarity:
                reason = (
                    f"the motivation repeats that of {candidate.id} (similarity {similarity:.2f}): try another idea"
                )
                return Failure(FailureKind.NOVELTY, reason)
        return None


def known_candidates(context: Context) -> tuple[Candidate, ...]:
    """What a proposal is compared with: every candidate of the context once."""
    parent = (context.parent,) if context.parent else ()
    known = (*context.references, *context.elites, *context.recent, *parent)
    return tuple({candidate.id: candidate for candidate in known}.values())


def word_similarity(one: str, other: str) -> float:
    """Jaccard similarity of two texts' words."""
    words, others = (set(re.findall(r"\w+", text.lower())) for text in (one, other))
    return len(words & others) / len(words | others) if words and others else 0.0
