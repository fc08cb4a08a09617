"""What a comparison says, as frozen records. Texts are as models and candidates wrote them: the printer escapes."""

from __future__ import annotations

from dataclasses import dataclass

from flows.report.records import Ancestor, Use


@dataclass(frozen=True, slots=True)
class Measure:
    """How a candidate was measured. Scores of different measures do not compare."""

    problem: str
    options: str  # JSON, sorted
    rungs: tuple[str, ...]
    contract_versions: tuple[str, ...]
    replicates: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    id: str
    campaign: str
    round_id: str
    outcome: str  # "scored" or a FailureKind
    reason: str
    fitness: float | None
    standard_error: float | None
    evaluations: int
    retest: str  # why it counts no longer, "" for most
    proposer: str
    model: str | None
    sandbox_tier: str
    motivation: str
    measure: Measure
    use: Use
    lineage: tuple[Ancestor, ...]  # itself first, youngest first


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of both, with the difference B - A."""

    name: str
    a: float | None
    a_standard_error: float | None
    b: float | None
    b_standard_error: float | None
    difference: float | None
    difference_standard_error: float | None
    is_paired: bool  # both were measured on the same seeds, and the difference was taken seed by seed


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two candidates."""

    a: Side
    b: Side
    warnings: tuple[str, ...]  # why the scores may not be compared
    metrics: tuple[MetricRow, ...]
    diff: str  # from A to B
    common_ancestor: str | None  # the youngest
    mlflow_url: str | None
    mlflow_hint: str  # how to get to the view when there is no URL
