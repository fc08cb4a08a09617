"""The live view of `nightshift run`: a bar, the best so far, and one line per finished candidate."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cognition.records import Failure, Score
from flows.alerts import Alert
from flows.progress import RoundEnded
from flows.terminal import safe

#: Longer reasons are cut in the terminal; `nightshift show` has them whole.
REASON_CHARS = 100


class LiveView:
    """A watcher that draws. Use as a context manager."""

    def __init__(self, console: Console, metric: str) -> None:
        self.console = console
        self.metric = metric
        self.best: float | None = None
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self.task = self.progress.add_task("starting", total=None, note="")

    def __enter__(self) -> LiveView:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def campaign_started(self, name: str, done: int, total: int, best: float | None) -> None:
        """Set the bar."""
        self.best = best
        self.progress.update(self.task, description=name, total=total, completed=done)
        if done:
            self.console.print(f"{done} of {total} rounds were recorded before; going on from there")

    def round_started(self, index: int) -> None:
        """Nothing to show until it ends."""

    def round_ended(self, ended: RoundEnded) -> None:
        """One line per round."""
        self.console.print(self._line(ended))
        if ended.index > 0 and ended.outcome is not None:
            self.progress.advance(self.task)
        note = f"best {self.metric} {self.best:.10f}" if self.best is not None else ""
        self.progress.update(self.task, note=note)

    def alerted(self, alert: Alert) -> None:
        """One line, in sight."""
        self.console.print(f"[bold yellow]{'alert':>10}[/]  {safe(alert.sentence)}")

    def asked(self, question: str) -> None:
        """One line, in sight."""
        self.console.print(f"[bold cyan]{'waiting':>10}[/]  {safe(question)}")

    def _line(self, ended: RoundEnded) -> str:
        label = "baseline" if ended.index == 0 else f"round {ended.index}"
        head = f"{label:>10}  {ended.wall_s:6.1f} s  "
        if isinstance(ended.outcome, Score):
            return head + self._scored(ended.outcome)
        if isinstance(ended.outcome, Failure):
            return head + f"[yellow]{ended.outcome.kind}[/]  {_shortened(ended.outcome.reason)}"
        return head + f"[red]our fault[/]  {_shortened(ended.reason)}"

    def _scored(self, score: Score) -> str:
        text = f"{score.fitness:.10f}"
        if not score.ranks:
            return f"{text}  [dim]front only: {_shortened(score.unranked)}[/]"
        improved = self.best is None or score.fitness > self.best
        self.best = score.fitness if improved else self.best
        return f"[bold green]{text}  new best[/]" if improved else text


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return safe(line if len(line) <= REASON_CHARS else line[: REASON_CHARS - 1] + "…")
