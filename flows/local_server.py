"""Starts, finds and stops the local Prefect server that belongs to a state folder.

The server outlives the command that started it, so that the next run starts in a second instead of ten and its UI
stays up in the morning. `server.json` in the state folder says where it listens; a server that does not answer, or
that was started by another version of Nightshift's settings, is not reused.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from cognition.records import MachineFault
from flows import stores
from flows.home import Home

START_TIMEOUT_S = 180.0  # a fresh database on a loaded machine takes a minute
PREFERRED_PORT = 4200
SLOW_SERVER_S = 30.0


class ServerError(MachineFault):
    """The local Prefect server cannot be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What `server.json` holds."""

    pid: int
    created: float  # the process's start time, so that a recycled pid is not mistaken for the server
    port: int

    @property
    def ui_url(self) -> str:
        """Where a person looks."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """Where Prefect's client connects."""
        return f"{self.ui_url}/api"


def prefect_environment(home: Home) -> dict[str, str]:
    """Prefect's settings for this state folder; to be in the environment before prefect is imported."""
    return {
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_PROFILES_PATH": str(home.prefect / "profiles.toml"),
        **stores.prefect_settings(home),
        "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "WARNING"),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the live view says it in one line, the UI at length
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(int(START_TIMEOUT_S)),
        # A busy server asks to be called again after 50 ms; with several workers a few such tries are not enough, and
        # giving up fails a round. A server that is gone for good is noticed by flows/runtime.py instead.
        "PREFECT_CLIENT_MAX_RETRIES": "100",
        "PREFECT_TASKS_REFRESH_CACHE": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    }


def _server_environment(home: Home, port: int) -> dict[str, str]:
    return {
        **os.environ,
        **prefect_environment(home),
        "PREFECT_SERVER_API_PORT": str(port),  # without it the UI calls port 4200
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }


def find(home: Home) -> ServerRecord | None:
    """The server of this state folder, if it is alive and answers."""
    record = _read(home)
    if record is None or not _is_alive(record):
        return None
    return record if _answers(record) else None


def ensure(home: Home) -> ServerRecord:
    """The running server of this state folder, started if need be. Raises ServerError."""
    with _lock(home):
        return find(home) or _recovered(home) or _start(home)


def stop(home: Home) -> bool:
    """End the server that this state folder started. Returns False if there was none."""
    record = _read(home)
    if record is None or not _is_alive(record):
        return False
    process = psutil.Process(record.pid)
    process.terminate()
    try:
        process.wait(timeout=15)
    except psutil.TimeoutExpired:
        process.kill()
    _record_path(home).unlink(missing_ok=True)
    return True


def _recovered(home: Home) -> ServerRecord | None:
    """The recorded server if it is only slow; one that stays silent is stopped, so that it gets no twin."""
    record = _read(home)
    if record is None or not _is_alive(record):
        return None
    deadline = time.monotonic() + SLOW_SERVER_S
    while time.monotonic() < deadline:
        if _answers(record):
            return record
        time.sleep(0.5)
    stop(home)
    return None


def _start(home: Home) -> ServerRecord:
    port = free_port()
    log = home.logs / "prefect-server.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.server", "--port", str(port)],
            env=_server_environment(home, port),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C in the terminal must not end it
        )
    record = ServerRecord(process.pid, psutil.Process(process.pid).create_time(), port)
    _record_path(home).write_text(json.dumps(asdict(record)))
    _wait_until_ready(record, process, log)
    return record


def _wait_until_ready(record: ServerRecord, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"the local Prefect server ended while starting: {_last_line(log)} (whole log: {log})")
        if _answers(record):
            return
        time.sleep(0.1)
    raise ServerError(f"the local Prefect server did not answer within {START_TIMEOUT_S:.0f} s (log: {log})")


def _answers(record: ServerRecord) -> bool:
    try:
        return httpx.get(f"{record.api_url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _read(home: Home) -> ServerRecord | None:
    try:
        return ServerRecord(**json.loads(_record_path(home).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _record_path(home: Home) -> Path:
    return home.prefect / "server.json"


def _is_alive(record: ServerRecord) -> bool:
    try:
        return abs(psutil.Process(record.pid).create_time() - record.created) < 1.0
    except psutil.NoSuchProcess:
        return False


def free_port(preferred: int = PREFERRED_PORT) -> int:
    """The preferred port if nobody listens there, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError("no free port on 127.0.0.1")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


@contextmanager
def _lock(home: Home) -> Iterator[None]:
    """Two commands that start at once must not start two servers."""
    with (home.prefect / "server.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
