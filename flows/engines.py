"""Opens a campaign's engine once per process and hands it to every step.

Steps receive settings, not live objects, so that a retry in another process works the same; this is where settings
become live objects. `close_all` ends sandboxes and publishes what is left for MLflow.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.records import Item
from cognition.samplers import make_sampler
from flows import budgets, measure, registry
from flows.config import ConfigError, Settings
from flows.home import Home, open_home
from tasks.agents import (
    Judge,
    ModelDebugger,
    ModelReviewer,
    Novelty,
    OffDebugger,
    OffJudge,
    OffNovelty,
    OffReviewer,
    Reviewer,
    RuleReviewer,
    WordNovelty,
)
from tasks.analyzer import Analyzer, ModelAnalyzer, OffAnalyzer, RuleAnalyzer
from tasks.asking_models import LoopAsker
from tasks.check import static_faults
from tasks.codec import fingerprint
from tasks.contract import AsksModels, Domain
from tasks.embedding import Embedder
from tasks.engine import Engine
from tasks.judge import ModelJudge
from tasks.llm import Budget, BudgetLimits, Model, Rates, Role
from tasks.novelty import ModelNovelty
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
    models: tuple[Model, ...]
    budget: Budget | None


@dataclass(frozen=True, slots=True)
class World:
    """What a replay puts in place of the archive and the cognition base; then no model is asked, and none embeds."""

    archive: Archive
    items: ItemStore


@dataclass(slots=True)
class _Process:
    """What this process has open."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    engines: dict[str, _Opened] = field(default_factory=dict)
    sandboxes: dict[str, Pool] = field(default_factory=dict)
    candidates_at_once: int = 1  # of all campaigns together, where several run in one process
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


def engine_in(settings: Settings, world: World) -> Engine:
    """The engine of these settings in a world of its own; `engine_for` gives it from now on. Raises like that."""
    _close_at_exit()
    with _process.lock:
        opened = _process.engines[fingerprint(settings)] = _open(settings, open_home(), world)
    return opened.engine


def budget_of(settings: Settings) -> Budget | None:
    """The budget that this process's model calls reserve from; None if no model is configured."""
    engine_for(settings)
    return _process.engines[fingerprint(settings)].budget


def expect(candidates_at_once: int) -> None:
    """Several campaigns will run in this process at the same time: sandboxes opened from now on hold that many."""
    _process.candidates_at_once = candidates_at_once


async def close_all(timeout_s: float = 60.0) -> int:
    """Close what this process has open; returns how many publications are still waiting for MLflow."""
    waiting = 0
    with _process.lock:
        for opened in _process.engines.values():
            for model in opened.models:
                await model.aclose()
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


def _open(settings: Settings, home: Home, world: World | None = None) -> _Opened:
    domain = registry.load(settings.problem, settings.options)
    if settings.evaluate.rung not in domain.rungs:
        raise ConfigError(
            f"evaluate.rung: {settings.problem} has {', '.join(domain.rungs)}, not {settings.evaluate.rung}"
        )
    if unknown := sorted(set(settings.approval.rungs) - set(domain.rungs)):
        raise ConfigError(f"approval.rungs: {settings.problem} has {', '.join(domain.rungs)}, not {', '.join(unknown)}")
    cognition = domain.name if settings.retrieve.cognition == "shared" else f"{domain.name}@{settings.name}"
    archive = Archive.open(home.archive_url) if world is None else world.archive
    if world is None:
        measure.refuse_changed(archive, settings, domain)
    brief = domain.brief()
    items = ItemStore(archive) if world is None else world.items
    items.add_missing(brief.items if cognition == domain.name else own_copies(brief.items, cognition))
    budget = _budget(settings, archive) if world is None else None
    model = _model(settings, archive, budget) if world is None else _recorded(settings, archive)
    others = _other_researchers(settings, archive, budget, recorded=world is not None)
    if model is not None and isinstance(domain, AsksModels):
        domain.use_models(LoopAsker(model, frozenset(settings.models)))
    sandbox = _sandbox(settings, home, domain)
    embedder = Embedder(settings.retrieve.embedding) if settings.retrieve.embedding and world is None else None
    engine = Engine(
        campaign=settings.name,
        seed=settings.seed,
        domain=domain,
        brief=brief,
        archive=archive,
        items=items,
        sampler=make_sampler(settings.sampler),
        sandbox=sandbox,
        proposer=_proposer(settings, domain, model, others),
        analyzer=_analyzer(settings, model),
        reviewer=_reviewer(settings, domain, sandbox, model),
        novelty=_novelty(settings, model, embedder),
        debugger=ModelDebugger(_need(model, "debugger")) if settings.check.debugger == "model" else OffDebugger(),
        artefact_root=home.artefact_root,
        retrieve=settings.retrieve,
        propose=settings.propose,
        check=settings.check,
        evaluate=settings.evaluate,
        cognition=cognition,
        embedder=embedder,
        judge=_judge(settings, model),
        judge_weight=_judge_weight(settings, domain),
        researchers=tuple(each.model for each in settings.researchers) if others else (),
        exploration=settings.researcher.exploration,
    )
    models = tuple(each for each in (model, *others.values()) if each is not None)
    publisher = _publisher(settings, archive, home) if world is None else None
    return _Opened(engine, publisher, models, budget)


