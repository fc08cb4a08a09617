"""A problem as a folder: brief.md, seed.py, problem.py, cognition.jsonl, and code blocks if there are any.

`nightshift new NAME` makes one; docs/problems.md explains it. problem.py derives from `FolderProblem` and says how the
program is called and how its answer is judged; everything else is read from the files beside it.
"""

from problems.folder.domain import FolderProblem, NoOptions, ProblemError
from tasks.contract import Failure, FailureKind, Limits, Objective, Slot

__all__ = ["Failure", "FailureKind", "FolderProblem", "Limits", "NoOptions", "Objective", "ProblemError", "Slot"]
