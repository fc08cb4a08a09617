"""Keeps the services of a state folder alive: `python -m flows.supervisor`, started by `nightshift up`.

Every two seconds it looks whether the servers and the worker live, every fifteen whether they answer, and starts again
what does not, on its old port, with growing pauses. It holds no state: killed, it is started again by the next
`nightshift up` and finds everything by its record. It runs no flows and knows nothing of campaigns.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass

from flows import services
from flows.fleet import WORKER, wanted
from flows.home import Home, open_home
from flows.local_server import PREFECT
from flows.services import ServerError, Service

logger = logging.getLogger("nightshift.supervisor")

LOOK_S = 2.0
ASK_S = 15.0
MOST_PAUSE_S = 60.0


@dataclass(slots=True)
class Watch:
    """What the supervisor knows of one service."""

    service: Service
    last_answer: float
    needs: Watch | None = None  # while that one does not answer, this one's silence means nothing
    needs_url: str = ""  # the same, for a server that somebody else keeps alive
    next_question: float = 0.0
    next_try: float = 0.0
    pause_s: float = 1.0

    def look(self, home: Home, now: float) -> None:
        """Start it again if it is gone, or alive but silent for too long."""
        running = services.alive(home, self.service)
        if self.needs is not None and not self.needs.is_fine(now):
            self.last_answer = now
        silent = now - self.last_answer > self.service.silent_s
        if silent and self.needs_url and not services.reachable(self.needs_url):
            self.last_answer, silent = now, False
        if running is None or services.is_outdated(home, self.service, running) or silent:
            self.start(home, now)
        elif now >= self.next_question:
            self.next_question = now + ASK_S
            if services.answers(self.service, running):
                self.last_answer, self.pause_s = now, 1.0

    def is_fine(self, now: float) -> bool:
        """Whether it answered when it was last asked."""
        return now - self.last_answer <= ASK_S + LOOK_S + services.HEALTH_TIMEOUT_S

    def start(self, home: Home, now: float) -> None:
        """One try; after a failed one the next waits longer."""
        if now < self.next_try:
            return
        logger.warning("%s is gone or silent: starting it", self.service.name)
        try:
            services.ensure(home, self.service)
        except (ServerError, OSError) as error:
            logger.warning("%s", error)
        self.last_answer = time.monotonic()
        self.pause_s = min(MOST_PAUSE_S, self.pause_s * 2)
        self.next_try = self.last_answer + self.pause_s


def watch_all() -> list[Watch]:
    """Every service, each after what it needs."""
    watches: list[Watch] = []
    for service in wanted():
        prefect = next((watch for watch in watches if watch.service is PREFECT), None)
        watch = Watch(service, time.monotonic())
        if service is WORKER:
            watch.needs, watch.needs_url = prefect, os.environ.get("PREFECT_API_URL", "")
        watches.append(watch)
    return watches


def main() -> None:
    """Watch until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    home = open_home()
    watches = watch_all()
    logger.info("watching %s", ", ".join(watch.service.name for watch in watches))
    while not over.wait(LOOK_S):
        for watch in watches:
            watch.look(home, time.monotonic())


if __name__ == "__main__":
    main()
