"""What a person has to say yes to, and what they said: settings, and decisions stored beside what they are about.

A decision is a small JSON in the workspace of its campaign or round, under the key of the question. It is the single
truth: the form in the Prefect UI, the command line and a wait that ran out all write it, and whoever waits reads it. So
a retry, a resume or a crash finds it and asks nobody again. Waiting is not done here (flows/asking.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from cognition.records import Failure, FailureKind
from tasks.artefacts import UriWorkspace, workspace
from tasks.codec import decode, encode, fingerprint
from tasks.settings import Frozen

Verdict = Literal["accept", "edit", "veto"]


class ApprovalSettings(Frozen):
    """What waits for a person (docs/operations.md, "Human in the loop"). Nothing does by default."""

    rungs: tuple[str, ...] = Field((), description="Rungs on which nothing is spent before a person has said yes")
    motivations: Literal["off", "ask"] = Field(
        "off", description="ask: each proposal can be accepted, edited in its motivation, or vetoed before its check"
    )
    wait_h: float = Field(
        12.0, gt=0, le=24 * 365, description="After so many hours a proposal goes on as it is; for a rung the run ends"
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided. `motivation` is the new one, of an edit; `note` says why."""

    verdict: Verdict
    note: str = ""
    motivation: str = ""

    def as_failure(self, motivation: str) -> Failure:
        """Of a veto: how its round ends. The trace keeps what was vetoed."""
        return Failure(FailureKind.REVIEW, f"vetoed: {self.note or 'without a note'}", motivation)


def campaign_desk(root: str, campaign: str) -> UriWorkspace:
    """Where a campaign's questions and decisions are."""
    return workspace(root, "campaigns", campaign, "approval")


def round_desk(root: str, round_id: str) -> UriWorkspace:
    """Where a round's questions and decisions are, whatever its revision."""
    return workspace(root, "rounds", round_id, "approval")


def key_of(question: object) -> str:
    """The key of a question: a rung's name, or the proposal as it was made."""
    return fingerprint(question)[:32]


def decision_of(desk: UriWorkspace, key: str) -> Decision | None:
    """What was decided; None if nothing was."""
    name = f"{key}.json"
    return decode(json.loads(desk.read(name)), Decision) if desk.exists(name) else None


def decide(desk: UriWorkspace, key: str, decision: Decision) -> Decision:
    """Store a decision, in place of an earlier one."""
    desk.write(f"{key}.json", json.dumps(encode(decision), indent=2).encode())
    return decision


def ask(desk: UriWorkspace, key: str) -> None:
    """Note which question is open, for the command line, which does not know the proposal."""
    desk.write("asked.json", json.dumps(key).encode())


def asked(desk: UriWorkspace) -> str | None:
    """The key of the question that was asked last; it may have been decided since."""
    return str(json.loads(desk.read("asked.json"))) if desk.exists("asked.json") else None
