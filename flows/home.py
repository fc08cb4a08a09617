"""Where Nightshift keeps its state: one folder, `.nightshift/` in the working directory or $NIGHTSHIFT_HOME.

nightshift.db   archive and cognition base      mlflow.db   MLflow's metadata     prefect/   Prefect's own state
artefacts/      results, packings, figures      mlartefacts/                      logs/      server logs
scratch/        sandbox scratch, emptied        services/       which servers and workers run
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder and the places in it."""

    root: Path

    @property
    def archive_url(self) -> str:
        """The archive's SQLAlchemy URL ($NIGHTSHIFT_ARCHIVE overrides, e.g. with a Postgres URL)."""
        return os.environ.get("NIGHTSHIFT_ARCHIVE", f"sqlite:///{self.root / 'nightshift.db'}")

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI ($MLFLOW_TRACKING_URI overrides)."""
        return os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{self.root / 'mlflow.db'}")

    @property
    def mlflow_artefacts(self) -> Path:
        """Where MLflow keeps artefacts when it has no server; absolute, or they would land in the current folder."""
        return self.root / "mlartefacts"

    @property
    def artefact_root(self) -> str:
        """Workspaces of rounds, as a URI ($NIGHTSHIFT_ARTEFACTS overrides: s3://bucket/prefix, or a shared folder)."""
        given = os.environ.get("NIGHTSHIFT_ARTEFACTS", "").rstrip("/")
        if not given:
            return self.artefacts.as_uri()
        return given if "://" in given else Path(given).expanduser().resolve().as_uri()

    @property
    def artefacts(self) -> Path:
        """Workspaces of rounds and persisted step results, unless they are elsewhere."""
        return self.root / "artefacts"

    @property
    def scratch(self) -> Path:
        """The sandbox's scratch root."""
        return self.root / "scratch"

    @property
    def prefect(self) -> Path:
        """Prefect's home: its database and settings."""
        return self.root / "prefect"

    @property
    def services(self) -> Path:
        """Records of the servers and workers that belong to this folder."""
        return self.root / "services"

    @property
    def logs(self) -> Path:
        """Log files of servers."""
        return self.root / "logs"


def open_home(root: Path | None = None) -> Home:
    """The state folder, created if missing. Raises OSError when it cannot be written."""
    chosen = root or Path(os.environ.get("NIGHTSHIFT_HOME", ".nightshift"))
    home = Home(chosen.expanduser().resolve())
    for folder in (home.artefacts, home.scratch, home.prefect, home.services, home.logs, home.mlflow_artefacts):
        folder.mkdir(parents=True, exist_ok=True)
    return home
