"""`nightshift approve`, `accept`, `veto`: what a person decides while a campaign waits."""

from __future__ import annotations

from typing import Annotated

import typer

from cognition.archive import Archive
from cognition.records import round_id
from flows import approval, config, views
from flows.home import open_home
from flows.output import console
from flows.terminal import safe

app = typer.Typer()


@app.command()
def approve(
    campaign: Annotated[str | None, typer.Argument(help="The campaign; the newest if left out")] = None,
    no: Annotated[bool, typer.Option("--no", help="Refuse instead")] = False,
    rung: Annotated[str | None, typer.Option(help="Another rung than the campaign's, for a promotion")] = None,
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """Say yes (or no) to a campaign whose rung needs it; one that waits sees it at once."""
    home = open_home()
    with Archive.open(home.archive_url) as archive:
        stored = archive.campaign(views.chosen(archive, campaign))
    rung = rung or str(stored.settings["evaluate"]["rung"])
    decision = approval.Decision("veto" if no else "accept", note)
    approval.decide(approval.campaign_desk(home.artefact_root, stored.name), approval.key_of(rung), decision)
    console.print(f"rung {safe(rung)} of {stored.name} is {'refused' if no else 'approved'}")


@app.command()
def accept(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A round that waits, e.g. circle-packing-0007")],
    motivation: Annotated[str, typer.Option(help="A text in place of the proposal's motivation")] = "",
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """Let a round's proposal go on, as it is or with another motivation."""
    _decide(round_name, approval.Decision("edit" if motivation else "accept", note, motivation))


@app.command()
def veto(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A round that waits, e.g. circle-packing-0007")],
    note: Annotated[str, typer.Option(help="Why")] = "",
) -> None:
    """End a round's proposal before anything is spent on it."""
    _decide(round_name, approval.Decision("veto", note))


def _decide(round_name: str, decision: approval.Decision) -> None:
    home = open_home()
    with Archive.open(home.archive_url) as archive:
        identity = round_id(*views.split_round(archive, round_name))
    desk = approval.round_desk(home.artefact_root, identity)
    key = approval.asked(desk)
    if key is None:
        raise config.ConfigError(f"{identity} waits for no decision; see approval.motivations in docs/operations.md")
    if (known := approval.decision_of(desk, key)) is not None:
        raise config.ConfigError(f"{identity} is decided already: {known.verdict}, {known.note or 'without a note'}")
    approval.decide(desk, key, decision)
    console.print(f"{identity}: {decision.verdict}")
