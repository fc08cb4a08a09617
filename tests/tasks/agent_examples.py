"""Records and a model at a scripted server, shared by the tests of the agents."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from cognition.records import Candidate, CodeBlock, Failure, FailureKind, Item, Outcome, Provenance, Score
from tasks.contract import Brief
from tasks.llm import MemoryLedger, Message, Model, ModelSettings, Role
from tasks.proposal import Context
from tests.scripted_server import ScriptedServer

SEED_PROGRAM = "STEP = 0.5\n\n\ndef run(n):\n    return [STEP * k for k in range(n)]\n"
PARENT_PROGRAM = "STEP = 0.25\nGAIN = 1.5\n\n\ndef run(n):\n    return [STEP * k * GAIN for k in range(n)]\n"
BRIEF = Brief(
    goal="Find a sequence with the largest sum.",
    program_contract="Define run(n): it returns a list of n finite floats.",
    seed_program=SEED_PROGRAM,
    prompt_notes="Sums above n are impossible.",
    metric="sum",
    best_known=2.5,
)


def candidate(number: int, outcome: Outcome | None = None, code: str = PARENT_PROGRAM, text: str = "") -> Candidate:
    """Candidate `number`, scored unless told otherwise."""
    return Candidate(
        id=f"c{number}",
        seq=number,
        campaign="demo",
        round_index=number,
        code=code,
        code_hash=str(number),
        motivation=text or f"Idea {number}.",
        parents=(),
        provenance=Provenance("openai"),
        outcome=outcome or Score(1.0 + number / 10),
        metrics={"sum": 1.0 + number / 10},
        analysis=text or f"Report {number}.",
    )


def item(name: str, text: str = "") -> Item:
    """A cognition item."""
    return Item(
        id=name,
        domain="demo",
        insight=text or f"Insight of {name}.",
        background=text or "It is known.",
        guidance=text or "Do it.",
    )


FAILED = Failure(FailureKind.CRASH, "ValueError: not finite", "Traceback\nValueError: not finite")
CONTEXT = Context(
    round_id="demo-0007",
    seed=12345,
    brief=BRIEF,
    parent=candidate(3),
    references=(candidate(1), candidate(2, FAILED)),
    not_run=(
        Failure(FailureKind.REVIEW, "vetoed: too large", "Ten times as many steps."),
        Failure(FailureKind.DUPLICATE, "the same program was tried before as c-0002"),
    ),
    items=(item("slow-growth"), replace(item("gain/first"), block=CodeBlock("gain", "double", "def double(x): ..."))),
)


def model_at(server: ScriptedServer, ledger: MemoryLedger | None = None) -> Model:
    """A model for every role."""
    settings = ModelSettings(
        model="scripted", base_url=server.base_url, timeout_s=5.0, retries=1, backoff_s=0.01, max_tokens=4_000
    )
    roles: tuple[Role, ...] = get_args(Role)
    return Model(dict.fromkeys(roles, settings), ledger or MemoryLedger())


def as_text(messages: list[Message]) -> str:
    """A prompt as golden files hold it."""
    return "\n".join(f"[{message.speaker}]\n{message.text}" for message in messages)
