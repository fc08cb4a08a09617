"""What a step wants to have shown in MLflow, as plain data; tasks/tracking.py carries it there.

Steps put publications into the archive's outbox, in the same database that holds the truth, so MLflow may be down.
The names used here are documented in mlflow/README.md.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Literal

from cognition import tree
from cognition.records import Artefact
from tasks.trees import changes

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

#: MLflow refuses longer tags; texts go into artefacts in full.
MAX_TAG_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Publication:
    """An addition to one MLflow run: the candidate's (by round id), or the campaign's (by campaign name)."""

    experiment: str
    campaign: str
    run_key: str  # round id, or the campaign's name for the parent run
    at_ms: int  # Unix time in milliseconds, taken when the step ended
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    step: int = 0  # the x axis of `metrics`: the round index in the campaign's run
    texts: dict[str, str] = field(default_factory=dict)
    files: tuple[Artefact, ...] = ()
    status: Status = "RUNNING"

    @property
    def is_campaign(self) -> bool:
        """True for the parent run."""
        return self.run_key == self.campaign


def clip_tag(text: str) -> str:
    """A tag's value, cut to what MLflow takes.

    >>> clip_tag("short")
    'short'
    """
    return text if len(text) <= MAX_TAG_CHARS else text[: MAX_TAG_CHARS - 1] + "…"


def unified_diff(before: str, after: str, before_name: str, after_name: str) -> str:
    """The change from the parent, as `diff -u` shows it; of candidates with several files, file by file."""
    if tree.is_tree(before) or tree.is_tree(after):
        try:
            changed = changes(tree.files_of(before), tree.files_of(after))
            return "".join(f"{line}\n" for each in changed for line in each.diff(before_name, after_name))
        except tree.TreeError:  # text that is no tree is compared as text
            pass
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), before_name, after_name, lineterm="")
    return "\n".join(lines) + "\n"
