"""`nightshift up` in a state folder of its own, as a person has it, and questions to its Prefect server over HTTP."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cognition.archive import Archive
from flows import local_server, services
from flows.fleet import WORKER
from flows.home import Home, open_home
from tests.flows import prefect_api

ROOT = Path(__file__).parents[2]
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Fleet:
    """Servers, worker and supervisor of one folder."""

    folder: Path

    @property
    def home(self) -> Home:
        return open_home(self.folder / "home")

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the test session's own server."""
        given = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        own = {"NIGHTSHIFT_HOME": str(self.home.root), "COLUMNS": "200"}
        return {**given, **local_server.prefect_environment(self.home), **own}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flows.cli", *arguments]

    def nightshift(self, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=ROOT, env=self.environment,
            timeout=timeout_s, check=False,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments), cwd=ROOT, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def toml(self, name: str, **values: Any) -> Path:
        """A campaign of the toy problem whose calls are counted in `calls`."""
        lines = {"name": name, "problem": "tests.toy_domain:Toy", "workers": 2, "lease_s": 5, **values}
        options = {"log": str(self.calls_path), "fault_file": str(self.fault), **lines.pop("options", {})}
        lines |= {"propose": {"kind": "random"}, "options": options}
        path = self.folder / f"{name}.toml"
        path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in lines.items()))
        return path

    def toml_names(self) -> list[str]:
        """The campaigns made so far."""
        return sorted(path.stem for path in self.folder.glob("*.toml"))

    @property
    def calls_path(self) -> Path:
        return self.folder / "calls"

    @property
    def fault(self) -> Path:
        """While it exists, training fails by our machine's fault."""
        return self.folder / "fault"

    def calls(self) -> Counter[str]:
        return Counter(self.calls_path.read_text().split() if self.calls_path.exists() else [])

    @property
    def server(self) -> services.Running:
        running = services.alive(self.home, local_server.PREFECT)
        assert running is not None
        return running

    @property
    def worker_pid(self) -> int:
        running = services.alive(self.home, WORKER)
        assert running is not None
        return running.pid

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        return prefect_api.post(f"{self.server.api_url}{path}", body)

    def flow_runs(self, name: str) -> list[dict[str, Any]]:
        return list(self.ask("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}}))

    def flow_run(self, name: str) -> dict[str, Any]:
        (found,) = self.flow_runs(name)
        return found

    def run_deployment(self, full_name: str, name: str) -> None:
        """What the UI's Quick run does."""
        flow, deployment = full_name.split("/")
        known = httpx.get(f"{self.server.api_url}/deployments/name/{flow}/{deployment}", timeout=30).json()
        self.ask(f"/deployments/{known['id']}/create_flow_run", {"name": name, "state": {"type": "SCHEDULED"}})

    def recorded(self, campaign: str) -> frozenset[int]:
        with Archive.open(self.home.archive_url) as archive:
            return archive.recorded_rounds(campaign)


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 60) -> None:
    """Until it is true. A server that is being restarted counts as not yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.2)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)
