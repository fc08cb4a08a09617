"""`nightshift cognition ...`: look at the cognition base, search it, carry it over, and take things out of it.

Nothing is deleted: what is pruned expires, and stays readable with `show`. What items say is untrusted text.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cognition.archive import Archive
from cognition.hostile import hostile
from cognition.item_writes import State
from cognition.items import Added, ItemStore, Kept
from cognition.lessons import IDLE_CANDIDATES, KIND
from cognition.transfer import dump_jsonl, load_jsonl
from flows import ingest_cli
from flows.home import open_home
from flows.output import JsonFlag, console, print_json
from flows.spending import known_usd
from flows.terminal import safe

app = typer.Typer(
    name="cognition", no_args_is_help=True, help="The cognition base: what is known, and what runs have taught."
)

app.command()(ingest_cli.add)

DomainOption = Annotated[str | None, typer.Option(help="Only items of this problem")]

_NO_ITEMS = "there are no items yet; a campaign brings its problem's, `add` and `import` bring others"
#: `prune --harmful` retires items whose shrunk uplift is below this, with so many rounds in both arms. Ours.
HARMFUL_UPLIFT, HARMFUL_ROUNDS = -0.05, 20


@app.command(name="list")
def list_(
    domain: DomainOption = None,
    every: Annotated[bool, typer.Option("--all", help="Expired and quarantined ones too")] = False,
    quarantined: Annotated[bool, typer.Option(help="Only those in quarantine, with the reason")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Items, oldest first."""
    wanted: State | None = "quarantined" if quarantined else None if every else "active"
    with _archive() as archive:
        kept = ItemStore(archive).kept_all(domain, wanted)
    if as_json:
        print_json([_report(each) for each in kept])
        return
    if quarantined and kept:
        for each in kept:
            console.print(f"[bold]{safe(each.item.id)}[/]  {safe(each.reason)}", soft_wrap=True)
            console.print(f"    {safe(each.item.insight[:300])}", soft_wrap=True)
        return
    table = Table("id", "state", "provenance", "for", "against", "uplift", "insight")
    for each in kept:
        standing = each.standing
        source = each.item.provenance + ("" if each.item.verified else " (unverified)")
        cells = (each.item.id, each.state, source, str(standing.supports), str(standing.contradicts))
        table.add_row(*map(safe, cells), _uplift(each), safe(each.item.insight[:100]))
    empty = "nothing is in quarantine" if quarantined else _NO_ITEMS
    console.print(table if kept else empty)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Symptoms, as an analysis would name them")],
    domain: Annotated[str, typer.Option(help="The problem whose items are searched")],
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="How many")] = 5,
    as_json: JsonFlag = False,
) -> None:
    """What a round would recall for these symptoms, by text alone."""
    with _archive() as archive:
        found = ItemStore(archive).recall(domain, query, k)
    if as_json:
        print_json([{"score": hit.score, "uplift": hit.uplift, "item": asdict(hit.item)} for hit in found])
        return
    for hit in found:
        console.print(f"{hit.score:.4f}  [bold]{safe(hit.item.id)}[/]  {safe(hit.item.insight)}", soft_wrap=True)
    if not found:
        console.print("nothing matches")


@app.command()
def show(
    item: Annotated[str, typer.Argument(help="An item's id")],
    version: Annotated[int | None, typer.Option(help="As it was at this version")] = None,
    as_json: JsonFlag = False,
) -> None:
    """One item with its standing, uplift and state."""
    with _archive() as archive:
        store = ItemStore(archive)
        report = _report(store.kept(item))
        if version is not None:
            report |= {"item": asdict(store.at_versions([(item, version)])[0]), "version": version}
    if as_json:
        print_json(report)
        return
    for name, value in (report.pop("item") | report).items():
        if value not in (None, "", ()):
            console.print(f"[bold]{name}[/]: {safe(str(value))}", soft_wrap=True)


@app.command()
def stats(as_json: JsonFlag = False) -> None:
    """How many items there are, of which kind, and what was measured about them."""
    with _archive() as archive:
        report = {**_stats(ItemStore(archive)), "ingestion": _ingestion(archive)}
    if as_json:
        print_json(report)
        return
    for name, value in report.items():
        console.print(f"[bold]{name}[/]: {safe(json.dumps(value))}", soft_wrap=True)


