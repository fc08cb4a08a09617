"""Step 2, propose: ask the proposer until there is a program worth running, at most `attempts` times.

A refused proposal (no code, an edit that does not apply, a duplicate) goes back with its reason. When all tries are
used up the step returns the last failure, and the round is recorded as one without a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

from cognition.archive import code_hash
from cognition.records import Failure, FailureKind, Provenance
from tasks.engine import Engine, Round
from tasks.proposal import Context, Proposal
from tasks.retrieve import Retrieved, shown
from tasks.trees import refusal as tree_refusal


@dataclass(frozen=True, slots=True)
class Proposed:
    """A program to try, and the refusals on the way to it."""

    code: str
    motivation: str
    provenance: Provenance
    refused: tuple[Failure, ...] = ()


async def propose(engine: Engine, round: Round, retrieved: Retrieved) -> Proposed | Failure:
    """The seed program in round 0, else the first proposal that is not refused."""
    if round.is_baseline:
        return Proposed(engine.brief.seed_program, "The seed program: the baseline.", Provenance("baseline"))
    context = context_of(engine, round, retrieved)
    refused: tuple[Failure, ...] = ()
    for _ in range(engine.propose.attempts):
        proposal = await engine.proposer.propose(context, refused)
        failure = proposal if isinstance(proposal, Failure) else await refusal(engine, proposal, context, round)
        if failure is None:
            assert isinstance(proposal, Proposal)
            return Proposed(proposal.code, proposal.motivation, proposal.provenance, refused)
        refused = (*refused, failure)
    return summary_of(refused)


def context_of(engine: Engine, round: Round, retrieved: Retrieved) -> Context:
    """Everything the proposer may see, bounded by the settings whatever the archive's size."""
    archive, limits = engine.archive, engine.retrieve
    return Context(
        round_id=round.id,
        seed=engine.seed_of(round.index, "propose", round.revision["propose"]),
        brief=engine.brief,
        parent=archive.candidate(round.parent) if round.parent else None,
        references=tuple(archive.candidate(reference) for reference in round.references),
        items=shown(engine, retrieved),
        blocks=engine.items.blocks(engine.cognition),
        elites=tuple(archive.top(engine.campaign, limits.elites, up_to=round.sequence)),
        researcher=retrieved.researcher,
        not_run=retrieved.not_run,
        recent=tuple(archive.recent(engine.campaign, limits.recent, up_to=round.sequence)),
    )


async def refusal(engine: Engine, proposal: Proposal, context: Context, round: Round) -> Failure | None:
    """Why this proposal is not worth running, or None."""
    twin = engine.archive.find_code(engine.campaign, code_hash(proposal.code), up_to=round.sequence)
    if twin is not None:
        return Failure(FailureKind.DUPLICATE, f"the same program was tried before as {twin}; propose a different one")
    if (broken := tree_refusal(engine.brief, proposal.code)) is not None:
        return broken
    stale = await engine.novelty.check(proposal, context)
    return stale or await engine.reviewer.review(proposal.code, engine.brief, context.round_id)


def summary_of(refused: tuple[Failure, ...]) -> Failure:
    """All refusals of a round as one, with the kind of the last."""
    reasons = "; ".join(f"try {number}: {failure.reason}" for number, failure in enumerate(refused, start=1))
    return Failure(refused[-1].kind, f"no usable proposal in {len(refused)} tries: {reasons}", refused[-1].trace)
