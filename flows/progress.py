"""What a campaign tells whoever watches it in the same process (the CLI's live view). Watching changes nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from cognition.records import Outcome
from flows.alerts import Alert


@dataclass(frozen=True, slots=True)
class RoundEnded:
    """A round is over: with an outcome, or (outcome None) by our machine's fault."""

    index: int
    round_id: str
    outcome: Outcome | None
    reason: str
    wall_s: float


class Watcher(Protocol):
    """Gets told, from the campaign's event loop."""

    def campaign_started(self, name: str, done: int, total: int, best: float | None) -> None:
        """`done` rounds of `total` were recorded before, the best of them with this fitness."""

    def round_started(self, index: int) -> None:
        """A round begins."""

    def round_ended(self, ended: RoundEnded) -> None:
        """A round is over."""

    def alerted(self, alert: Alert) -> None:
        """A condition has come to hold that a person should know of."""

    def asked(self, question: str) -> None:
        """Something waits for a person."""


class Silent:
    """Nobody watches."""

    def campaign_started(self, name: str, done: int, total: int, best: float | None) -> None:
        """Ignored."""

    def round_started(self, index: int) -> None:
        """Ignored."""

    def round_ended(self, ended: RoundEnded) -> None:
        """Ignored."""

    def alerted(self, alert: Alert) -> None:
        """Ignored."""

    def asked(self, question: str) -> None:
        """Ignored."""


#: The watcher of this process; the CLI replaces it.
watcher: Watcher = Silent()

#: Set by Ctrl-C: no new round is started, those in flight are finished.
stop_requested = threading.Event()


def watch(new: Watcher) -> None:
    """Let `new` be told from now on."""
    global watcher
    watcher = new
