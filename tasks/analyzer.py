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

from cognition.records import JSON, Candidate, Failure, FailureKind, Outcome
from tasks.llm import Message, Model
from tasks.prompts import CHARS_PER_TOKEN, Fence, render, shorten

MAX_REPORT_CHARS = 4_000
MAX_LESSONS = 5
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
    best: Candidate | None = None
    baseline: Candidate | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """A report with the symptoms that recall cognition items, and lessons worth keeping."""

    report: str
    symptoms: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it as the bounded text that is stored with the candidate."""
        parts = [self.report]
        if self.symptoms:
            parts.append("Symptoms: " + "; ".join(self.symptoms))
        parts += [f"Lesson: {lesson}" for lesson in self.lessons]
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


class AnalyzerAnswer(BaseModel):
    """What a model answers."""

    report: str = Field(
        description="Compact and decision-oriented, at most 250 words: what worked, what did not, why, what to try next"
    )
    symptoms: list[str] = Field(
        default=[], description="At most 6 short phrases naming what the results show, such as: plateau, out of time"
    )
    lessons: list[str] = Field(
        default=[], description="At most 3 general lessons that hold beyond this program, only if the evidence is clear"
    )


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
            tuple(shorten(lesson, 400) for lesson in value.lessons[:MAX_LESSONS]),
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
    )
    return [Message("system", render("analyzer_system.j2")), Message("user", user)]


def _fallback(experiment: AnalysisInput, reason: str) -> Analysis:
    rules = rule_analysis(experiment)
    return Analysis(f"The analyzer model gave no usable answer ({reason}). {rules.report}", rules.symptoms)


def rule_analysis(experiment: AnalysisInput) -> Analysis:
    """The report that needs no model. Pure."""
    lines = ["Report by rules; no model was involved.", _outcome_line(experiment)]
    lines += _comparison_lines(experiment)
    return Analysis("\n".join(line for line in lines if line), symptoms(experiment))


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
    others = (("parent", experiment.parent), ("baseline", experiment.baseline), ("best so far", experiment.best))
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
