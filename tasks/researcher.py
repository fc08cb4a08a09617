"""The Researcher with a language model: context in, a program with its motivation out (§3).

One call of `propose` is one attempt; the reasons of the refused ones are in the next prompt. The prompt is bounded
whatever the history: every part has its share of `prompt_tokens`, and what does not fit is cut or left out, the least
useful first. What candidates, items and failures say is fenced as data (tasks/prompts). That the program has the
entry function and keeps the rules is for the domain's check; here a proposal needs code, or edits that apply. For a
problem whose candidates are trees the answer is all files, or a patch (tasks/tree_edits.py).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cognition.records import Candidate, Failure, FailureKind, Item, Provenance
from tasks.edits import apply_edits
from tasks.llm import Answer, Message, Model
from tasks.llm.forms import unfence
from tasks.prompts import CHARS_PER_TOKEN, Fence, render, shorten
from tasks.proposal import Context, Proposal
from tasks.tree_edits import apply_patch, whole_tree
from tasks.trees import shown

Form = Literal["program", "diff"]
#: Characters of the templates' own wording, the fences and the description of the answer.
_WORDING_CHARS = 5_000
_FENCE_CHARS = 160
#: Shares of the rest. They sum to one.
_BRIEF, _PARENT, _ANALYSIS, _REFUSED, _NOT_RUN, _ITEMS, _REFERENCES = 0.22, 0.32, 0.06, 0.06, 0.04, 0.13, 0.17


class ResearcherSettings(BaseModel):
    """How the model is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["auto", "program", "diff"] = "auto"
    diff_probability: float = Field(default=0.5, ge=0, le=1)  # mode auto
    prompt_tokens: int = Field(default=16_000, ge=2_500)  # about four characters each
    exploration: float = Field(default=0.5, ge=0)  # of the bandit over several models (tasks/bandit.py)


_SOURCES = (
    "Ids of the knowledge items used, and of the candidates whose results the idea comes from, exactly as given; empty "
    "if the idea comes from neither"
)


class ProgramAnswer(BaseModel):
    """A whole program."""

    motivation: str = Field(
        description="Three to six sentences: the idea, why it should beat the parent, what it builds on"
    )
    sources: list[str] = Field(default=[], description=_SOURCES)
    code: str = Field(description="The complete program, ready to run")

    @field_validator("code")
    @classmethod
    def _without_fence(cls, code: str) -> str:
        return unfence(code)


class FilesAnswer(ProgramAnswer):
    """All files of a tree."""

    code: str = Field(description="All files, each after its line `=== file: NAME`, as described above")


class EditsAnswer(BaseModel):
    """Edits of the parent."""

    motivation: str = Field(
        description="Three to six sentences: the idea, why it should beat the parent, what it builds on"
    )
    sources: list[str] = Field(default=[], description=_SOURCES)
    edits: str = Field(description="One or more SEARCH/REPLACE blocks, as described above")

    @field_validator("edits")
    @classmethod
    def _without_fence(cls, edits: str) -> str:
        return unfence(edits)


class PatchAnswer(EditsAnswer):
    """A patch of the parent's tree."""

    edits: str = Field(description="The files that change, each after its line `=== ...: NAME`, as described above")


@dataclass(frozen=True, slots=True)
class OpenAIResearcher:
    """A Proposer (tasks/proposal.py) that asks a model; `others` by name, for rounds that chose one of them."""

    model: Model
    settings: ResearcherSettings = field(default_factory=ResearcherSettings)
    others: Mapping[str, Model] = field(default_factory=dict)

    async def propose(self, context: Context, refused: tuple[Failure, ...]) -> Proposal | Failure:
        """See Proposer. Raises ModelServerDown, ModelMisconfigured and BudgetExhausted."""
        form = form_of(context, len(refused), self.settings)
        messages = researcher_messages(context, refused, form, self.settings.prompt_tokens)
        model = self.others.get(context.researcher, self.model)
        if form == "program":
            kind = ProgramAnswer if context.brief.tree is None else FilesAnswer
            program = await model.ask("researcher", context.round_id, len(refused), messages, kind)
            return program if isinstance(program, Failure) else _program(program, context)
        patch = EditsAnswer if context.brief.tree is None else PatchAnswer
        edits = await model.ask("researcher", context.round_id, len(refused), messages, patch)
        return edits if isinstance(edits, Failure) else _edited(edits, context)


