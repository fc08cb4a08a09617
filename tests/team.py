"""A team's surroundings on one machine: one PostgreSQL for archive, Prefect and MLflow, a Prefect server, workers.

Workers are plain `nightshift run` commands of one toy campaign in processes of their own. For tests and benchmarks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import Row, select

from cognition.archive import Archive
from cognition.schema import rounds
from flows import local_server
from flows.home import open_home
from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Team:
    """What the workers share."""

    folder: Path
    archive_url: str
    tracking_uri: str
    environment: dict[str, str]

    def start(self, name: str, count: int, *, worker: int, **settings: object) -> subprocess.Popen[bytes]:
        """One more process that runs a campaign of the toy problem."""
        sets = [word for key, value in settings.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]
        command = [sys.executable, "-m", "flows.cli", "run", "tests.toy_domain:Toy", "--name", name, "--json"]
        command += ["--rounds", str(count), "--workers", "1", "--set", "propose.kind=random", *sets]
        with (self.folder / f"{name}-{worker}.log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def log(self, name: str, worker: int) -> str:
        """What a worker printed."""
        return (self.folder / f"{name}-{worker}.log").read_text(errors="replace")

    def rounds(self, name: str) -> list[Row[tuple[object, ...]]]:
        """All rounds of a campaign, as the archive has them."""
        with Archive.open(self.archive_url) as archive, archive.database.read() as tx:
            return list(tx.execute(select(rounds).where(rounds.c.campaign == name).order_by(rounds.c.round_index)))


@contextmanager
def team(server: PostgresServer, folder: Path, name: str = "team") -> Iterator[Team]:
    """Databases on this PostgreSQL, and a Prefect server on it."""
    home = open_home(folder / "home")
    archive_url, tracking_uri = server.create(f"{name}_archive"), server.create(f"{name}_mlflow")
    server.create(f"{name}_prefect")
    server.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm", f"{name}_prefect")
    with patch.dict(os.environ):
        os.environ.pop("PREFECT_API_URL", None)
        os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = server.url(f"{name}_prefect", "postgresql+asyncpg")
        record = local_server.ensure(home)
        environment = {
            **os.environ,
            **local_server.prefect_environment(home),
            "NIGHTSHIFT_HOME": str(home.root),
            "NIGHTSHIFT_ARCHIVE": archive_url,
            "MLFLOW_TRACKING_URI": tracking_uri,
            "PREFECT_API_URL": record.api_url,
        }
        try:
            yield Team(folder, archive_url, tracking_uri, environment)
        finally:
            local_server.stop(home)
