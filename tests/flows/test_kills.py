"""SIGKILL at random points, then resume: nothing that was persisted is lost, run again or paid for again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cognition.archive import Archive
from cognition.records import round_id
from tests.scripted_server import Script, ScriptedServer

ROOT = Path(__file__).parents[2]
WORKERS = 2
NAME = "killed"


@dataclass
class Night:
    """A campaign of the toy problem against a scripted model, in a process that can be killed."""

    folder: Path
    rounds: int
    server: ScriptedServer
    kills: int = 0
    persisted: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def start(self) -> subprocess.Popen[bytes]:
        sets = [
            "propose.kind=openai",
            "analyze.kind=model",
            "tracking.enabled=false",
            "options.sleep_s=0.2",
            f"options.log={self.folder}/calls",
            "lease_s=5",
            "models.researcher.model=scripted",
            f"models.researcher.base_url={self.server.base_url}",
            "models.analyzer.model=scripted",
            f"models.analyzer.base_url={self.server.base_url}",
        ]
        command = [sys.executable, "-m", "flows.cli", "run", "tests.toy_domain:Toy", "--name", NAME]
        command += ["--rounds", str(self.rounds), "--workers", str(WORKERS)]
        command += [word for value in sets for word in ("--set", value)]
        log = (self.folder / "output").open("ab")
        results = {"PREFECT_LOCAL_STORAGE_PATH": str(self.results)}
        environment = {**os.environ, **results, "NIGHTSHIFT_HOME": str(self.home)}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)

    def trainings(self) -> list[str]:
        log = self.folder / "calls"
        words = log.read_text().split() if log.exists() else []
        return [word.removeprefix("trained:") for word in words if word.startswith("trained:")]

    @property
    def results(self) -> Path:
        return self.home / "artefacts" / "results"

    def trained_results(self) -> set[str]:
        """Rounds whose training is stored, whole: a file cut off by the kill is no result."""
        whole = [path for path in self.results.glob("*.train.*") if _is_json(path.read_bytes())]
        return {path.name.split(".")[0] for path in whole}

    def stored_questions(self) -> set[str]:
        with Archive.open(f"sqlite:///{self.home / 'nightshift.db'}") as archive:
            rounds = [round_id(NAME, index) for index in range(self.rounds + 1)]
            calls = [call for identity in rounds for call in archive.calls(identity)]
        return {json.loads(call.prompt)[-1]["content"] for call in calls}

    def kill(self, process: subprocess.Popen[bytes], after_s: float) -> bool:
        """Let the process work for a while, kill it, and note what must not happen again. False: it was done."""
        seen = len(self.trainings())
        while len(self.trainings()) < seen + 2 and process.poll() is None:
            time.sleep(0.01)
        time.sleep(after_s)
        if process.poll() is not None:
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.kills += 1
        self.check()
        self.persisted, self.answered = self.trained_results(), self.stored_questions()
        self.trainings_then, self.requests_then = len(self.trainings()), len(self.server.requests)
        return True

    trainings_then: int = 0
    requests_then: int = 0

    def check(self) -> None:
        """Since the last kill, nothing persisted before it was done again."""
        assert not self.persisted & set(self.trainings()[self.trainings_then :])
        assert not self.answered & set(self.asked()[self.requests_then :])

    def asked(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.server.requests]


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("kills", "rounds"), [(1, 6), pytest.param(20, 80, marks=pytest.mark.slow)], ids=["one kill", "twenty kills"]
)
def test_killed_and_resumed(kills: int, rounds: int, prefect_home: Path, tmp_path: Path) -> None:
    rng = random.Random(20)
    with ScriptedServer(Script(latency_s=0.1)) as server:
        night = Night(tmp_path, rounds, server)
        process = night.start()
        while night.kills < kills and night.kill(process, rng.uniform(0.0, 1.0)):
            process = night.start()
        assert night.kills == kills, "the campaign ended before it was killed often enough"
        assert process.wait(timeout=300) == 0, (tmp_path / "output").read_text()[-2000:]
        night.check()
        # What the checks compare is what they are meant to compare: stored names and questions are those of the logs.
        assert night.persisted
        assert night.persisted <= set(night.trainings())
        assert night.answered
        assert night.answered <= set(night.asked())
    with Archive.open(f"sqlite:///{night.home / 'nightshift.db'}") as archive:
        assert archive.recorded_rounds(NAME) == frozenset(range(rounds + 1))
        stored = sum(len(archive.calls(round_id(NAME, index))) for index in range(rounds + 1))
    # Repeated work is what was in flight when the process died, and nothing else.
    assert len(night.trainings()) - (rounds + 1) <= kills * WORKERS
    assert len(server.requests) - stored <= kills * WORKERS