def form_of(context: Context, attempt: int, settings: ResearcherSettings) -> Form:
    """Whole program or edits. The draw comes from the round's seed, so a retried step asks the same."""
    room = int(_PARENT * _room_chars(settings.prompt_tokens))
    if len(shown(_base_code(context), context.brief, sys.maxsize)) > room:
        # The parent is shown shortened. A program is written anew then, as what is not shown cannot be quoted in an
        # edit; of a tree the files that are not shown stay, as a patch does not name them.
        return "program" if context.brief.tree is None else "diff"
    if settings.mode != "auto":
        return settings.mode
    draw = random.Random(f"{context.seed}/form/{attempt}").random()
    return "diff" if draw < settings.diff_probability else "program"


def researcher_messages(
    context: Context, refused: tuple[Failure, ...], form: Form, prompt_tokens: int
) -> list[Message]:
    """The prompt of one attempt, at most `prompt_tokens` long."""
    chars, brief = _room_chars(prompt_tokens), context.brief
    fence = Fence.of(context.round_id, context.seed)
    parent, parent_chars = context.parent, int(_PARENT * chars)
    user = render(
        "researcher_user.j2",
        goal=shorten(brief.goal, int(_BRIEF * chars * 0.3)),
        contract=shorten(brief.program_contract, int(_BRIEF * chars * 0.5)),
        notes=shorten(brief.prompt_notes, int(_BRIEF * chars * 0.2)),
        metric=brief.metric,
        best_known=None if brief.best_known is None else f"{brief.best_known:.10g}",
        parent_name=f"candidate {parent.id}" if parent else "the seed program",
        parent_code=fence.wrap("parent program", shown(_base_code(context), brief, parent_chars), parent_chars),
        parent_report=fence.wrap("parent results", _report(parent), int(_ANALYSIS * chars)) if parent else "",
        references=_fitting(_references(context, fence, int(_REFERENCES * chars)), int(_REFERENCES * chars)),
        items=_fitting((_item(item, fence) for item in context.items), int(_ITEMS * chars)),
        not_run=_fitting(_not_run(context, fence, int(_NOT_RUN * chars)), int(_NOT_RUN * chars)),
        refused=_fitting(_refusals(refused, fence, int(_REFUSED * chars)), int(_REFUSED * chars)),
        form=form,
        is_tree=brief.tree is not None,
    )
    return [Message("system", render("researcher_system.j2")), Message("user", user)]


def _room_chars(prompt_tokens: int) -> int:
    return prompt_tokens * CHARS_PER_TOKEN - _WORDING_CHARS


def _program(answer: Answer[ProgramAnswer], context: Context) -> Proposal | Failure:
    code = answer.value.code.strip("\n").rstrip()
    if not code:
        return Failure(FailureKind.UNUSABLE, "the answer has no code: give the complete program")
    rules = context.brief.tree
    program = f"{code}\n" if rules is None else whole_tree(_base_code(context), code, rules)
    if isinstance(program, Failure):
        return program
    return _proposal(program, answer.value, answer.call.model, "program", context)


def _edited(answer: Answer[EditsAnswer], context: Context) -> Proposal | Failure:
    apply = apply_edits if context.brief.tree is None else apply_patch
    code = apply(_base_code(context), answer.value.edits)
    if isinstance(code, Failure):
        return code
    return _proposal(code, answer.value, answer.call.model, "diff", context)


