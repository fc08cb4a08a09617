"""The model judge (paper, section 4.2): a model scores pairs (original, cleaned) and names the issues that it sees.

It is asked through the engine (tasks.contract.Asker), in blind order with untouched and over-deleted pairs among the
others, and is told neither the strategy nor that there are controls. What it cannot answer has no score. Issues before
and after are counted by rules here too, since coverage wants counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, Field

from curation.measure.issues import counts
from curation.measure.judge import Judgement
from tasks.contract import Asker, Failure, Question

ROLE = "judge"
MOST_ISSUES = 5
TASK = """\
A document of a web corpus for pre-training a language model was cleaned by a program. Judge the cleaned text
against the original, from 1 to 10. 10: everything is gone that no reader came for (markup, menus, banners,
advertisements, wrong characters, private data, repetitions), and all of the text is there, code, formulas, tables
and citations included. 5: much of the noise is left, or a good part of the text is lost. 1: the text is ruined, or
gone although it was good. If nothing of the original was worth keeping, an empty text is right. Name in one to
three words each kind of noise that is left and each kind of content that is lost."""


class PairAnswer(BaseModel):
    """What the model answers about one pair."""

    reason: str = Field(description="One sentence: what decides the score")
    score: int = Field(ge=1, le=10)
    left: list[str] = Field(default=[], description="Kinds of noise that are left, in one to three words each")
    lost: list[str] = Field(default=[], description="Kinds of content that are lost, in one to three words each")


class ModelJudge:
    """Asks the judge of the campaign. What was judged once in this process is not asked again."""

    label = "model judge"

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._known: dict[tuple[str, str], Judgement] = {}

    def judge_all(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement | None]:
        """See Judge."""
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        questions = [Question(TASK, (("original", original), ("cleaned", cleaned))) for original, cleaned in new]
        for pair, answer in zip(new, self._asker.ask_all(ROLE, questions, PairAnswer), strict=True):
            if not isinstance(answer, Failure):
                self._known[pair] = _judgement(pair, answer)
        return [self._known.get(pair) for pair in pairs]


def _judgement(pair: tuple[str, str], answer: PairAnswer) -> Judgement:
    names = [*(f"{name} left" for name in answer.left), *(f"{name} lost" for name in answer.lost)]
    reported = tuple(dict.fromkeys(normal(name) for name in names if normal(name)))[:MOST_ISSUES]
    return Judgement(float(answer.score), counts(pair[0]), counts(pair[1]), reported)


def normal(name: str) -> str:
    """An issue's name as it is compared with others: lower case, letters alone, short.

    >>> normal("  Share-Buttons left!")
    'share buttons left'
    """
    return " ".join(re.findall(r"[a-z]+", name.lower())[:4])[:60]
