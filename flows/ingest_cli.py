"""`nightshift cognition add ...`: reads sources into the cognition base, with a progress bar, a budget and a report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cognition.archive import Archive
from cognition.ingest.apart import ReadLimits
from cognition.ingest.documents import Document, chunks
from cognition.ingest.fetch import FetchRules
from cognition.ingest.sources import Reader
from cognition.items import ItemStore
from flows import config, ingest, registry
from flows.config import ConfigError, Settings
from flows.home import open_home
from flows.ingest import Job, Outcome, Told
from flows.output import JsonFlag, console, errors, print_json
from flows.terminal import safe
from flows.units import usd
from tasks.llm import Budget, BudgetLimits, Model, Rates, Role


def add(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="arXiv ids, addresses, PDF, Markdown or HTML files, folders, .bib lists"
        ),
    ],
    domain: Annotated[str, typer.Option(help="The problem that the items are for")],
    campaign: Annotated[
        str | None, typer.Option(help="A TOML file whose [models.librarian], [rate] and limits.max_usd are used")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, e.g. models.librarian.model=gpt-5-mini")
    ] = None,
    max_usd: Annotated[float | None, typer.Option(min=0.0, help="Spend at most this much in this run")] = None,
    tries: Annotated[int, typer.Option(min=1, max=5, help="Questions per chunk until an answer is usable")] = 2,
    plain: Annotated[bool, typer.Option(help="Cut out plain excerpts, without a model")] = False,
    offline: Annotated[bool, typer.Option(help="No network: files only, plain excerpts")] = False,
    max_pages: Annotated[int, typer.Option(min=1, help="Refuse PDFs with more pages")] = 200,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A host of your own network that may be read from")
    ] = None,
    arxiv_url: Annotated[str, typer.Option(help="Where arXiv, or a mirror of it, is")] = "https://arxiv.org",
    as_json: JsonFlag = False,
) -> None:
    """Read sources into the cognition base. A run that was interrupted is repeated: nothing is paid for twice."""
    settings = config.load(campaign or domain, config.parse_assignments(set_ or []))
    name = registry.resolved(domain)
    problem = registry.load(name, settings.options if settings.problem == name else {})
    rules = None if offline else FetchRules(private_hosts=frozenset(allow_host or ()), arxiv_url=arxiv_url.rstrip("/"))
    reader = Reader(rules, ReadLimits(max_pages=max_pages))
    with Archive.open(open_home().archive_url) as archive:
        budget = Budget(BudgetLimits(dollars=settings.limits.max_usd if max_usd is None else max_usd))
        model = None if plain or offline else _librarian(settings, archive, budget)
        job = Job(ItemStore(archive), problem.name, problem.brief().goal, model, budget, tries)
        outcome = asyncio.run(_added(job, reader, sources))
    _present(outcome, as_json)
    if not outcome.is_complete:
        raise typer.Exit(1)


def _librarian(settings: Settings, archive: Archive, budget: Budget) -> Model | None:
    """The model of the role, with the budget that it reserves from; None if no model is set. Raises ConfigError."""
    role: Role = "librarian"
    if role not in settings.models:
        return None
    rates = Rates()
    rates.adopt(settings.rate)
    try:
        return Model({role: settings.models[role]}, archive, budget, rates=rates)
    except ValueError as error:
        raise ConfigError(f"--max-usd: {error}") from None


async def _added(job: Job, reader: Reader, named: list[str]) -> Outcome:
    try:
        with _progress() as progress:
            documents, refused = _read(reader, named, progress)
            _announce(job, documents)
            task = progress.add_task("extracting", total=sum(len(chunks(one.parts)) for one in documents), cost="")

            def advance(done: int, dollars: float) -> None:
                progress.update(task, advance=done, cost=f"{usd(dollars)} spent" if job.model else "no model")

            outcome = await ingest.work(replace(job, advance=advance), documents)
    finally:
        if job.model is not None:
            await job.model.aclose()
    return replace(outcome, sources=(*outcome.sources, *refused))


def _read(reader: Reader, named: list[str], progress: Progress) -> tuple[list[Document], list[Told]]:
    sources, refused = ingest.found(named)
    documents, task = list[Document](), progress.add_task("reading", total=len(sources), cost="")
    for source in sources:
        found = ingest.read(reader, source)
        if isinstance(found, Document):
            documents.append(found)
        else:
            refused.append(found)
        progress.update(task, advance=1)
    return documents, refused


def _announce(job: Job, documents: list[Document]) -> None:
    if job.model is None:
        why = "no librarian is set ([models.librarian]), or it was not wanted"
        errors.print(f"plain excerpts, without a model: {why}; they are marked as excerpts", soft_wrap=True)
        return
    count, worst = sum(len(chunks(one.parts)) for one in documents), ingest.worst_usd(documents, job.model)
    price = "price unknown" if worst is None else f"at most {usd(worst)} if each is asked once"
    errors.print(f"{count} chunks of {len(documents)} sources: {price}; chunks that were paid for cost nothing")


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[cost]}"), console=errors) as progress:
        yield progress


def _present(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json(_report(outcome))
        return
    for told in outcome.sources:
        console.print(safe(_sentence(told)), soft_wrap=True)
        for name, reason in (*told.quarantined, *((f"{told.name}, {place}", why) for place, why in told.failed)):
            console.print(safe(f"  {name}: {reason}"), soft_wrap=True)
    paid = f"{outcome.calls} calls, {usd(outcome.dollars)}" if outcome.calls else "nothing was spent"
    console.print(f"librarian: {safe(outcome.librarian)}; {paid}", soft_wrap=True)
    if outcome.stopped:
        console.print(safe(f"stopped: {outcome.stopped} The same command goes on where it stopped"), soft_wrap=True)


def _report(outcome: Outcome) -> dict[str, Any]:
    return {**asdict(outcome), "is_complete": outcome.is_complete}


def _sentence(told: Told) -> str:
    if told.refused:
        return f"{told.name}: refused: {told.refused}"
    counts = {
        "new": len(told.new),
        "known already": len(told.twins) + told.unchanged,
        "quarantined": len(told.quarantined),
        "chunks without a usable answer": len(told.failed),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "new")
    return f"{told.name} ({told.chunks} chunks): {said}"