def _proposal(
    code: str, value: ProgramAnswer | EditsAnswer, model: str, form: Form, context: Context
) -> Proposal | Failure:
    if not value.motivation.strip():
        return Failure(
            FailureKind.UNUSABLE, "the answer has no motivation: say what the idea is and why it should help"
        )
    retrieved = {item.id for item in context.items}
    shown = {candidate.id for candidate in (*context.references, *((context.parent,) if context.parent else ()))}
    # Ids that were never shown are dropped: a declared source has to be one that was there to use.
    declared = [source.removeprefix("item ").removeprefix("candidate ") for source in dict.fromkeys(value.sources)]
    sources = tuple(dict.fromkeys(source for source in declared if source in retrieved))
    candidates = tuple(dict.fromkeys(source for source in declared if source in shown))
    provenance = Provenance("openai", form, model, sources, candidates=candidates)
    return Proposal(code, shorten(value.motivation.strip(), 4_000), provenance)


def _base_code(context: Context) -> str:
    return context.parent.code if context.parent else context.brief.seed_program


def _report(candidate: Candidate) -> str:
    """What is known about a candidate besides its code."""
    lines = [f"outcome: {_outcome(candidate)}"]
    lines += [f"{name}: {value:.8g}" for name, value in list(candidate.metrics.items())[:30]]
    lines.append(f"motivation: {candidate.motivation}")
    if candidate.analysis:
        lines.append(f"analysis: {candidate.analysis}")
    return "\n".join(lines)


def _outcome(candidate: Candidate) -> str:
    if isinstance(candidate.outcome, Failure):
        return f"failed ({candidate.outcome.kind}): {candidate.outcome.reason}"
    return f"fitness {candidate.outcome.fitness:.10g}"


def _references(context: Context, fence: Fence, chars: int) -> Iterable[str]:
    parent_id = context.parent.id if context.parent else None
    others = [reference for reference in context.references if reference.id != parent_id]
    if not others:
        return
    half = max(100, (chars // len(others) - _FENCE_CHARS) // 2)
    for reference in others:
        program = shown(reference.code, context.brief, half, with_protected=False)  # protected files are all the same
        text = f"{shorten(_report(reference), half)}\nprogram:\n{shorten(program, half)}"
        yield fence.wrap(f"candidate {reference.id}", text, 2 * half + 20)


def _item(item: Item, fence: Fence) -> str:
    parts = [item.insight, item.condition and f"When: {item.condition}", item.guidance and f"How: {item.guidance}"]
    parts.append(item.background and f"Why: {item.background}")
    parts.append("" if item.verified else "The source of this item was not verified.")
    parts.append(f"Code:\n{item.block.source}" if item.block else "")
    return fence.wrap(f"item {item.id}", "\n".join(part for part in parts if part), 2_000)


def _refusals(refused: tuple[Failure, ...], fence: Fence, chars: int) -> list[str]:
    # The newest first: it is the one to answer, and the one to keep if not all fit.
    return [
        fence.wrap(f"attempt {number}: {failure.kind}", failure.reason, max(100, chars // 2 - _FENCE_CHARS))
        for number, failure in reversed(list(enumerate(refused, start=1)))
    ]


def _not_run(context: Context, fence: Fence, chars: int) -> Iterable[str]:
    for failure in context.not_run:
        text = f"{failure.reason}\n{failure.trace}" if failure.kind is FailureKind.REVIEW else failure.reason
        yield fence.wrap(f"not run: {failure.kind}", text, max(100, chars // len(context.not_run) - _FENCE_CHARS))


def _fitting(texts: Iterable[str], max_chars: int) -> list[str]:
    """As many texts, in order, as fit together. A text too long for the rest is left out and later ones are tried."""
    kept, room = list[str](), max_chars
    for text in texts:
        if len(text) <= room:
            kept.append(text)
            room -= len(text) + 1
    return kept
