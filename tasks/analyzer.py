"""The Analyzer: turns everything an experiment left behind into a short report that later rounds can use (§3).

`RuleAnalyzer` compares numbers and names symptoms, offline. `ModelAnalyzer` lets a model read program, logs and
breakdown; if its answer cannot be used the rule report takes its place and says so, since a round with a result must
not be lost for want of a text. A model server that is down is a machine fault and raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, Field

from cognition.records import JSON, Candidate, Failure, FailureKind, Item, Lesson, Outcome, Score
from tasks.llm import Message, Model
from tasks.prompts import CHARS_PER_TOKEN, Fence, render, shorten
from tasks.rule_lessons import rule_lessons

MAX_REPORT_CHARS = 4_000
MAX_LESSONS = 3
#: So many known lessons are shown to the model at most.
MAX_KNOWN = 8
#: A prompt's most tokens, about four characters each.
PROMPT_TOKENS = 24_000
#: Characters of the templates' own wording, the fences and the description of the answer.
_WORDING_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class AnalysisInput:
    """Everything known about one experiment. The Analyzer sees it in full; only its report is kept (§3)."""

    round_id: str
    goal: str
    metric: str  # the primary metric, as shown to people
    code: str
    motivation: str
    outcome: Outcome
    metrics: Mapping[str, float] = field(default_factory=dict)
    breakdown: Mapping[str, JSON] = field(default_factory=dict)
    logs: str = ""
    parent: Candidate | None = None
    best_parent: Candidate | None = None  # of all that the Researcher was shown, where that is not the parent
    best: Candidate | None = None
    baseline: Candidate | None = None
    domain: str = ""
    genome: JSON = None  # how blocks were put together, if they were
    made_from: Candidate | None = None  # what it was really made from, where that is not the parent
    known: tuple[Item, ...] = ()  # lessons that the Researcher was shown, for or against which this may speak


@dataclass(frozen=True, slots=True)
class Analysis:
    """A report with the symptoms that recall cognition items, and lessons worth keeping."""

    report: str
    symptoms: tuple[str, ...] = ()
    lessons: tuple[Lesson, ...] = ()

    @property
    def text(self) -> str:
        """All of it as the bounded text that is stored with the candidate."""
        parts = [self.report]
        if self.symptoms:
            parts.append("Symptoms: " + "; ".join(self.symptoms))
        parts += [
            f"Lesson{_maker(lesson)}: {_in_words(lesson)}"
            for lesson in self.lessons
            if lesson.claim and lesson.supports
        ]
        return shorten("\n".join(parts), MAX_REPORT_CHARS)


class Analyzer(Protocol):
    """Reports on one experiment."""

    async def analyze(self, experiment: AnalysisInput) -> str:
        """The report, at most MAX_REPORT_CHARS long. Raises ModelServerDown."""

    async def study(self, experiment: AnalysisInput) -> Analysis:
        """The same with symptoms and lessons apart."""


class RuleAnalyzer:
    """Compares with parent, baseline and best. No model is involved, and the report says so."""

    async def analyze(self, experiment: AnalysisInput) -> str:
        """See Analyzer."""
        return (await self.study(experiment)).text

    async def study(self, experiment: AnalysisInput) -> Analysis:
        """See Analyzer."""
        return rule_analysis(experiment)


class OffAnalyzer:
    """No report, no symptoms, no lessons: the ablation without an Analyzer (Fig. 5)."""

    async def analyze(self, experiment: AnalysisInput) -> str:
        """See Analyzer."""
        return ""

    async def study(self, experiment: AnalysisInput) -> Analysis:
        """See Analyzer."""
        return Analysis("")


class AnalyzerAnswer(BaseModel):
    """What a model answers."""

    report: str = Field(
        description="Compact and decision-oriented, at most 250 words: what worked, what did not, why, what to try next"
    )
    symptoms: list[str] = Field(
        default=[], description="At most 6 short phrases naming what the results show, such as: plateau, out of time"
    )
    lessons: list[str] = Field(
        default=[],
        description="At most 3 general lessons that hold beyond this program, only if the evidence is clear. Each in "
        'one line: the claim, then " | ", then under which condition it holds',
    )
    confirmed: list[str] = Field(default=[], description="Ids of known lessons that this result clearly confirms")
    contradicted: list[str] = Field(default=[], description="Ids of known lessons that it clearly contradicts")


class ModelAnalyzer:
    """A model reads the program and the whole output."""

    def __init__(self, model: Model, prompt_tokens: int = PROMPT_TOKENS) -> None:
        """`prompt_tokens`: at most so much of program, logs and breakdown is sent."""
        self._model = model
        self._prompt_tokens = prompt_tokens

    async def analyze(self, experiment: AnalysisInput) -> str:
        """See Analyzer."""
        return (await self.study(experiment)).text

    async def study(self, experiment: AnalysisInput) -> Analysis:
        """See Analyzer. An unusable answer falls back to the rule report."""
        messages = analyzer_messages(experiment, self._prompt_tokens)
        answer = await self._model.ask("analyzer", experiment.round_id, 0, messages, AnalyzerAnswer)
        if isinstance(answer, Failure):
            return _fallback(experiment, answer.reason)
        if not answer.value.report.strip():
            return _fallback(experiment, "the report was empty")
        value = answer.value
        return Analysis(
            shorten(value.report.strip(), MAX_REPORT_CHARS // 2),
            tuple(shorten(symptom, 100) for symptom in value.symptoms[:6]),
            model_lessons(experiment, value, answer.call.model),
        )


def model_lessons(experiment: AnalysisInput, answer: AnalyzerAnswer, model: str) -> tuple[Lesson, ...]:
    """A model's lessons. The numbers that go with them are ours: a model's are not evidence."""
    numbers, new = _evidence(experiment), list[Lesson]()
    for line in answer.lessons[:MAX_LESSONS]:
        claim, _, condition = shorten(" ".join(line.split()), 400).partition("|")
        if claim.strip():
            new.append(Lesson(experiment.domain, claim.strip(), condition.strip(), True, numbers, model))
    known = {item.id: item for item in experiment.known}
    # Only lessons that were shown can be judged; one that is named on both sides is not clear.
    both = set(answer.confirmed) & set(answer.contradicted)
    judged = [(id, True) for id in answer.confirmed] + [(id, False) for id in answer.contradicted]
    about = [(id, supports) for id, supports in dict.fromkeys(judged) if id in known and id not in both]
    return (
        *new,
        *(Lesson(experiment.domain, "", "", supports, numbers, model, item=id) for id, supports in about[:MAX_KNOWN]),
    )


def analyzer_messages(experiment: AnalysisInput, prompt_tokens: int) -> list[Message]:
    """The prompt, within `prompt_tokens` whatever the experiment printed."""
    chars = prompt_tokens * CHARS_PER_TOKEN - _WORDING_CHARS
    fence = Fence.of(experiment.round_id, "analyzer")
    comparison = "\n".join([_outcome_line(experiment), *_comparison_lines(experiment)])
    user = render(
        "analyzer_user.j2",
        goal=shorten(experiment.goal, chars // 10),
        metric=experiment.metric,
        motivation=fence.wrap("motivation", experiment.motivation, chars // 20),
        program=fence.wrap("program", experiment.code, chars * 3 // 10),
        comparison=fence.wrap("comparison", comparison, chars // 10),
        breakdown=fence.wrap("breakdown", json.dumps(experiment.breakdown, default=str), chars // 10)
        if experiment.breakdown
        else "",
        trace=fence.wrap("trace", _trace(experiment.outcome), chars // 20) if _trace(experiment.outcome) else "",
        logs=fence.wrap("logs", experiment.logs, chars // 5) if experiment.logs else "",
        known=[
            fence.wrap(f"lesson {item.id}", f"{item.insight} {item.condition}", chars // 20 // MAX_KNOWN)
            for item in experiment.known[:MAX_KNOWN]
        ],
    )
    return [Message("system", render("analyzer_system.j2")), Message("user", user)]


def _fallback(experiment: AnalysisInput, reason: str) -> Analysis:
    rules = rule_analysis(experiment)
    text = f"The analyzer model gave no usable answer ({reason}). {rules.report}"
    return Analysis(text, rules.symptoms, rules.lessons)


def rule_analysis(experiment: AnalysisInput) -> Analysis:
    """The report that needs no model. Pure."""
    lines = ["Report by rules; no model was involved.", _outcome_line(experiment)]
    lines += _comparison_lines(experiment)
    report = "\n".join(line for line in lines if line)
    return Analysis(report, symptoms(experiment), _rule_lessons(experiment))


def _rule_lessons(experiment: AnalysisInput) -> tuple[Lesson, ...]:
    if not isinstance(experiment.outcome, Score):
        return ()
    origin = experiment.made_from or experiment.parent
    return rule_lessons(experiment.domain, experiment.code, experiment.genome, experiment.outcome, origin)


def _evidence(experiment: AnalysisInput) -> str:
    """The measured outcome against the parent's, in words."""
    outcome, parent = experiment.outcome, experiment.parent
    said = f"failed ({outcome.kind})" if isinstance(outcome, Failure) else f"fitness {outcome.fitness:.8g}"
    if parent is None or parent.fitness is None:
        return f"{said}; no scored parent"
    return f"{said} against {parent.fitness:.8g} of {parent.id}"


