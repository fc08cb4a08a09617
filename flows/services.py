"""Long-lived processes that belong to a state folder: found by their record, started once, stopped by their own id.

A service outlives the command that started it. `services/NAME.json` in the state folder says which process it is and
where it listens; a recycled process id is not mistaken for it. One that ended is started again on its old port, so that
clients which are still trying find it. This file knows nothing of what the services are (flows/local_server.py does).
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from cognition.records import MachineFault
from flows.home import Home
from tasks import processes

START_TIMEOUT_S = 180.0  # a fresh database on a loaded machine takes a minute
SLOW_S = 30.0
HEALTH_TIMEOUT_S = 5.0
PATIENCE_S = 15.0  # between being asked to end and being killed
LOCALHOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # listens on every address, and is the address of none


class ServerError(MachineFault):
    """A local service cannot be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service's process: what its record holds. `port` is 0 for a service that does not listen."""

    pid: int
    created: float  # the process's start (tasks/processes.py), so that a recycled pid is not mistaken for the service
    port: int
    host: str = LOCALHOST
    tied_to: str = ""  # what it was started with and cannot change, e.g. the address of another service

    @property
    def ui_url(self) -> str:
        """Where a person looks."""
        return f"http://{public(self.host)}:{self.port}"

    @property
    def local_url(self) -> str:
        """Where programs of this machine connect."""
        return f"http://{LOCALHOST if self.host == EVERYWHERE else self.host}:{self.port}"

    @property
    def api_url(self) -> str:
        """Where Prefect's client connects."""
        return f"{self.local_url}/api"


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of service: how to start it, and how to see that it answers."""

    name: str
    command: Callable[[Home, str, int], list[str]]  # of the state folder, host and port
    environment: Callable[[Home, str, int], Mapping[str, str]]
    preferred_port: int = 0
    health: str = ""  # path that answers 200 when it is ready; "": it does not listen, being alive is all
    tied_to: Callable[[Home], str] = lambda home: ""
    silent_s: float = 60.0  # alive, but no answer for so long: the supervisor starts it anew


def public(host: str) -> str:
    """The address under which other machines may reach what listens on `host`."""
    if host != EVERYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which of our addresses leads outwards
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def find(home: Home, service: Service) -> Running | None:
    """The running service of this state folder, if it is alive and answers."""
    running = alive(home, service)
    return running if running is not None and answers(service, running) else None


def alive(home: Home, service: Service) -> Running | None:
    """The process of the service, whether it answers or not."""
    running = recorded(home, service)
    return running if running is not None and _lives(running) else None


def answers(service: Service, running: Running) -> bool:
    """Whether a living service answers."""
    if not service.health:
        return True
    try:
        return httpx.get(f"{running.local_url}{service.health}", timeout=HEALTH_TIMEOUT_S).status_code == 200
    except httpx.HTTPError:
        return False


def reachable(url: str) -> bool:
    """Whether a server answers there at all; a refusal for want of a key is an answer."""
    try:
        return httpx.get(url, timeout=HEALTH_TIMEOUT_S).status_code < 500
    except httpx.HTTPError:
        return False


def ensure(home: Home, service: Service, host: str | None = None) -> Running:
    """The running service, started if need be, on `host` if one is asked for. Raises ServerError."""
    with _lock(home, service):
        if (running := alive(home, service)) is not None and is_outdated(home, service, running):
            _end(running)
        found = find(home, service) or _recovered(home, service)
        if found is None:
            return _started(home, service, host)
    if host is not None and found.host != host:
        raise ServerError(f"{service.name} runs and listens on {found.host}, not {host}: `nightshift down` first")
    return found


def is_outdated(home: Home, service: Service, running: Running) -> bool:
    """Whether what it was tied to when it started has changed since."""
    return running.tied_to != service.tied_to(home)


def stop(home: Home, service: Service) -> bool:
    """End the service of this state folder. Returns False if there was none."""
    running = alive(home, service)
    if running is not None:
        _end(running)
    # Also of one that has died: what is started next must not listen where somebody once wanted that one to.
    _record_path(home, service).unlink(missing_ok=True)
    return running is not None


def log_path(home: Home, service: Service) -> Path:
    """What it printed."""
    return home.logs / f"{service.name}.log"


def _recovered(home: Home, service: Service) -> Running | None:
    """The recorded service if it is only slow; one that stays silent is stopped, so that it gets no twin."""
    running = alive(home, service)
    if running is None:
        return None
    deadline = time.monotonic() + SLOW_S
    while time.monotonic() < deadline:
        if answers(service, running):
            return running
        time.sleep(0.5)
    _end(running)
    return None


def _end(running: Running) -> None:
    """End the process; its record stays, so that what takes its place listens where it did."""
    try:
        process = psutil.Process(running.pid)
        process.terminate()
        try:
            process.wait(timeout=PATIENCE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout=PATIENCE_S)
    except psutil.NoSuchProcess:
        return  # it ended by itself just now
    except psutil.TimeoutExpired:
        raise ServerError(f"process {running.pid} does not end, not even when killed: is its disk gone?") from None


def _started(home: Home, service: Service, asked_host: str | None) -> Running:
    former = recorded(home, service)
    host = asked_host or (former.host if former else LOCALHOST)
    port = free_port(former.port if former else service.preferred_port, host) if service.health else 0
    try:
        return _launched(home, service, host, port)
    except ServerError:
        silent = alive(home, service)
        is_ours = silent is not None and _listens(silent)
        if not service.health or is_ours or free_port(port, host) == port:
            raise
        # Another program took the port while this one was importing.
        if silent is not None:
            _end(silent)
        return _launched(home, service, host, free_port(0, host))


def _launched(home: Home, service: Service, host: str, port: int) -> Running:
    with log_path(home, service).open("ab") as stream:
        process = subprocess.Popen(
            service.command(home, host, port),
            env={**os.environ, **service.environment(home, host, port)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C in the terminal must not end it
        )
    running = Running(process.pid, processes.started(process.pid) or 0.0, port, host, service.tied_to(home))
    _write(home, service, running)
    _wait_until_ready(home, service, running, process)
    return running


def _wait_until_ready(home: Home, service: Service, running: Running, process: subprocess.Popen[bytes]) -> None:
    log = log_path(home, service)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"{service.name} ended while starting: {_last_line(log)} (whole log: {log})")
        if answers(service, running) and (not service.health or _listens(running)):
            return
        time.sleep(0.1)
    raise ServerError(f"{service.name} did not answer within {START_TIMEOUT_S:.0f} s (log: {log})")


def free_port(preferred: int = 0, host: str = LOCALHOST) -> int:
    """The preferred port if nobody listens there, else any free one. Raises ServerError."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError(f"no free port on {host}: is it an address of this machine?")


def _lives(running: Running) -> bool:
    return processes.is_same(running.pid, running.created)


def _listens(running: Running) -> bool:
    """Whether it is this process, or a child of it, that answers on the port: another program may have been faster."""
    try:
        family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == running.port
            for process in family
            for connection in process.net_connections("tcp")
        )
    except psutil.NoSuchProcess:
        return False


def recorded(home: Home, service: Service) -> Running | None:
    """What the service's record says, whether its process lives or not."""
    try:
        return Running(**json.loads(_record_path(home, service).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(home: Home, service: Service, running: Running) -> None:
    path = _record_path(home, service)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(running)))
    part.replace(path)


def _record_path(home: Home, service: Service) -> Path:
    return home.services / f"{service.name}.json"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


@contextmanager
def _lock(home: Home, service: Service) -> Iterator[None]:
    """Two commands that start at once must not start two of a kind."""
    with (home.services / f"{service.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
