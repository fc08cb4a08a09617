"""Scores from 1 to 10 for pairs (original, cleaned), and the rule judge, which is no model and says so everywhere.

The paper lets a model judge 50 random pairs (section 4.2; model_judge.py). The rule judge is the stand-in where no
model is configured: it counts issues (issues.py) and lost text. No judge sees truth or strategy. Identical and
over-deleted pairs are mixed in, in an order it cannot know: a judge that does not tell them apart is not to be
trusted, and `Verdict.is_calibrated` says whether it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal, Protocol

from cognition.records import MachineFault
from curation.measure.issues import ISSUES, counts, without_issues
from curation.measure.tokens import tokens

LABEL = "rule judge, no model"
PAIRS, CONTROLS = 50, 5
JUNK_TOKENS = 25  # less than this beside its issues: nothing worth keeping
OVER_DELETED_SHARE = 0.15
FEWEST_SHARE = 0.8  # of the pairs have to be judged, or there is no score
Kind = Literal["strategy", "identity", "over-deleted"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One pair: the score, and the issues before and after."""

    score: float
    before: dict[str, int]
    after: dict[str, int]
    reported: tuple[str, ...] = ()  # names of issues that a model saw


class Judge(Protocol):
    """Judges pairs, from 1 (ruined) to 10 (clean and complete)."""

    @property
    def label(self) -> str:
        """Who judges, as it is shown with every score."""

    def judge_all(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement | None]:
        """The pairs in their order; None where there is no judgement."""


class RuleJudge:
    """Counts issues that are left and text that is lost."""

    label = LABEL

    def judge_all(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement | None]:
        """See Judge."""
        return [self.judge(original, cleaned) for original, cleaned in pairs]

    def judge(self, original: str, cleaned: str) -> Judgement:
        """One pair."""
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
    chosen: tuple[int, ...]  # which documents the scores are of: those that were judged
    identity: float | None  # None: none of these controls was judged
    over_deleted: float | None
    coverage: dict[str, float]  # per issue that the originals show: the share of places that are gone
    reported: dict[str, tuple[int, ...]] = field(default_factory=dict)  # issues that a model named, with the documents

    @property
    def is_calibrated(self) -> bool:
        """Whether ruined texts scored below untouched ones."""
        return self.over_deleted is not None and self.identity is not None and self.over_deleted < self.identity


def judge_pairs(originals: Sequence[str], cleaned: Sequence[str | None], judge: Judge, seed: int) -> Verdict:
    """PAIRS random documents and CONTROLS of each control, in blind order. The seed fixes which."""
    rng = Random(seed)
    order = rng.sample(range(len(originals)), min(len(originals), PAIRS + 2 * CONTROLS))
    chosen, rest = order[:PAIRS], order[PAIRS:] or order
    pairs: list[tuple[Kind, int, str]] = [("strategy", i, cleaned[i] or "") for i in chosen]
    pairs += [("identity", i, originals[i]) for i in rest[:CONTROLS]]
    pairs += [("over-deleted", i, _cut(originals[i])) for i in rest[-CONTROLS:]]
    rng.shuffle(pairs)
    judged = judge.judge_all([(originals[i], text) for _, i, text in pairs])
    of: dict[str, dict[int, Judgement]] = {"strategy": {}, "identity": {}, "over-deleted": {}}
    for (kind, index, _), judgement in zip(pairs, judged, strict=True):
        if judgement is not None:
            of[kind][index] = judgement
    if len(of["strategy"]) < FEWEST_SHARE * len(chosen):
        raise MachineFault(
            f"the judge ({judge.label}) gave {len(of['strategy'])} usable answers for {len(chosen)} pairs"
        )
    seen = [i for i in chosen if i in of["strategy"]]
    return Verdict(
        scores=tuple(of["strategy"][i].score for i in seen),
        chosen=tuple(seen),
        identity=_mean(of["identity"]),
        over_deleted=_mean(of["over-deleted"]),
        coverage=_coverage(list(of["strategy"].values())),
        reported=_reported(of["strategy"]),
    )


def judge_untouched(originals: Sequence[str], chosen: Sequence[int], judge: Judge) -> dict[int, float]:
    """The scores of these documents as they are, to compare with on the same documents."""
    judged = judge.judge_all([(originals[i], originals[i]) for i in chosen])
    return {i: judgement.score for i, judgement in zip(chosen, judged, strict=True) if judgement is not None}


def _reported(judgements: dict[int, Judgement]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for index, judgement in sorted(judgements.items()):
        for name in judgement.reported:
            found.setdefault(name, []).append(index)
    return {name: tuple(where) for name, where in found.items()}


def _coverage(judgements: Sequence[Judgement]) -> dict[str, float]:
    shares = {}
    for name in ISSUES:
        before = sum(each.before[name] for each in judgements)
        if before:
            left = sum(min(each.before[name], each.after[name]) for each in judgements)
            shares[name] = 1.0 - left / before
    return shares


def _mean(judgements: dict[int, Judgement]) -> float | None:
    return sum(each.score for each in judgements.values()) / len(judgements) if judgements else None


def _cut(text: str) -> str:
    return text[: int(len(text) * OVER_DELETED_SHARE)]