def _maker(lesson: Lesson) -> str:
    return " (by rules)" if lesson.made_by == "rules" else ""


def _in_words(lesson: Lesson) -> str:
    """A lesson as the stored report tells it; what a claim's opposite lost is not told again."""
    return f"{lesson.claim} ({lesson.condition})" if lesson.condition else lesson.claim


#: Words that cognition items use as triggers, by what went wrong.
_SYMPTOMS: Mapping[FailureKind, tuple[str, ...]] = {
    FailureKind.SYNTAX: ("syntax error",),
    FailureKind.CHECK: ("failed check", "breaks the program contract"),
    FailureKind.CRASH: ("crash", "exception", "runtime error"),
    FailureKind.CPU_TIME: ("cpu_time", "timeout", "limit reached", "too slow"),
    FailureKind.IDLE: ("timeout", "no answer", "stuck", "sleeping"),
    FailureKind.MEMORY: ("out of memory",),
    FailureKind.PROCESSES: ("too many processes",),
    FailureKind.DISK: ("disk limit",),
    FailureKind.OUTPUT: ("too much output",),
    FailureKind.INVALID: ("invalid", "infeasible", "constraint violated"),
    FailureKind.CHEATING: ("cheating",),
    FailureKind.UNUSABLE: ("unusable proposal",),
    FailureKind.DUPLICATE: ("duplicate", "low diversity"),
    FailureKind.NOVELTY: ("not novel", "low diversity"),
    FailureKind.REVIEW: ("refused by the reviewer",),
}


