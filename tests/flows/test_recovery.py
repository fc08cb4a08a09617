"""Nights without anyone: processes are killed, and what is left takes their work up. Nothing is lost or doubled.

`pytest -m recovery -o log_cli=true --log-cli-level=INFO`. Every test kills something else under a running campaign of
the toy problem and waits for its end.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from flows import local_server, services
from flows.fleet import WORKER
from tests.flows.fleet import Fleet, wait_for

logger = logging.getLogger(__name__)

ROUNDS = 8
WITHIN_S = 180  # the time in which a crashed run must be at work again


def _begin(fleet: Fleet, name: str) -> None:
    """A night of eight rounds of a second each, started as its schedule would start it, and two rounds into it."""
    toml = fleet.toml(name, rounds=100, options={"sleep_s": 1.0}, tracking={"enabled": False})
    deployed = fleet.nightshift("deploy", str(toml), "--rounds-per-night", str(ROUNDS))
    assert deployed.returncode == 0, deployed.stderr
    fleet.run_deployment(f"nightly/nightly-{name}", f"night-of-{name}")
    wait_for(lambda: len(fleet.recorded(name)) >= 3, "two rounds of the night", 120)


def _night(fleet: Fleet, name: str) -> dict[str, Any]:
    """The night's flow run: always the same one. Its name follows the flow's template once it runs."""
    (run,) = fleet.flow_runs(f"nightly-{name}")
    return run


def _check(fleet: Fleet, name: str, kills: int = 1) -> None:
    assert fleet.recorded(name) == frozenset(range(ROUNDS + 1))
    # The night ends with a promotion, which trains the best on further seeds.
    trained = {call: count for call, count in fleet.calls().items() if call.startswith(f"on-seed:{name}-")}
    assert len({call.split(":")[1] for call in trained}) == ROUNDS + 1
    assert sum(trained.values()) - len(trained) <= 2 * kills  # what was in flight, and nothing else


def _kill_flow(fleet: Fleet, name: str) -> None:
    os.kill(int(_night(fleet, name)["infrastructure_pid"].split(":")[-1]), signal.SIGKILL)


def _kill_flow_and_worker(fleet: Fleet, name: str) -> None:
    """Nobody is left who saw the flow die: only its silence tells."""
    flow = int(_night(fleet, name)["infrastructure_pid"].split(":")[-1])
    os.kill(fleet.worker_pid, signal.SIGKILL)
    os.kill(flow, signal.SIGKILL)


@pytest.mark.recovery
@pytest.mark.parametrize("kill", [_kill_flow, _kill_flow_and_worker], ids=["flow", "flow and worker"])
def test_a_killed_night_goes_on_by_itself(fleet: Fleet, kill: Callable[[Fleet, str], None]) -> None:
    name = f"night{len(fleet.toml_names())}"
    _begin(fleet, name)
    before = fleet.recorded(name)
    kill(fleet, name)
    killed = time.monotonic()
    wait_for(lambda: fleet.recorded(name) > before, "the first round after the kill", WITHIN_S)
    logger.info("%s: at work again after %.0f s", kill.__name__, time.monotonic() - killed)
    wait_for(lambda: _night(fleet, name)["state_name"] == "Completed", "the night's end", 120)
    assert services.alive(fleet.home, WORKER) is not None
    _check(fleet, name)


@pytest.mark.recovery
def test_a_killed_prefect_server_is_started_again_and_the_night_goes_on(fleet: Fleet) -> None:
    _begin(fleet, "serverless")
    former = fleet.server
    os.kill(former.pid, signal.SIGKILL)
    wait_for(lambda: services.find(fleet.home, local_server.PREFECT), "a new server", 60)
    assert fleet.server.pid != former.pid
    assert fleet.server.port == former.port
    wait_for(lambda: _night(fleet, "serverless")["state_name"] == "Completed", "the night's end", WITHIN_S)
    _check(fleet, "serverless")


@pytest.mark.recovery
def test_a_process_that_was_only_asleep_records_nothing_twice(fleet: Fleet) -> None:
    toml = fleet.toml("sleeper", rounds=4, options={"sleep_s": 1.0}, tracking={"enabled": False})
    asleep = fleet.start("run", str(toml))
    wait_for(lambda: fleet.calls()["trained:sleeper-0002"] >= 1, "a round in flight", 120)
    os.kill(asleep.pid, signal.SIGSTOP)  # the lid is closed in mid-training
    time.sleep(6)  # longer than the lease of 5 s
    other = fleet.nightshift("resume", "sleeper", timeout_s=300)
    assert other.returncode == 0, other.stderr
    assert fleet.recorded("sleeper") == frozenset(range(5))
    os.kill(asleep.pid, signal.SIGCONT)
    asleep.communicate(timeout=120)
    assert fleet.recorded("sleeper") == frozenset(range(5))
    from cognition.archive import Archive

    with Archive.open(fleet.home.archive_url) as archive:
        candidates = [candidate.id for candidate in archive.recent("sleeper", 20)]
    assert sorted(candidates) == [f"sleeper-000{index}" for index in range(5)]
