"""An evaluator of another tool, wrapped: `nightshift new NAME --from-evaluator evaluator.py` (docs/problems.md)."""

from problems.evaluator.domain import EvaluatorProblem
from problems.folder import Limits, NoOptions

__all__ = ["EvaluatorProblem", "Limits", "NoOptions"]