def symptoms(experiment: AnalysisInput) -> tuple[str, ...]:
    """What the result shows, in the words that recall cognition items."""
    outcome = experiment.outcome
    if isinstance(outcome, Failure):
        raised = re.findall(r"\b[A-Z]\w*(?:Error|Exception)\b", outcome.trace or outcome.reason)
        return (*_SYMPTOMS[outcome.kind], *raised[-1:])
    found: list[str] = []
    if experiment.best is None or _gain(experiment, experiment.best) > 0:
        found.append("new best")
    if experiment.parent is not None and experiment.parent.fitness is not None:
        found += _progress(_gain(experiment, experiment.parent), experiment.parent.fitness, outcome.standard_error)
    return tuple(found)


def _progress(gain: float, parent_fitness: float, standard_error: float | None) -> tuple[str, ...]:
    # Within one standard error, or a millionth where fitness is exact, nothing has changed.
    noise = standard_error if standard_error is not None else 1e-6 * max(1.0, abs(parent_fitness))
    if gain > noise:
        return ("improvement",)
    if gain < -noise:
        return ("regression", "worse than the parent")
    return ("plateau", "no improvement", "stagnation")


def _gain(experiment: AnalysisInput, other: Candidate) -> float:
    outcome = experiment.outcome
    if isinstance(outcome, Failure) or other.fitness is None:
        return float("nan")
    return outcome.fitness - other.fitness


def _outcome_line(experiment: AnalysisInput) -> str:
    outcome = experiment.outcome
    if isinstance(outcome, Failure):
        tail = " ".join(outcome.trace.strip().splitlines()[-1:])
        return f"Failed ({outcome.kind}): {shorten(outcome.reason, 1_000)}" + (f" [{tail[:300]}]" if tail else "")
    error = "" if outcome.standard_error is None else f" (standard error {outcome.standard_error:.3g})"
    return f"Fitness {outcome.fitness:.8g}{error}; primary metric: {experiment.metric}."


def _comparison_lines(experiment: AnalysisInput) -> list[str]:
    others = (
        ("parent", experiment.parent),
        ("best of those it was made beside", experiment.best_parent),
        ("baseline", experiment.baseline),
        ("best so far", experiment.best),
    )
    return [_against(experiment, name, other) for name, other in others if other is not None]


def _against(experiment: AnalysisInput, name: str, other: Candidate) -> str:
    if isinstance(experiment.outcome, Failure):
        return f"The {name} ({other.id}) scored {other.fitness:.8g}." if other.fitness is not None else ""
    if other.fitness is None:
        return f"The {name} ({other.id}) has no score to compare with."
    line = f"Against the {name} ({other.id}): fitness {_gain(experiment, other):+.6g}"
    changes = [
        f"{metric} {other.metrics[metric]:.6g} -> {value:.6g}"
        for metric, value in experiment.metrics.items()
        if metric in other.metrics and value != other.metrics[metric]
    ]
    return line + (f"; {', '.join(changes[:10])}." if changes else "; same metrics.")


def _trace(outcome: Outcome) -> str:
    return outcome.trace if isinstance(outcome, Failure) else ""
