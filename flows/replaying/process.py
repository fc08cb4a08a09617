"""Puts this process into the replay's own state folder, and runs the replay there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

import psutil

from flows import runtime, stores
from flows.config import Settings
from flows.home import Home
from flows.replaying import command
from flows.replaying.records import Cassette, Played, Progress, Ran

T = TypeVar("T")


def play(place: Home, cassette: Cassette, settings: Settings, progress: Progress, *, ephemeral: bool) -> Played:
    """The replay. Raises ConfigError, MachineFault."""
    _enter(place, ephemeral)
    from flows.replaying.play import play as played  # Prefect reads its environment when it is imported

    return _run(place, played(cassette, settings, place, progress))


def what_if(place: Home, cassette: Cassette, settings: Settings, progress: Progress, *, ephemeral: bool) -> Ran:
    """The campaign with other settings. Raises ConfigError, MachineFault."""
    _enter(place, ephemeral)
    from flows.replaying.what_if import run

    return _run(place, run(cassette, settings, progress))


def _enter(place: Home, ephemeral: bool) -> None:
    """`ephemeral` False: on the Prefect server that this process is connected to already, as tests are."""
    if ephemeral:
        command.leave_outside()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)
    runtime.enter(place, ephemeral=ephemeral)


def _run(place: Home, body: Coroutine[Any, Any, T]) -> T:
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    from flows.engines import close_all

    async def closing() -> T:
        try:
            return await body
        finally:
            await close_all()

    # Step results of the recorded run may lie where this process keeps its own: none of them may be found.
    results = stores.prefect_settings(place)["PREFECT_LOCAL_STORAGE_PATH"]
    # In a thread of its own: in the main one each flow run puts Prefect's handler of SIGTERM in the place of `_leave`.
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: results}), ThreadPoolExecutor(1, "replay") as thread:
        return thread.submit(copy_context().run, asyncio.run, closing()).result()


def _leave(number: int, _: object) -> None:
    """Ctrl-C or SIGTERM: at once, with all that was started here. Nothing of a replay is worth keeping, and Prefect's
    client would wait for hours for its server, which the same signal ends.
    """
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.terminate()
    os._exit(128 + number)
