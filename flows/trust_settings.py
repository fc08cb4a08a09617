"""Settings of a campaign that are about trust: the audit before its first round, and what a cassette shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings import Frozen

Prompts = Literal["full", "hashed", "patterns"]


class AuditSettings(Frozen):
    """The short audit of a new problem before anything is spent (docs/trust.md)."""

    first_run: Literal["refuse", "accept", "off"] = Field(
        "refuse", description="What happens if the evaluator can be fooled: refuse to run, or accept it; off: no audit"
    )
    budget_s: float = Field(20.0, gt=0, description="No further cheat is begun after so many seconds")


class CassetteSettings(Frozen):
    """What an exported cassette shows of the prompts (docs/replay.md). Answers stay as they are; keys are never in."""

    prompts: Prompts = Field("full", description="full, hashed (left out), or patterns (those are blacked out)")
    patterns: tuple[str, ...] = Field((), description="Regular expressions for prompts = patterns")
