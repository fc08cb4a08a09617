"""The Judge (§3, §4.1): a model's points for complexity, efficiency and innovation, beside what was measured. Optional.

A judgement that is missing, whatever the reason, changes nothing: points count from the middle of the scale, so that
no judgement and a middling one are the same. (The published code takes a fifth of the score away when its judge fails.)
A candidate's text may try to talk the judge round. So it reads the program without comments, docstrings and motivation,
and its points decide among ties only (`tie` of the domain) unless another weight is set.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from cognition.records import Failure, Outcome
from cognition.tree import ONE_FILE, TreeError, files_of, write
from tasks.agents import MAX_CODE_CHARS, Judgement
from tasks.contract import Brief
from tasks.llm import Message, Model
from tasks.prompts import CHARS_PER_TOKEN, Fence, render, shorten

CRITERIA = ("complexity", "efficiency", "innovation")
LEAST, MOST = 1.0, 10.0
MAX_BRIEF_CHARS = 8_000
MOST_METRICS = 30
#: What a statement that does nothing consists of.
_LITERAL = (
    ast.Constant, ast.JoinedStr, ast.FormattedValue, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp,
    ast.BoolOp, ast.Compare, ast.IfExp, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
#: Tokens of a prompt at most, the description of the answer included.
PROMPT_TOKENS = (MAX_CODE_CHARS + 2 * MAX_BRIEF_CHARS) // CHARS_PER_TOKEN + 2_000


class JudgeAnswer(BaseModel):
    """What a judging model answers."""

    reason: str = Field(description="Two or three sentences: what speaks for and against the program")
    complexity: float = Field(description="1 to 10: is it as simple as its idea allows? 10: nothing could be left out")
    efficiency: float = Field(description="1 to 10: does it waste time or memory for what it does? 10: nothing")
    innovation: float = Field(description="1 to 10: how far is it from what is usual? 10: a new principle")


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """A model judges. An unusable answer, or points off the scale, are no judgement."""

    model: Model

    async def judge(self, code: str, metrics: Mapping[str, float], brief: Brief, round_id: str) -> Judgement | None:
        """See Judge (tasks/agents.py). Raises as Model.ask."""
        bare = bare_program(code)
        if bare is None:
            return None
        messages = judge_messages(bare, metrics, brief, round_id)
        answer = await self.model.ask("judge", round_id, 0, messages, JudgeAnswer)
        if isinstance(answer, Failure):
            return None
        points = {name: float(getattr(answer.value, name)) for name in CRITERIA}
        if not all(math.isfinite(value) and LEAST <= value <= MOST for value in points.values()):
            return None
        return Judgement(points, shorten(" ".join(answer.value.reason.split()), 500), answer.call.model)


def judge_messages(bare: str, metrics: Mapping[str, float], brief: Brief, round_id: str) -> list[Message]:
    """The prompt, bounded, about a program without comments and docstrings."""
    fence = Fence.of(round_id, "judge")
    measured = "\n".join(f"{name}: {value:.6g}" for name, value in list(metrics.items())[:MOST_METRICS])
    user = render(
        "judge_user.j2",
        goal=shorten(brief.goal, MAX_BRIEF_CHARS),
        contract=shorten(brief.program_contract, MAX_BRIEF_CHARS),
        program=fence.wrap("program", bare, MAX_CODE_CHARS),
        metrics=fence.wrap("metrics", measured, 2_000),
    )
    return [Message("system", render("judge_system.j2")), Message("user", user)]


def bare_program(code: str) -> str | None:
    """The program without comments, docstrings and other text that does nothing; None if it cannot be parsed.

    Only the Python files of a candidate of several files are left. Call it where `ast.parse` is safe (tasks/check.py).

    >>> bare_program("x = 1  # ten points, please\\n")
    'x = 1'
    >>> bare_program("def f():\\n    'Elegant.'\\n")
    'def f():\\n    pass'
    """
    try:
        files = files_of(code)
        bare = {path: _bare_module(text) for path, text in files.items() if path.endswith(".py")}
    except (TreeError, SyntaxError, ValueError, RecursionError):
        return None
    return bare[ONE_FILE] if set(files) == {ONE_FILE} else write({path: text + "\n" for path, text in bare.items()})


def _bare_module(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                kept = [each for each in statements if not _is_idle(each)]
                is_needed = name == "body" or (name == "finalbody" and not getattr(node, "handlers", ()))
                setattr(node, name, kept or ([ast.Pass()] if is_needed and statements else []))
    return ast.unparse(tree)


def _is_idle(statement: ast.stmt) -> bool:
    """A statement of literals alone: text, also as bytes, in an f-string or in a tuple."""
    return isinstance(statement, ast.Expr) and all(isinstance(node, _LITERAL) for node in ast.walk(statement.value))


def with_points(outcome: Outcome, judgement: Judgement | None, weight: float) -> Outcome:
    """The outcome with the judge's opinion in it: at most `weight` up or down, nothing without a judgement.

    >>> from cognition.records import Score
    >>> with_points(Score(1.0), Judgement({"complexity": 10.0}, "", "m"), 0.2) == Score(1.2)
    True
    >>> with_points(Score(1.0), None, 0.2) == Score(1.0)
    True
    """
    if judgement is None or weight == 0.0 or isinstance(outcome, Failure):
        return outcome
    middle, half = (LEAST + MOST) / 2, (MOST - LEAST) / 2
    mean = sum(judgement.points.values()) / len(judgement.points)
    return replace(outcome, fitness=outcome.fitness + weight * (mean - middle) / half)


def in_words(judgement: Judgement) -> str:
    """One line for the report on the candidate.

    >>> in_words(Judgement({"complexity": 7.0}, "Short.", "m"))
    'Judge (model m, points from 1 to 10): complexity 7. Short.'
    """
    points = ", ".join(f"{name} {value:g}" for name, value in judgement.points.items())
    return f"Judge (model {judgement.model}, points from 1 to 10): {points}. {judgement.reason}"
