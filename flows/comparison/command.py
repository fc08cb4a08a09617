"""`nightshift compare A B`: gathers the comparison and adds the way to MLflow's view of it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from cognition.archive import Archive
from flows.comparison import mlflow_view
from flows.comparison.gather import gather
from flows.comparison.printer import show
from flows.comparison.records import Comparison
from flows.home import Home

__all__ = ["as_json", "make", "show"]


def make(archive: Archive, home: Home, a: str, b: str) -> Comparison:
    """Two candidates side by side. Raises ArchiveError for an unknown one."""
    comparison = gather(archive, a, b)
    rounds = (comparison.a.round_id, comparison.b.round_id)
    url, hint = mlflow_view.link(home, rounds, f"nightshift compare {a} {b}")
    return replace(comparison, mlflow_url=url, mlflow_hint=hint)


def as_json(comparison: Comparison) -> str:
    """The records as JSON; the diff is plain text."""
    return json.dumps(asdict(comparison), indent=2)
