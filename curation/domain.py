"""Curation: evolve strategies that clean pre-training data (paper, section 4.2), at the scale of a laptop.

`train` cleans the sampled documents inside the sandbox; `benchmark` judges the result outside, against a truth that
never enters the sandbox. Fitness is the F1 of kept tokens on the development families of noise. The hidden families
(`examine`) are no rung, so that no campaign can be scored on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from curation import discovery, knowledge, referee, rules
from curation.cleaning import Allowance, Cleaned, Fault, Source, add, stock_steps, wall_s
from curation.corpus import build
from curation.corpus.build import Chosen, Corpus
from curation.corpus.real_data import corpus as real_corpus
from curation.evaluation import evaluate
from curation.inside.adapter import ALLOWED
from curation.labels import Category, Quality
from curation.measure import novel
from curation.measure.judge import Judge, RuleJudge
from curation.measure.model_judge import ROLE, ModelJudge
from curation.scale.sources import HUB, SourceSettings
from curation.strategy import MOST_STEPS, PLACEHOLDERS, STOCK, StockStep
from tasks.contract import (
    DISCOVERED,
    JSON,
    Asker,
    BaseDomain,
    Brief,
    Cost,
    Failure,
    FailureKind,
    Issue,
    Lesson,
    MachineFault,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
)

HERE = Path(__file__).parent
CLEANED, PAIRS = "cleaned.json", "pairs.json"
SAMPLE = 60  # documents that are cleaned again, in another order
SHOWN_PAIRS = 30
JOBS = 3  # all documents, a sample in another order, the sample's results once more
START_UP_S = 30.0


class CurationOptions(BaseModel):
    """What can be chosen about the problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: int = Field(500, ge=20, le=1500, description="Documents to clean (paper: 500)")
    corpus_seed: int = Field(0, ge=0, description="Which documents, with which noise")
    cpu_s: float = Field(60.0, gt=0, le=3600, description="CPU seconds for all documents together")
    document_cpu_s: float = Field(2.0, gt=0, le=60, description="CPU seconds for one document")
    memory_mb: int = Field(1024, ge=128, description="Memory of a strategy")
    category: Category | None = Field(None, description="Only documents of this category")
    quality: Quality | None = Field(None, description="Only documents of this quality")
    source: SourceSettings | str | None = Field(
        None, description="Real documents: a table with root and pattern, or a name; none: the offline corpus"
    )

    @field_validator("source")
    @classmethod
    def _known(cls, source: SourceSettings | str | None) -> SourceSettings | None:
        if isinstance(source, str):
            if source not in HUB:
                raise ValueError(f"there is no source {source!r}: expected {', '.join(HUB)}, or a table with root")
            return HUB[source]
        return source

    @property
    def chosen(self) -> Chosen:
        """Which documents."""
        return Chosen(self.category, self.quality)

    @property
    def allowance(self) -> Allowance:
        """What a strategy may use."""
        return Allowance(self.document_cpu_s, self.cpu_s, self.memory_mb)


