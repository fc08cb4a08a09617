"""What each step reads, as frozen settings. A step's cache key holds the hash of its own settings and no others.

The defaults are the paper's numbers where it gives them (App. A); campaigns/ holds smaller ones for a laptop.
Unknown keys are refused. flows/config.py composes these into the settings of a campaign.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.embedding import EmbeddingSettings


class Frozen(BaseModel):
    """A settings section: immutable, and a typo is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RetrieveSettings(Frozen):
    """Cognition search (App. A: top-k 5)."""

    top_k: int = Field(5, ge=0, le=50, description="How many cognition items a round retrieves")
    recent: int = Field(50, ge=0, le=500, description="How many of the newest candidates the proposer sees")
    elites: int = Field(50, ge=1, le=500, description="How many of the best candidates the proposer sees")
    leave_out: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Probability of leaving out each item found, to measure whether it helps; 0: nothing is measured",
    )
    embedding: EmbeddingSettings | None = Field(
        None, description="What makes vectors, an endpoint or a path; none: text alone"
    )
    cognition: Literal["shared", "own"] = Field(
        "shared",
        description="own: lessons and measured uplift are this campaign's alone, as if no other had run (for studies)",
    )
    not_run: int = Field(3, ge=0, le=20, description="How many proposals that were vetoed or unusable it sees")


class ProposeSettings(Frozen):
    """The Researcher (§3: up to 3 tries)."""

    kind: Literal["recombine", "random", "openai"] = Field(
        "recombine",
        description="recombine: composes code blocks, no model; random: its control; openai: a language model",
    )
    attempts: int = Field(3, ge=1, le=10, description="Tries per round, each with the reason of the last failure")


class CheckSettings(Frozen):
    """Static and dynamic checks before anything is spent, and repair by the debugger."""

    reviewer: Literal["off", "rules", "model"] = Field(
        "off",
        description="Before a round is spent: rules: the domain's static rules; model: a model reads the contract",
    )
    novelty: Literal["off", "words", "model"] = Field(
        "off",
        description="words: refuse a motivation that repeats a known one almost word for word; model: the same, and a "
        "model looks at what is near a known one by motivation or code",
    )
    debugger: Literal["off", "model"] = "off"
    repairs: int = Field(2, ge=0, le=10, description="How often the debugger may try (App. A: 2 Engineer retries)")
    max_code_kb: int = Field(100, ge=1, le=10_000)


class EvaluateSettings(Frozen):
    """Rung and replicates."""

    rung: str = Field("explore", description="The scale of experiment")
    replicates: int = Field(1, ge=1, le=100, description="Evaluations per candidate, on derived seeds")


class AnalyzeSettings(Frozen):
    """The Analyzer and the optional Judge."""

    kind: Literal["rules", "model", "off"] = Field("rules", description="off: no report, no lessons (an ablation)")
    judge: Literal["off", "model"] = "off"
    judge_weight: float | None = Field(
        None,
        ge=0,
        description="By how much fitness the judge's points may raise or lower a score; 0: they are only kept; "
        "not set: as much as decides among ties (the problem's `tie`)",
    )


class SandboxSettings(Frozen):
    """Which sandbox, and how many zygotes are kept warm (0: as many as workers)."""

    tier: Literal["auto", "bubblewrap", "landlock"] = "auto"
    unsafe_no_sandbox: bool = Field(False, description="Run candidates without isolation; tagged on every result")