@app.command()
def prune(
    items: Annotated[list[str] | None, typer.Argument(metavar="[ITEM]...", help="Items to retire by hand")] = None,
    idle: Annotated[
        int, typer.Option(min=1, help="Retire lessons without new evidence for so many candidates")
    ] = IDLE_CANDIDATES,
    harmful: Annotated[bool, typer.Option(help="Retire items that were measured to do harm")] = False,
    vectors: Annotated[bool, typer.Option(help="Forget all vectors; they are made anew when needed")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take items out of recall. They stay readable, and new evidence brings a lesson back."""
    with _archive() as archive:
        store = ItemStore(archive)
        if items:
            store.get_many(items)  # a typo is an error
        report = {
            "by_hand": store.retire(items or [], "retired by hand"),
            "idle": sum(len(store.expire_idle(domain, idle)) for domain in {row[0] for row in store.states()}),
            "harmful": store.retire(_harmful(store), "measured to do harm") if harmful else 0,
            "vectors": store.drop_vectors() if vectors else 0,
        }
    if as_json:
        print_json(report)
    else:
        console.print(", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in report.items()))


@app.command()
def release(
    items: Annotated[list[str], typer.Argument(metavar="ITEM...", help="Items that you have looked at")],
    as_json: JsonFlag = False,
) -> None:
    """Take items out of quarantine, so that rounds recall them."""
    with _archive() as archive:
        store = ItemStore(archive)
        store.get_many(items)  # a typo is an error
        report = {"released": store.release(items)}
    if as_json:
        print_json(report)
    else:
        console.print(f"released: {report['released']}")


@app.command()
def export(
    out: Annotated[Path | None, typer.Argument(help="A file; printed if left out")] = None,
    domain: DomainOption = None,
    every: Annotated[bool, typer.Option("--all", help="Expired and quarantined ones too")] = False,
) -> None:
    """Items as JSONL, which `import` reads."""
    with _archive() as archive:
        kept = ItemStore(archive).kept_all(domain, None if every else "active")
    text = dump_jsonl(each.item for each in kept)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
        console.print(f"{len(kept)} items written to {safe(str(out))}", soft_wrap=True)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A JSONL file of items")],
    domain: Annotated[str | None, typer.Option(help="The problem of lines that name none")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add items from a file; what says the same as an item that is there is left out, hostile text is quarantined."""
    items = load_jsonl(file, domain)
    suspects = {item.id: words for item in items if (words := hostile(item)) is not None}
    with _archive() as archive:
        store = ItemStore(archive)
        clean = store.add_unless_known(item for item in items if item.id not in suspects)
        held = [
            store.add_unless_known([item], state="quarantined", reason=f"speaks to the model: {suspects[item.id]!r}")
            for item in items
            if item.id in suspects
        ]
    report = _imported(len(items), clean, held)
    if as_json:
        print_json(report)
        return
    console.print(
        f"{len(report['added'])} added or changed, {len(report['twins'])} say what is there already, "
        f"{len(report['quarantined'])} quarantined, {report['unchanged']} unchanged"
    )


def _imported(count: int, clean: Added, held: list[Added]) -> dict[str, Any]:
    quarantined = [id for added in held for id in added.new]
    twins = dict(clean.twins) | {id: twin for added in held for id, twin in added.twins.items()}
    unchanged = count - len(clean.new) - len(quarantined) - len(twins)
    return {"added": list(clean.new), "twins": twins, "quarantined": quarantined, "unchanged": unchanged}


def _archive() -> Archive:
    return Archive.open(open_home().archive_url)


def _report(kept: Kept) -> dict[str, Any]:
    return {
        "item": asdict(kept.item),
        "version": kept.version,
        "state": kept.state,
        "reason": kept.reason,
        "updated_at": kept.updated_at,
        "supports": kept.standing.supports,
        "contradicts": kept.standing.contradicts,
        "uplift": None if kept.uplift is None else asdict(kept.uplift),
    }


def _stats(store: ItemStore) -> dict[str, Any]:
    kept = store.kept_all()
    lessons = [each for each in kept if each.item.kind == KIND]
    measured = [each for each in kept if each.uplift is not None]
    return {
        "items": len(kept),
        "by_domain": dict(Counter(each.item.domain for each in kept)),
        "by_state": dict(Counter(each.state for each in kept)),
        "by_provenance": dict(Counter(each.item.provenance for each in kept)),
        "with_block": sum(each.item.block is not None for each in kept),
        "unverified": sum(not each.item.verified for each in kept),
        "lessons": {
            "all": len(lessons),
            "supports": sum(each.standing.supports for each in lessons),
            "contradicts": sum(each.standing.contradicts for each in lessons),
        },
        "with_measured_uplift": len(measured),
        "uplifts": {each.item.id: each.uplift.shrunk for each in measured if each.uplift is not None},
        "vectors": [
            {"domain": domain, "model": model, "dimension": dimension, "items": count}
            for domain, model, dimension, count in store.vector_spaces()
        ],
    }


def _ingestion(archive: Archive) -> dict[str, Any]:
    """What the librarian has taken, in all runs; a price that is not known is null."""
    spent = [spend for spend in archive.spend_by_role(None) if spend.role == "librarian"]
    calls, unpriced = sum(each.calls for each in spent), sum(each.unpriced_calls for each in spent)
    dollars = known_usd(sum(each.dollars for each in spent), calls, unpriced)
    return {"calls": calls, "unpriced_calls": unpriced, "dollars": dollars}


def _harmful(store: ItemStore) -> list[str]:
    measured = [(each.item.id, each.uplift) for each in store.kept_all(state="active") if each.uplift is not None]
    return [
        id
        for id, uplift in measured
        if uplift.shrunk < HARMFUL_UPLIFT and min(uplift.shown, uplift.left_out) >= HARMFUL_ROUNDS
    ]


def _uplift(kept: Kept) -> str:
    return "not known" if kept.uplift is None else f"{kept.uplift.shrunk:+.3f}"
