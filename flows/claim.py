"""A round's claim: a lease with a fencing token, renewed while this process works on the round.

The archive refuses what an owner records after somebody else took the round over. A claim of a process of this machine
that is provably dead is released at once; any other must expire first.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from cognition.archive import Archive, ArchiveError, OpenRound, StaleLease
from cognition.randomness import derive
from cognition.records import Sample
from cognition.samplers import View
from flows.config import Settings
from tasks import processes
from tasks.engine import Engine, Round

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def owner() -> str:
    """This process, by machine, boot, pid and start time: unique for ever."""
    return f"{_machine()}/{os.getpid()}/{processes.own():.2f}"


@lru_cache(maxsize=1)
def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else 'unknown'}"


def is_dead(other: str) -> bool:
    """True only if the owner was a process of this machine and has ended."""
    machine, pid, created = other.rsplit("/", 2)
    if machine != _machine():
        return False
    return not processes.is_same(int(pid), float(created))


def release_dead_claims(archive: Archive, campaign: str) -> int:
    """Give up the claims of processes of this machine that were killed; returns how many."""
    return archive.release_leases(campaign, is_dead)


def draw(engine: Engine, settings: Settings, index: int) -> OpenRound:
    """Open or take over a round; its sample is drawn if it has none. Raises RoundBusy if another owner is alive."""

    def choose(view: View) -> Sample:
        if index == 0:
            return Sample(None, (), view.sequence, "none")
        return engine.sampler.sample(view, index, derive(engine.seed, index, "sample"))

    return engine.archive.open_round(engine.campaign, index, owner(), settings.lease_s, choose)


@contextmanager
def claim(engine: Engine, settings: Settings, index: int) -> Iterator[Round]:
    """Open or take over a round and hold it while the block runs. Raises RoundBusy if another owner is alive."""
    archive = engine.archive
    opened = draw(engine, settings, index)
    round = Round(
        engine.campaign,
        index,
        opened.token,
        opened.candidate_id,
        opened.sample.parent,
        opened.sample.references,
        opened.sample.sequence,
        opened.sample.sampler,
        opened.sample.island,
        opened.revision,
    )
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(archive, round, settings.lease_s, done), daemon=True)
    keeper.start()
    try:
        yield round
    finally:
        done.set()


def _keep(archive: Archive, round: Round, lease_s: float, done: threading.Event) -> None:
    while not done.wait(lease_s / 4):
        try:
            archive.renew_lease(round.id, round.token, lease_s)
        except StaleLease:
            logger.warning("round %s was taken over; what is done here will not be recorded", round.id)
            return
        except ArchiveError as error:  # busy or full for a moment: the lease lasts three more tries
            logger.warning("the lease of round %s could not be renewed: %s", round.id, error)
