"""Puts a process into the right surroundings for Prefect before Prefect is imported, and runs flows in it.

A server given by PREFECT_API_URL is used as it is; else the local one of the state folder is started or reused; with
`ephemeral`, Prefect's in-process server lives as long as the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from flows import local_server, progress, stores
from flows.config import Settings
from flows.home import Home, open_home
from flows.services import ServerError

#: How often the Prefect server is asked whether it is there, and how long it may be silent.
CHECK_S = 5.0
AWAY_S = 60.0


def enter(home: Home, *, ephemeral: bool) -> str:
    """Set Prefect's environment and return the UI's address ("" if there is none).

    Raises ServerError, and ArchiveError or ArtefactError for a store that does not answer.
    """
    stores.check(home)
    os.environ["NIGHTSHIFT_HOME"] = str(home.root)
    for name, value in local_server.prefect_environment(home).items():
        os.environ.setdefault(name, value)
    if ephemeral:
        os.environ.pop("PREFECT_API_URL", None)
        return ""
    given = os.environ.get("PREFECT_API_URL")
    if given:
        return given.removesuffix("/api")
    server = local_server.ensure(home)
    os.environ["PREFECT_API_URL"] = server.api_url
    return server.ui_url


def run_campaign(settings: Settings, on_interrupt: Callable[[], None]) -> Any:
    """Run a campaign in this process and return its `Ended`. The first Ctrl-C ends it cleanly, the second at once."""
    from flows import deployments, in_process
    from flows.campaign import CampaignFailed, Ended, campaign
    from tasks.codec import decode

    # A lost server is told in one sentence below, not once per event that could not be sent.
    logging.getLogger("prefect._internal").setLevel(logging.CRITICAL)

    async def body() -> Any:
        _handle_interrupts(on_interrupt)
        guard = asyncio.create_task(_leave_without_server())
        try:
            await stores.register_results(open_home())
            async with _connected() as client:
                await deployments.ensure_pool(client)
                deployment = await deployments.apply(deployments.named("campaign"))
                parameters = {"settings": settings.model_dump(mode="json")}
                run = in_process.Run(campaign, deployment, settings.name, settings, parameters)
                result = await (await in_process.run(client, run)).aresult(raise_on_failure=False)
            if isinstance(result, CampaignFailed):
                return result.ended
            if isinstance(result, BaseException):
                raise result
            return decode(result, Ended)
        finally:
            guard.cancel()

    return asyncio.run(_closing(body))


async def _leave_without_server() -> None:
    """End the process when the Prefect server has been away for AWAY_S: its client would go on trying for hours.

    Leaving at once is safe: what is stored is stored, and `resume` takes over the claims of a dead process.
    """
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return
    last_answer = time.monotonic()
    async with httpx.AsyncClient(timeout=CHECK_S) as client:
        while time.monotonic() - last_answer < AWAY_S:
            await asyncio.sleep(CHECK_S)
            with contextlib.suppress(httpx.HTTPError):
                await client.get(f"{url}/health")
                last_answer = time.monotonic()
    _leave(f"the Prefect server at {url} has not answered for {AWAY_S:.0f} s; nothing that was recorded is lost")


def _leave(sentence: str) -> None:
    from flows.engines import kill_sandboxes

    kill_sandboxes()
    message = f"nightshift: {sentence}. `nightshift resume` starts a new one and goes on"
    print(message, file=sys.stderr, flush=True)  # noqa: T201  # part of the CLI
    os._exit(1)


def run_promotion(settings: Settings, plan: Any) -> dict[str, Any]:
    """Promote in this process and return the report. Raises what the flow raised."""
    from flows import deployments, in_process
    from flows.promotion import promotion

    async def body() -> Any:
        await stores.register_results(open_home())
        async with _connected() as client:
            await deployments.ensure_pool(client)
            deployment = await deployments.apply(deployments.named("promotion"))
            parameters = {"settings": settings.model_dump(mode="json"), "plan": plan.model_dump(mode="json")}
            run = in_process.Run(promotion, deployment, f"promotion-{settings.name}", settings, parameters)
            result = await (await in_process.run(client, run)).aresult(raise_on_failure=False)
        if isinstance(result, BaseException):
            raise result
        return result

    report: dict[str, Any] = asyncio.run(_closing(body))
    return report


def run_study(study: Any, first: Settings, on_interrupt: Callable[[], None]) -> dict[str, Any]:
    """Run a study in this process and return its report; `first`: the settings of one of its cells. Raises."""
    from flows import deployments, in_process
    from flows.study.flow import study as flow

    logging.getLogger("prefect._internal").setLevel(logging.CRITICAL)

    async def body() -> Any:
        _handle_interrupts(on_interrupt)
        guard = asyncio.create_task(_leave_without_server())
        try:
            await stores.register_results(open_home())
            async with _connected() as client:
                await deployments.ensure_pool(client)
                deployment = await deployments.apply(deployments.named("study"))
                tagged = first.model_copy(update={"name": study.name})
                parameters = {"study": study.model_dump(mode="json")}
                run = in_process.Run(flow, deployment, f"study-{study.name}", tagged, parameters)
                result = await (await in_process.run(client, run)).aresult(raise_on_failure=False)
        finally:
            guard.cancel()
        if isinstance(result, BaseException):
            raise result
        return result

    report: dict[str, Any] = asyncio.run(_closing(body))
    return report


def run_single_round(settings: Settings, index: int) -> str:
    """Run one round again; returns the final state's name."""
    from flows import gpu_slots, prefect_rounds
    from flows.engines import engine_for

    async def body() -> Any:
        await stores.register_results(open_home())
        await gpu_slots.ensure(engine_for(settings))
        async with _connected() as client:
            deployment = await prefect_rounds.register(client)
            state = await prefect_rounds.run_round(client, deployment, settings, index)
        return state.name

    return str(asyncio.run(_closing(body)))


def _connected() -> Any:
    """Prefect's client; with `ephemeral` this starts the server. Raises ServerError."""
    from prefect import get_client

    try:
        return get_client()
    except RuntimeError as error:  # all that Prefect says of a server that does not answer in time
        raise ServerError(f"Prefect's in-process server did not start: {error}") from None


async def _closing(body: Callable[[], Any]) -> Any:
    from flows.engines import close_all

    try:
        return await body()
    finally:
        waiting = await close_all()
        if waiting:
            print(f"{waiting} results wait for MLflow; `nightshift sync` publishes them", file=sys.stderr)  # noqa: T201  # part of the CLI


def _handle_interrupts(on_interrupt: Callable[[], None]) -> None:
    def interrupted() -> None:
        if progress.stop_requested.is_set():
            from flows.engines import kill_sandboxes

            kill_sandboxes()
            os._exit(130)
        progress.stop_requested.set()
        on_interrupt()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted)
    loop.add_signal_handler(signal.SIGTERM, interrupted)
