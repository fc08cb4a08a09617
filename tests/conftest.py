"""Shared surroundings: a state folder per test session; one Prefect server and one sandbox if a test asks for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import leaving, local_server
from flows.home import open_home
from tasks.sandbox import Pool, open_sandbox
from tests import postgres as postgres_server

# Before anything imports prefect or mlflow, so that no test touches the state of the person who runs it.
for _name in (
    "MLFLOW_TRACKING_URI",
    "PREFECT_API_URL",
    "PREFECT_PROFILE",
    "NIGHTSHIFT_HOME",
    "NIGHTSHIFT_ARCHIVE",
    "NIGHTSHIFT_ARTEFACTS",
):
    os.environ.pop(_name, None)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["NIGHTSHIFT_NO_AUDIT"] = "1"  # the tests' problems are new in every folder; test_first_audit.py audits
_folder = tempfile.TemporaryDirectory(prefix="nightshift-tests-")
SESSION_HOME = open_home(Path(_folder.name))
os.environ.update(local_server.prefect_environment(SESSION_HOME))


#: Fixtures that start a Prefect server; whoever asks for one is a test of `make test-server`.
SERVERS = {"prefect_home", "fleet"}


#: Folders whose tests run models in the sandbox: tests of `make test-domains`.
DOMAINS = ("arch", "curation", "kernels", "rl", "problems/drug_target", "problems/triton_kernel")
DOMAIN_FOLDERS = tuple(Path(__file__).parent / folder for folder in DOMAINS)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where domains are left out, their test files are not even imported: they bring torch, trl and datatrove."""
    is_left_out = "not domains" in config.option.markexpr
    return True if is_left_out and collection_path in DOMAIN_FOLDERS else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs a server or runs models, so that the fast tests are those that need neither."""
    if any(item.path.is_relative_to(folder) for folder in DOMAIN_FOLDERS):
        item.add_marker(pytest.mark.domains)
    if SERVERS & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.server)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Prefect's workers may hang at exit, here too."""
    leaving.within(int(exitstatus))


@pytest.fixture(scope="session")
def prefect_home() -> Iterator[Path]:
    """A state folder with a running, tuned local Prefect server; this process and its children talk to it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    server = local_server.ensure(SESSION_HOME)
    os.environ["PREFECT_API_URL"] = server.api_url
    with temporary_settings({PREFECT_API_URL: server.api_url}):  # prefect may have read the environment before
        yield SESSION_HOME.root
    del os.environ["PREFECT_API_URL"]
    local_server.stop(SESSION_HOME)


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database to copy from: its migrations cost seconds."""
    from tasks.tracking import open_tracker

    folder = tmp_path_factory.mktemp("mlflow")
    open_tracker(f"sqlite:///{folder / 'mlflow.db'}", folder).client.search_experiments()
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.PostgresServer]:
    """A PostgreSQL server of our own; the test is skipped where its programs are missing."""
    programs = postgres_server.programs()
    if programs is None:
        pytest.skip(postgres_server.MISSING)
    server = postgres_server.start(programs)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pgvector() -> Iterator[postgres_server.PostgresServer]:
    """A PostgreSQL server of our own that has the extension pgvector; skipped where there is none."""
    programs = postgres_server.programs_with_pgvector()
    if programs is None:
        pytest.skip(postgres_server.NO_PGVECTOR)
    server = postgres_server.start(programs)
    yield server
    server.stop()


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
def reports() -> None:
    """Asks `home` for campaigns that end with a report, as they do; its figures cost a second of CPU."""


@pytest.fixture
def home(
    prefect_home: Path,
    warm_sandbox: Pool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:
    """A fresh state folder for one test, on the session's Prefect server and sandbox."""
    from flows import steps

    if "reports" not in request.fixturenames:
        monkeypatch.setattr("flows.summary.report_of", lambda *_: None)

    monkeypatch.setattr("flows.engines.open_sandbox", lambda *_, **__: Lent(warm_sandbox))
    for step in (steps.propose, steps.train, steps.benchmark):
        monkeypatch.setattr(step, "retry_delay_seconds", [0.05, 0.05])  # the waits are Prefect's, not ours to test
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