class Curation(BaseDomain):
    """The domain `curation`."""

    Options = CurationOptions
    name: ClassVar[str] = "curation"
    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = ("explore",)
    preload: ClassVar[tuple[str, ...]] = ("html", "json", "unicodedata", "dataclasses", "statistics", "textwrap")

    def __init__(self, options: CurationOptions | None = None) -> None:
        self.options = options or CurationOptions()
        self._asker: Asker | None = None
        self._judge: Judge = RuleJudge()

    def use_models(self, asker: Asker) -> None:
        """A judge among the campaign's models examines samples and judges pairs in place of the rules."""
        if asker.serves(ROLE):
            self._asker, self._judge = asker, ModelJudge(asker)

    def observed(self, measurements: Measurements) -> tuple[Lesson, ...]:
        """New issues that showed while the candidate was judged, with the documents as evidence."""
        if "observed" not in measurements.breakdown:  # measured by an earlier version
            return ()
        return tuple(novel.lesson(self.name, each) for each in measurements.breakdown["observed"])

    def brief(self) -> Brief:
        """The problem in words, with its seed program, cognition and block template."""
        return Brief(
            goal=goal_text(self.options),
            program_contract=contract_text(self.options),
            seed_program=(HERE / "seed_program.py").read_text(encoding="utf-8"),
            items=knowledge.items(),
            prompt_notes=NOTES,
            template=knowledge.template(),
            metric="f1",
            best_known=None,
        )

    def needs(self, step: Step, rung: str) -> Needs:
        """No GPU; cleaning is three jobs that may take their wall limits, measuring takes seconds."""
        return Needs(wall_s=JOBS * wall_s(self.options.allowance) + START_UP_S if step == "train" else START_UP_S)

    def prepare(self, workspace: Workspace) -> None:
        """Build the corpus, look at samples of it, and leave what was found as cognition items (`items.json`)."""
        corpus = self.development()
        if not workspace.exists(DISCOVERED):
            found = discovery.items(corpus.documents)
            if self._asker is not None:
                found += discovery.by_model(corpus.documents, self._asker)
            workspace.write(DISCOVERED, discovery.as_json(found))

    def check(self, code: str) -> list[Issue]:
        """Signature, imports, names, stock steps."""
        return rules.issues(code)

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Clean the documents, some of them twice. A retry runs it again: it takes seconds."""
        return self._clean(code, self.development(), seed, sandbox, workspace)

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Referee and measures over what `train` left."""
        return self._measure(self.development(), trained, seed, workspace)

    def examine(self, code: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Measurements | Failure:
        """A finalist on the hidden families. Once per finalist, and nothing of it goes back into a campaign."""
        corpus = build.test(self.options.documents, self.options.corpus_seed, self.options.chosen)
        trained = self._clean(code, corpus, seed, sandbox, workspace)
        return trained if isinstance(trained, Failure) else self._measure(corpus, trained, seed, workspace)

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The mean F1. Its standard error is over documents; seeds share them and do not make it smaller."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        corpora = {str(each.breakdown["corpus"]) for each in (*evaluations, *(baseline or ()))}
        if len(corpora) > 1:
            raise MachineFault(f"measured on different corpora ({', '.join(sorted(corpora))}): other packages here?")
        count = len(evaluations)
        mean = sum(each.metrics["f1"] for each in evaluations) / count
        return Score(mean, sum(each.metrics["f1_se"] for each in evaluations) / count, count)

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """How much is kept, and how much of what was kept is right."""
        metrics = measurements.metrics
        return {"retention": min(1.0, metrics["retention"]), "precision": metrics["precision"]}

    def development(self) -> Corpus:
        """The corpus that fitness is measured on, from the cache."""
        options = self.options
        if isinstance(options.source, SourceSettings):
            return real_corpus(options.source, options.documents, options.corpus_seed, options.chosen)
        return build.development(options.documents, options.corpus_seed, options.chosen)

    def _clean(self, code: str, corpus: Corpus, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        steps = stock_steps(code, sandbox)
        if isinstance(steps, Failure):
            return steps
        sources = [Source(doc.text, {"category": doc.category, "quality": doc.quality}) for doc in corpus.documents]
        first = self._run(code, steps, sources, sandbox)
        if isinstance(first, Failure):
            return first
        cleaned, cost = first
        second = self._again(code, steps, sources, cleaned, seed, sandbox)
        if isinstance(second, Failure):
            return second
        stable, more = second
        cost = add(cost, more)
        content = {"cleaned": [_plain(each) for each in cleaned], "stable": stable}
        artefact = workspace.write(CLEANED, json.dumps(content).encode())
        return Trained((artefact,), {"cpu_s": cost.cpu_s, "stable": stable}, "", cost)

    def _run(
        self, code: str, steps: Sequence[StockStep], sources: Sequence[Source], sandbox: Sandbox
    ) -> tuple[list[Cleaned], Cost] | Failure:
        try:
            from curation.pipeline import BatchSize, run_in_memory
        except ImportError as error:
            raise MachineFault(f"curation needs a package: {error}. pip install 'nightshift[curation]'") from error
        return run_in_memory(code, steps, sources, sandbox, self.options.allowance, BatchSize())

    def _again(
        self,
        code: str,
        steps: Sequence[StockStep],
        sources: Sequence[Source],
        cleaned: Sequence[Cleaned],
        seed: int,
        sandbox: Sandbox,
    ) -> tuple[float, Cost] | Failure:
        """A sample in another order has to come out the same; and the share that a second cleaning leaves alone."""
        order = Random(seed).sample(range(len(sources)), min(SAMPLE, len(sources)))
        done = self._run(code, steps, [sources[at] for at in order], sandbox)
        if isinstance(done, Failure):
            return done
        # Whoever fails only now would hide that the text differs.
        if not any(isinstance(each, Fault) for each in cleaned) and (refused := referee.faults(done[0])):
            return refused
        for at, text in zip(order, done[0], strict=True):
            if text != cleaned[at] and not isinstance(cleaned[at], Fault):
                reason = f"document {at} comes out otherwise in another order: the strategy keeps state, or draws lots"
                return Failure(FailureKind.INVALID, reason)
        kept = [(at, text) for at in order if isinstance(text := cleaned[at], str)]
        twice = self._run(code, (), [Source(text, sources[at].metadata) for at, text in kept], sandbox)
        if isinstance(twice, Failure):
            return twice
        same = sum(once == again for (_, once), again in zip(kept, twice[0], strict=True))
        return same / max(1, len(kept)), add(done[1], twice[1])

    def _measure(self, corpus: Corpus, trained: Trained, seed: int, workspace: Workspace) -> Measurements | Failure:
        content = json.loads(workspace.read(trained.artefact(CLEANED).name))
        cleaned = [_unplain(entry) for entry in content["cleaned"]]
        originals = [document.text for document in corpus.documents]
        refused = referee.refuse(originals, cleaned)
        if refused is not None:
            return refused
        texts = [text if isinstance(text, str) else None for text in cleaned]
        report = evaluate(corpus, texts, seed, self._judge)
        shown = [{"original": originals[at], "cleaned": texts[at]} for at in report.verdict.chosen[:SHOWN_PAIRS]]
        pairs = workspace.write(PAIRS, json.dumps(shown, ensure_ascii=False, indent=1).encode())
        return Measurements(
            metrics={**report.metrics, "executability": content["stable"], "cpu_s": trained.cost.cpu_s},
            breakdown=report.breakdown,
            logs=trained.logs,
            cost=trained.cost,
            artefacts=(*trained.artefacts, pairs),
        )


def goal_text(options: CurationOptions) -> str:
    """The goal, with the kind of documents and what F1 is measured on."""
    labels = [f"{options.quality} quality"] if options.quality else []
    labels += [f"the category {options.category.replace('_', ' ')}"] if options.category else []
    kind = f" All documents are of {' and of '.join(labels)}." if labels else ""
    real = " Real documents have known passages among their lines, and tokens are compared on these."
    return GOAL.format(documents=options.documents) + kind + (real if options.source else "")


def contract_text(options: CurationOptions) -> str:
    """The program contract, with the stock steps and their thresholds."""
    stock = "\n".join(f"  {name}({', '.join(entry.thresholds)})" for name, entry in STOCK.items())
    return PROGRAM_CONTRACT.format(
        cpu_s=options.cpu_s,
        document_cpu_s=options.document_cpu_s,
        placeholders=" ".join(PLACEHOLDERS),
        steps=MOST_STEPS,
        stock=stock,
        modules=", ".join(ALLOWED),
    )


def _plain(text: Cleaned) -> JSON:
    return {"kind": text.kind, "message": text.message} if isinstance(text, Fault) else text


def _unplain(entry: Any) -> Cleaned:
    return Fault(entry["kind"], entry["message"]) if isinstance(entry, dict) else entry


GOAL = (
    "Write a strategy that cleans documents of a technical web corpus for pre-training a language model: remove what "
    "no reader came for, keep all of the text. {documents} documents are cleaned, and the kept tokens are compared "
    "with a clean version that you do not see."
)
PROGRAM_CONTRACT = """\
Define `clean(text: str, metadata: dict) -> str | None`: the cleaned text, or None to drop the document.
- Pure: it depends on its document alone. Documents come in any order; a sample is cleaned again in another order.
- It removes, repairs and normalises. It never reorders, adds, invents or merges text. Private data may be replaced by
  one of {placeholders}, which the measures look through.
- metadata holds `category` (mathematics, computer_science, other_stem, ...) and `quality` (high, low).
- {document_cpu_s:g} CPU seconds for one document, {cpu_s:g} for all of them. No files, no network, no state.
- Only these modules of Python: {modules}.
- No name in a string reaches an attribute: no str.format (f-strings do), operator.attrgetter, functools.wraps.
- Optional: `STEPS`, a literal list of at most {steps} pairs [name, {{threshold: value}}], stock steps of Datatrove
  that run before clean(). Names and thresholds:
{stock}
"""
NOTES = (
    "What good strategies share (paper, section 4.2): targeted removal of noise, normalisation of format, and rules "
    "that preserve what the domain needs (code, formulas, tables, citations, dosages); measurable thresholds; explicit "
    "care against deleting too much. The judge's score is of a rule judge, no model."
)
