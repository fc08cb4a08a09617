"""Opens a campaign's engine once per process and hands it to every step.

Steps receive settings, not live objects, so that a retry in another process works the same; this is where settings
become live objects. `close_all` ends sandboxes and publishes what is left for MLflow.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass, field
from functools import lru_cache

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.samplers import make_sampler
from flows import budgets, registry
from flows.config import ConfigError, Settings
from flows.home import Home, open_home
from tasks.agents import ModelDebugger, ModelReviewer, OffDebugger, OffNovelty, OffReviewer, WordNovelty
from tasks.analyzer import Analyzer, ModelAnalyzer, RuleAnalyzer
from tasks.asking_models import LoopAsker
from tasks.codec import fingerprint
from tasks.contract import AsksModels, Domain
from tasks.embedding import Embedder
from tasks.engine import Engine
from tasks.llm import Budget, BudgetLimits, Model, Rates, Role
from tasks.proposal import Proposer
from tasks.recombine import RandomCombination, Recombine
from tasks.researcher import OpenAIResearcher
from tasks.sandbox import Pool, open_sandbox
from tasks.sandbox.leftovers import own
from tasks.tracking import Publisher, open_tracker


@dataclass(slots=True)
class _Opened:
    engine: Engine
    publisher: Publisher | None
    model: Model | None
    budget: Budget | None


@dataclass(slots=True)
class _Process:
    """What this process has open."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    engines: dict[str, _Opened] = field(default_factory=dict)
    sandboxes: dict[str, Pool] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)  # one for all campaigns: their servers are the same


_process = _Process()


def engine_for(settings: Settings) -> Engine:
    """The engine of these settings, opened at first use. Raises ConfigError, SandboxUnavailable, ArchiveError."""
    key = fingerprint(settings)
    _close_at_exit()
    with _process.lock:
        if key not in _process.engines:
            _process.engines[key] = _open(settings, open_home())
        return _process.engines[key].engine


def budget_of(settings: Settings) -> Budget | None:
    """The budget that this process's model calls reserve from; None if no model is configured."""
    engine_for(settings)
    return _process.engines[fingerprint(settings)].budget


async def close_all(timeout_s: float = 60.0) -> int:
    """Close what this process has open; returns how many publications are still waiting for MLflow."""
    waiting = 0
    with _process.lock:
        for opened in _process.engines.values():
            if opened.model is not None:
                await opened.model.aclose()
            if opened.publisher is not None:
                waiting += opened.publisher.close(timeout_s)
            opened.engine.archive.close()
        for sandbox in _process.sandboxes.values():
            sandbox.close()
        _process.engines.clear()
        _process.sandboxes.clear()
    return waiting


@lru_cache(maxsize=1)
def _close_at_exit() -> None:
    """A worker runs one flow per process and nobody closes what it opened; `close_all` leaves nothing to do here."""
    atexit.register(_publish_and_close)


def _publish_and_close() -> None:
    for opened in _process.engines.values():
        if opened.publisher is not None:
            opened.publisher.close(timeout_s=30.0)
    kill_sandboxes()


def kill_sandboxes() -> None:
    """End every sandbox at once: the second Ctrl-C."""
    for sandbox in list(_process.sandboxes.values()):
        sandbox.close()


def _open(settings: Settings, home: Home) -> _Opened:
    domain = registry.load(settings.problem, settings.options)
    if settings.evaluate.rung not in domain.rungs:
        raise ConfigError(
            f"evaluate.rung: {settings.problem} has {', '.join(domain.rungs)}, not {settings.evaluate.rung}"
        )
    if unknown := sorted(set(settings.approval.rungs) - set(domain.rungs)):
        raise ConfigError(f"approval.rungs: {settings.problem} has {', '.join(domain.rungs)}, not {', '.join(unknown)}")
    archive = Archive.open(home.archive_url)
    brief = domain.brief()
    items = ItemStore(archive)
    items.add_missing(brief.items)
    budget = _budget(settings, archive)
    model = _model(settings, archive, budget)
    if model is not None and isinstance(domain, AsksModels):
        domain.use_models(LoopAsker(model, frozenset(settings.models)))
    engine = Engine(
        campaign=settings.name,
        seed=settings.seed,
        domain=domain,
        brief=brief,
        archive=archive,
        items=items,
        sampler=make_sampler(settings.sampler),
        sandbox=_sandbox(settings, home, domain),
        proposer=_proposer(settings, domain, model),
        analyzer=_analyzer(settings, model),
        reviewer=ModelReviewer(_need(model, "reviewer")) if settings.check.reviewer == "model" else OffReviewer(),
        novelty=WordNovelty() if settings.check.novelty == "words" else OffNovelty(),
        debugger=ModelDebugger(_need(model, "debugger")) if settings.check.debugger == "model" else OffDebugger(),
        artefact_root=home.artefact_root,
        retrieve=settings.retrieve,
        propose=settings.propose,
        check=settings.check,
        evaluate=settings.evaluate,
        embedder=Embedder(settings.retrieve.embedding) if settings.retrieve.embedding else None,
    )
    return _Opened(engine, _publisher(settings, archive, home), model, budget)


def _publisher(settings: Settings, archive: Archive, home: Home) -> Publisher | None:
    if not settings.tracking.enabled:
        return None
    publisher = Publisher(archive, lambda: open_tracker(home.tracking_uri, home.mlflow_artefacts))
    publisher.start()
    return publisher


def _sandbox(settings: Settings, home: Home, domain: Domain) -> Pool:
    """One sandbox per process and kind: zygotes cost seconds."""
    wanted = settings.sandbox
    key = fingerprint(wanted, settings.workers, domain.preload)
    if key not in _process.sandboxes:
        tier = None if wanted.tier == "auto" else wanted.tier
        _process.sandboxes[key] = open_sandbox(
            own(home.scratch),
            tier=tier,
            unsafe=wanted.unsafe_no_sandbox,
            zygotes=settings.workers,
            preload=domain.preload,
        )
    return _process.sandboxes[key]


def _budget(settings: Settings, archive: Archive) -> Budget | None:
    """The budget of model calls, if any role has a model; it starts from what the campaign has spent."""
    if not settings.models:
        return None
    limits = BudgetLimits(dollars=settings.limits.max_usd)
    return Budget(limits, budgets.spent_before(archive, settings), budgets.book_of(archive, settings))


def _model(settings: Settings, archive: Archive, budget: Budget | None) -> Model | None:
    if budget is None:
        return None
    _process.rates.adopt(settings.rate)
    try:
        return Model(settings.models, archive, budget, rates=_process.rates)
    except ValueError as error:  # a budget in dollars for a model whose price nobody gave
        raise ConfigError(f"limits.max_usd: {error}") from None


def _need(model: Model | None, role: Role) -> Model:
    if model is None:
        raise ConfigError(f"a model for the {role} is asked for: add a section [models.{role}] with its name")
    model.settings_of(role)
    return model


def _proposer(settings: Settings, domain: Domain, model: Model | None) -> Proposer:
    if settings.propose.kind == "openai":
        return OpenAIResearcher(_need(model, "researcher"), settings.researcher)
    if domain.brief().template is None:
        raise ConfigError(f'{domain.name} has no blocks to recombine: set propose.kind = "openai" and a model')
    return Recombine(settings.recombine) if settings.propose.kind == "recombine" else RandomCombination()


def _analyzer(settings: Settings, model: Model | None) -> Analyzer:
    if settings.analyze.kind == "model":
        return ModelAnalyzer(_need(model, "analyzer"))
    return RuleAnalyzer()
