"""Shared surroundings: a state folder per test session; one Prefect server and one sandbox if a test asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.sandbox import Pool, open_sandbox

# Before anything imports prefect or mlflow, so that no test touches the state of the person who runs it.
for _name in ("PREFECT_API_URL", "PREFECT_PROFILE", "NIGHTSHIFT_HOME", "NIGHTSHIFT_ARCHIVE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_name, None)
os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder with a running, tuned local Prefect server; this process talks to it."""
    from flows import local_server, runtime
    from flows.home import open_home

    home = open_home(tmp_path_factory.mktemp("server-home"))
    runtime.enter(home, ephemeral=False)
    yield home.root
    local_server.stop(home)
    del os.environ["PREFECT_API_URL"]


@pytest.fixture(scope="session")
def warm_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One real sandbox for all tests of the engine: starting one costs a second or more."""
    with open_sandbox(tmp_path_factory.mktemp("scratch"), zygotes=2, preload=()) as pool:
        yield pool


class Lent:
    """The shared sandbox as an engine sees it; closing it leaves it open for the next test."""

    def __init__(self, pool: Pool) -> None:
        self.tier = pool.tier
        self.run = pool.run

    def close(self) -> None:
        """Not ours to close."""


@pytest.fixture
def home(prefect_home: Path, warm_sandbox: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh state folder for one test, on the session's Prefect server and sandbox."""
    monkeypatch.setattr("flows.engines.open_sandbox", lambda *_, **__: Lent(warm_sandbox))
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