def own_copies(items: tuple[Item, ...], cognition: str) -> tuple[Item, ...]:
    """The same items under ids and a domain of their own; the id does not show a model which campaign it is in."""
    mark = fingerprint(cognition)[:6]
    return tuple(replace(item, id=f"{item.id}-{mark}", domain=cognition) for item in items)


def _publisher(settings: Settings, archive: Archive, home: Home) -> Publisher | None:
    if not settings.tracking.enabled:
        return None
    publisher = Publisher(archive, lambda: open_tracker(home.tracking_uri, home.mlflow_artefacts))
    publisher.start()
    return publisher


def _sandbox(settings: Settings, home: Home, domain: Domain) -> Pool:
    """One sandbox per process and kind: zygotes cost seconds."""
    wanted = settings.sandbox
    zygotes = max(settings.workers, _process.candidates_at_once)
    key = fingerprint(wanted, zygotes, domain.preload)
    if key not in _process.sandboxes:
        tier = None if wanted.tier == "auto" else wanted.tier
        _process.sandboxes[key] = open_sandbox(
            own(home.scratch),
            tier=tier,
            unsafe=wanted.unsafe_no_sandbox,
            zygotes=zygotes,
            preload=domain.preload,
        )
    return _process.sandboxes[key]


def refuse_without_models(settings: Settings) -> None:
    """Say at once that a role which these settings ask for has no model. Raises ConfigError."""
    asked: tuple[tuple[bool, Role], ...] = (
        (settings.propose.kind == "openai", "researcher"),
        (settings.analyze.kind == "model", "analyzer"),
        (settings.check.reviewer == "model", "reviewer"),
        (settings.check.debugger == "model", "debugger"),
    )
    for is_asked, role in asked:
        if is_asked and role not in settings.models:
            raise ConfigError(f"a model for the {role} is asked for: add a section [models.{role}] with its name")


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


def _recorded(settings: Settings, archive: Archive) -> Model | None:
    """The models of a replay: what is not in the archive's ledger is an error, never a request."""
    return Model(settings.models, archive, replay_only=True) if settings.models else None


def _other_researchers(
    settings: Settings, archive: Archive, budget: Budget | None, *, recorded: bool
) -> dict[str, Model]:
    """One `Model` for each further Researcher, by name; they share the ledger, the budget and the rates."""
    role: Role = "researcher"
    if settings.propose.kind != "openai" or (budget is None and not recorded):
        return {}
    if recorded:
        return {each.model: Model({role: each}, archive, replay_only=True) for each in settings.more_researchers}
    try:
        return {
            each.model: Model({role: each}, archive, budget, rates=_process.rates) for each in settings.more_researchers
        }
    except ValueError as error:
        raise ConfigError(f"limits.max_usd: {error}") from None


def _reviewer(settings: Settings, domain: Domain, sandbox: Pool, model: Model | None) -> Reviewer:
    if settings.check.reviewer == "model":
        return ModelReviewer(_need(model, "reviewer"))
    if settings.check.reviewer == "rules":
        return RuleReviewer(partial(static_faults, domain, sandbox, settings.check.max_code_kb))
    return OffReviewer()


def _novelty(settings: Settings, model: Model | None, embedder: Embedder | None) -> Novelty:
    if settings.check.novelty == "model":
        return ModelNovelty(_need(model, "novelty"), embedder)
    return WordNovelty() if settings.check.novelty == "words" else OffNovelty()


def _judge_weight(settings: Settings, domain: Domain) -> float:
    """As set, or what decides among candidates nearer to each other than the domain's `tie`."""
    weight = settings.analyze.judge_weight
    return domain.tie / 2 if weight is None else weight


def _judge(settings: Settings, model: Model | None) -> Judge:
    return ModelJudge(_need(model, "judge")) if settings.analyze.judge == "model" else OffJudge()


def _need(model: Model | None, role: Role) -> Model:
    if model is None:
        raise ConfigError(f"a model for the {role} is asked for: add a section [models.{role}] with its name")
    model.settings_of(role)
    return model


def _proposer(settings: Settings, domain: Domain, model: Model | None, others: dict[str, Model]) -> Proposer:
    if settings.propose.kind == "openai":
        return OpenAIResearcher(_need(model, "researcher"), settings.researcher, others)
    if domain.brief().template is None:
        raise ConfigError(f'{domain.name} has no blocks to recombine: set propose.kind = "openai" and a model')
    return Recombine(settings.recombine) if settings.propose.kind == "recombine" else RandomCombination()


def _analyzer(settings: Settings, model: Model | None) -> Analyzer:
    if settings.analyze.kind == "model":
        return ModelAnalyzer(_need(model, "analyzer"))
    return OffAnalyzer() if settings.analyze.kind == "off" else RuleAnalyzer()
