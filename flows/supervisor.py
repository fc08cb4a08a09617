"""Keeps the services of a state folder alive: `python -m flows.supervisor`, started by `nightshift up`.

Every two seconds it looks whether the servers and the worker live, every fifteen whether they answer, and starts again
what does not, on its old port, with growing pauses. It holds no state: killed, it is started again by the next
`nightshift up` and finds everything by its record. It runs no flows and knows nothing of campaigns.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import dataclass

from flows import services
from flows.fleet import wanted
from flows.home import Home, open_home
from flows.services import ServerError, Service

logger = logging.getLogger("nightshift.supervisor")

LOOK_S = 2.0
ASK_S = 15.0
SILENT_S = 60.0  # alive, but no answer for so long: started anew
MOST_PAUSE_S = 60.0


@dataclass(slots=True)
class Watch:
    """What the supervisor knows of one service."""

    service: Service
    host: str
    last_answer: float
    next_question: float = 0.0
    next_try: float = 0.0
    pause_s: float = 1.0

    def look(self, home: Home, now: float) -> None:
        """Start it again if it is gone, or alive but silent for too long."""
        running = services.alive(home, self.service)
        if running is None or services.is_outdated(home, self.service, running) or now - self.last_answer > SILENT_S:
            self.start(home, now)
        elif now >= self.next_question:
            self.next_question = now + ASK_S
            if services.answers(self.service, running):
                self.last_answer, self.pause_s = now, 1.0

    def start(self, home: Home, now: float) -> None:
        """One try; after a failed one the next waits longer."""
        if now < self.next_try:
            return
        logger.warning("%s is gone or silent: starting it", self.service.name)
        try:
            services.ensure(home, self.service, self.host)
        except (ServerError, OSError) as error:
            logger.warning("%s", error)
        self.last_answer = time.monotonic()
        self.pause_s = min(MOST_PAUSE_S, self.pause_s * 2)
        self.next_try = self.last_answer + self.pause_s


def main() -> None:
    """Watch until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    home = open_home()
    watches = [Watch(service, host, time.monotonic()) for service, host in wanted(home)]
    logger.info("watching %s", ", ".join(watch.service.name for watch in watches))
    while not over.wait(LOOK_S):
        for watch in watches:
            watch.look(home, time.monotonic())


if __name__ == "__main__":
    main()
