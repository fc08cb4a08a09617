"""The servers of one machine: Prefect's, tuned for SQLite, and MLflow's. Started once per state folder and reused.

Neither listens beyond 127.0.0.1 unless a host is asked for. A server given from outside ($PREFECT_API_URL,
$MLFLOW_TRACKING_URI) takes the place of the local one; then nothing is started here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from flows import services, stores
from flows.home import Home
from flows.services import START_TIMEOUT_S, Running, ServerError, Service, free_port

__all__ = ["MLFLOW", "PREFECT", "ServerError", "ensure", "find", "free_port", "prefect_environment", "stop"]


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
        # Silence for three heartbeats means that a flow's process is gone (flows/deployments.py).
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_TASKS_REFRESH_CACHE": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    }


def _prefect_command(home: Home, host: str, port: int) -> list[str]:
    return [sys.executable, "-m", "flows.server", "--host", host, "--port", str(port)]


def _prefect_server_environment(home: Home, host: str, port: int) -> Mapping[str, str]:
    origins = {f"http://{name}:{port}" for name in (services.public(host), *_names_of_this_machine(host))}
    return {
        **prefect_environment(home),
        "PREFECT_SERVER_API_PORT": str(port),  # without it the UI calls port 4200
        "PREFECT_UI_API_URL": f"http://{services.public(host)}:{port}/api",
        # Any page in the user's browser could start flows otherwise: the server allows all origins by default.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(sorted(origins)),
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }


def _names_of_this_machine(host: str) -> tuple[str, ...]:
    """How else a browser may name a server that listens on `host`."""
    return ("127.0.0.1", "localhost") if host in (services.LOCALHOST, services.EVERYWHERE) else ()


def _mlflow_command(home: Home, host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{home.root / 'mlflow.db'}"),
        # Runs name their files directly, with or without a server: a run begun with one can go on without it.
        *("--no-serve-artifacts", "--default-artifact-root", home.mlflow_artefacts.as_uri()),
    ]


def _mlflow_environment(home: Home, host: str, port: int) -> Mapping[str, str]:
    return {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


PREFECT = Service("prefect-server", _prefect_command, _prefect_server_environment, 4200, "/api/health")
MLFLOW = Service("mlflow-server", _mlflow_command, _mlflow_environment, 5000, "/health")


def find(home: Home) -> Running | None:
    """The Prefect server of this state folder, if it is alive and answers."""
    return services.find(home, PREFECT)


def ensure(home: Home) -> Running:
    """The Prefect server of this state folder, started if need be. Raises ServerError."""
    return services.ensure(home, PREFECT)


def stop(home: Home) -> bool:
    """End the Prefect server that this state folder started. Returns False if there was none."""
    return services.stop(home, PREFECT)
