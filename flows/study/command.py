"""The command `nightshift study`: reads the file, runs the flow with a line of progress, shows the table."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from cognition.records import Failure, Score
from flows import engines, registry
from flows.alerts import Alert
from flows.config import ConfigError
from flows.home import Home
from flows.progress import RoundEnded
from flows.study import output, record, table
from flows.study.cells import cells
from flows.study.results import Results, results_of
from flows.study.scripted.ladder import ladder_of
from flows.study.settings import UNIT_NAMES, StudySettings
from flows.terminal import safe
from tasks.artefacts import local_path


def check(study: StudySettings) -> None:
    """Refuse what cannot be run, before a server is started. Raises ConfigError, UnknownProblem."""
    for settings in {cell.arm: cell.settings for cell in cells(study)}.values():
        domain = registry.load(settings.problem, settings.options)
        if settings.evaluate.rung not in domain.rungs:
            raise ConfigError(f"campaign.evaluate.rung: {settings.problem} has {', '.join(domain.rungs)}")
        engines.refuse_without_models(settings)
    if study.scripted is not None:
        ladder_of(study.scripted, domain.brief())


def run(home: Home, study: StudySettings, console: Console, *, ephemeral: bool) -> dict[str, Any]:
    """Run what is missing and return the report."""
    from flows import progress, runtime  # Prefect reads its environment when it is imported, and `enter` sets it

    check(study)
    ui = runtime.enter(home, ephemeral=ephemeral)
    if ui:
        console.print(f"Prefect UI {ui}  (stop it with `nightshift down`)")
    wanted = cells(study)
    console.print(
        f"{len(study.arms)} arms x {len(study.seeds)} seeds, {study.at_once} cells at once, "
        f"{study.budget.amount:g} {UNIT_NAMES[study.budget.unit]} each"
    )
    progress.watch(Progress(console, len(wanted)))
    again = f"finishing the rounds in flight; Ctrl-C again stops at once. The same command goes on with {study.name}"
    return runtime.run_study(study, wanted[0].settings, lambda: console.print(again))


def report(home: Home, study: StudySettings) -> dict[str, Any]:
    """Evaluate what there is, and run nothing."""
    ran = record.read(home, study)
    return output.publish(home, study, ran, results_of(study, ran))


def copied(report: dict[str, Any], out: Path) -> None:
    """Table, figures and data into a folder. Raises ConfigError for a store that is not on this machine."""
    folder = local_path(report["files"])
    if folder is None:
        raise ConfigError(f"--out: the study's files are at {report['files']}, copy them from there")
    shutil.copytree(folder, out, dirs_exist_ok=True)


def show(console: Console, report: dict[str, Any]) -> None:
    """The table, and where the files are."""
    table.show(console, TypeAdapter(Results).validate_python(report["results"]))
    console.print(f"table, figures and raw data: {safe(report['files'])}", soft_wrap=True)


class Progress:
    """A line per cell that begins; rounds are counted, failures of our machine are shown."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self.total = total
        self.begun = 0
        self.rounds = 0

    def campaign_started(self, name: str, done: int, total: int, best: float | None) -> None:
        """A cell begins or goes on."""
        self.begun += 1
        earlier = f", {done} rounds before" if done else ""
        self.console.print(f"{self.begun:>4} of {self.total}  {safe(name)}{earlier}  ({self.rounds} rounds so far)")

    def round_started(self, index: int) -> None:
        """Nothing to show."""

    def round_ended(self, ended: RoundEnded) -> None:
        """Counted."""
        if isinstance(ended.outcome, Score | Failure):
            self.rounds += 1
        else:
            self.console.print(f"      {safe(ended.round_id)}: our fault, {safe(ended.reason[:200])}")

    def alerted(self, alert: Alert) -> None:
        """A cell that stagnates is a result, not an alarm."""

    def asked(self, question: str) -> None:
        """In sight."""
        self.console.print(f"waiting: {safe(question)}")
