"""The rule judge: a score from 1 to 10 for a pair (original, cleaned). Rules, no model, and it says so everywhere.

The paper lets a model judge 50 random pairs (section 4.2). This stand-in counts issues (issues.py) and lost text. It
sees neither truth nor strategy. Identical and over-deleted pairs are mixed in, in an order it cannot know: a judge that
does not tell them apart is not to be trusted, and `Verdict.is_calibrated` says whether it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from curation.measure.issues import ISSUES, counts, without_issues
from curation.measure.tokens import tokens

LABEL = "rule judge, no model"
PAIRS, CONTROLS = 50, 5
JUNK_TOKENS = 25  # less than this beside its issues: nothing worth keeping
OVER_DELETED_SHARE = 0.15
Kind = Literal["strategy", "identity", "over-deleted"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One pair: the score, and the issues before and after."""

    score: float
    before: dict[str, int]
    after: dict[str, int]


class Judge(Protocol):
    """Judges pairs, from 1 (ruined) to 10 (clean and complete)."""

    def judge(self, original: str, cleaned: str) -> Judgement:
        """One pair."""


class RuleJudge:
    """Counts issues that are left and text that is lost."""

    def judge(self, original: str, cleaned: str) -> Judgement:
        """See Judge."""
        good = Counter(tokens(without_issues(original)))
        shown, unspoiled = Counter(tokens(cleaned)), Counter(tokens(without_issues(cleaned)))
        noise_left = 1.0 - unspoiled.total() / shown.total() if shown else 0.0
        if good.total() < JUNK_TOKENS:
            lost = shown.total() / max(1, Counter(tokens(original)).total())  # here, keeping is the mistake
        else:
            lost = 1.0 - (good & shown).total() / good.total()
        score = 1.0 + 9.0 * max(0.0, 1.0 - lost) * max(0.0, 1.0 - noise_left)
        return Judgement(score, counts(original), counts(cleaned))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Scores of the strategy's pairs and of the controls, and the share of issues that are gone."""

    scores: tuple[float, ...]
    chosen: tuple[int, ...]  # which documents the scores are of
    identity: float
    over_deleted: float
    coverage: dict[str, float]  # per issue that the originals show: the share of places that are gone

    @property
    def is_calibrated(self) -> bool:
        """Whether ruined texts scored below untouched ones."""
        return self.over_deleted < self.identity


def judge_pairs(originals: Sequence[str], cleaned: Sequence[str | None], judge: Judge, seed: int) -> Verdict:
    """PAIRS random documents and CONTROLS of each control, in blind order. The seed fixes which."""
    rng = Random(seed)
    order = rng.sample(range(len(originals)), min(len(originals), PAIRS + 2 * CONTROLS))
    chosen, rest = order[:PAIRS], order[PAIRS:] or order
    pairs: list[tuple[Kind, int, str]] = [("strategy", i, cleaned[i] or "") for i in chosen]
    pairs += [("identity", i, originals[i]) for i in rest[:CONTROLS]]
    pairs += [("over-deleted", i, _cut(originals[i])) for i in rest[-CONTROLS:]]
    rng.shuffle(pairs)
    judged = [(kind, i, judge.judge(originals[i], text)) for kind, i, text in pairs]
    of: dict[str, dict[int, Judgement]] = {"strategy": {}, "identity": {}, "over-deleted": {}}
    for kind, index, judgement in judged:
        of[kind][index] = judgement
    return Verdict(
        scores=tuple(of["strategy"][i].score for i in chosen),
        chosen=tuple(chosen),
        identity=_mean(of["identity"]),
        over_deleted=_mean(of["over-deleted"]),
        coverage=_coverage(list(of["strategy"].values())),
    )


def _coverage(judgements: Sequence[Judgement]) -> dict[str, float]:
    shares = {}
    for name in ISSUES:
        before = sum(each.before[name] for each in judgements)
        if before:
            left = sum(min(each.before[name], each.after[name]) for each in judgements)
            shares[name] = 1.0 - left / before
    return shares


def _mean(judgements: dict[int, Judgement]) -> float:
    return sum(each.score for each in judgements.values()) / max(1, len(judgements))


def _cut(text: str) -> str:
    return text[: int(len(text) * OVER_DELETED_SHARE)]
