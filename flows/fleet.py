"""`nightshift up` and `down`: the local servers, a worker that runs the deployments, and a supervisor over all of them.

Idempotent: what runs and answers is left alone. Servers given from outside ($PREFECT_API_URL, $MLFLOW_TRACKING_URI) are
used as they are. It starts no campaign; deployments do (flows/deployments.py).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from flows import services, stores
from flows.home import Home
from flows.local_server import MLFLOW, PREFECT, prefect_environment
from flows.services import Running, ServerError, Service

#: The Prefect work pool of this project's workers.
POOL = "nightshift"


def worker_name() -> str:
    """This machine's worker."""
    return f"nightshift-{socket.gethostname()}"


def _worker_command(home: Home, host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process",
            "--name", worker_name(), "--with-healthcheck"]  # fmt: skip


def _worker_environment(home: Home, host: str, port: int) -> Mapping[str, str]:
    return {
        **prefect_environment(home),
        "PREFECT_API_URL": prefect_api(home),
        "NIGHTSHIFT_HOME": str(home.root),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_WORKER_WEBSERVER_HOST": host,
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        "PREFECT_LOGGING_LEVEL": "INFO",
    }


def _supervisor_command(home: Home, host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "flows.supervisor"]


def _supervisor_environment(home: Home, host: str, port: int) -> Mapping[str, str]:
    return {"NIGHTSHIFT_HOME": str(home.root)}


def _worker_tied_to(home: Home) -> str:
    """A worker keeps the server's address and the places it was started with."""
    server = services.recorded(home, PREFECT)
    api = os.environ.get("PREFECT_API_URL") or (server.api_url if server else "")
    return f"{api} {stores.place(home)}"


def _supervisor_tied_to(home: Home) -> str:
    """The addresses and places that it was given: with others it would undo what `up` has just started."""
    given = (os.environ.get(variable, "") for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"))
    return " ".join((*given, stores.place(home)))


#: Its health says whether it still asks for work: no longer after 150 s, 30 times its interval, without an answer.
WORKER = Service(
    "worker", _worker_command, _worker_environment, health="/health", tied_to=_worker_tied_to, silent_s=120.0
)
SUPERVISOR = Service("supervisor", _supervisor_command, _supervisor_environment, tied_to=_supervisor_tied_to)


def servers() -> list[Service]:
    """The servers that this machine has to start itself."""
    given = {PREFECT.name: "PREFECT_API_URL", MLFLOW.name: "MLFLOW_TRACKING_URI"}
    return [service for service in (PREFECT, MLFLOW) if not os.environ.get(given[service.name])]


def wanted() -> list[Service]:
    """What the supervisor keeps alive; the servers first."""
    return [*servers(), WORKER]


def prefect_api(home: Home) -> str:
    """Where Prefect's client connects. Raises ServerError."""
    if given := os.environ.get("PREFECT_API_URL"):
        return given
    running = services.alive(home, PREFECT)
    if running is None:
        raise ServerError("no Prefect server runs here; `nightshift up` starts one")
    return running.api_url


def up(home: Home, host: str | None = None) -> dict[str, Any]:
    """Start what is missing and wait until all of it answers. Raises ServerError, ConfigError, ArchiveError.

    `host`: where the servers listen, 127.0.0.1 if nothing is said; one that runs elsewhere is refused.
    """
    from flows import deployments

    stores.check(home)
    wanted = deployments.of_this_folder()
    former = services.alive(home, SUPERVISOR)
    if former is not None and services.is_outdated(home, SUPERVISOR, former):
        services.stop(home, SUPERVISOR)  # before it undoes what follows
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda service: services.ensure(home, service, host), servers()))
    with connected(home):
        asyncio.run(_deployed(home, wanted))
    services.ensure(home, WORKER)
    services.ensure(home, SUPERVISOR)
    return report(home)


@contextmanager
def connected(home: Home) -> Iterator[None]:
    """Let Prefect's client in this process talk to the server of this state folder. Raises ServerError."""
    before = dict(os.environ)
    os.environ.update({**prefect_environment(home), "PREFECT_API_URL": prefect_api(home)})
    os.environ["NIGHTSHIFT_HOME"] = str(home.root)
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_API_URL, temporary_settings

    try:
        # The environment is for what is imported from here on; an earlier import of Prefect has read it before.
        with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
            yield
    except (httpx.HTTPError, PrefectException) as error:
        reason = str(error).partition(chr(10))[0] or type(error).__name__
        raise ServerError(f"the Prefect server at {prefect_api(home)} does not answer: {reason}") from error
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _deployed(home: Home, wanted: Sequence[Any]) -> None:
    from flows import deployments

    await stores.register_results(home)
    await deployments.apply_all(wanted, keep=True)


def down(home: Home) -> list[str]:
    """Stop everything that belongs to this state folder; returns the names of what was stopped."""
    order = (SUPERVISOR, WORKER, MLFLOW, PREFECT)  # the supervisor first, or it would start the others again
    return [service.name for service in order if services.stop(home, service)]


def report(home: Home) -> dict[str, Any]:
    """Every service with its state and address, for `status`."""
    found: dict[str, Any] = {}
    for service in (PREFECT, MLFLOW, WORKER, SUPERVISOR):
        running = services.alive(home, service)
        found[service.name] = {"state": _state(service, running), **_place(service, running)}
    for service, variable in ((PREFECT, "PREFECT_API_URL"), (MLFLOW, "MLFLOW_TRACKING_URI")):
        if given := os.environ.get(variable):
            found[service.name] = {"state": "given", "url": given}
    return found


def _state(service: Service, running: Running | None) -> str:
    if running is None:
        return "not running"
    return "running" if services.answers(service, running) else "not answering"


def _place(service: Service, running: Running | None) -> dict[str, Any]:
    if running is None:
        return {}
    return {"pid": running.pid} | ({"url": running.ui_url} if service in (PREFECT, MLFLOW) else {})
