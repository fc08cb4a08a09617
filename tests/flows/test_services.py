"""Local services: known by their process, not by whoever answers on their port; started anew when outdated."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from flows import fleet, services
from flows.home import Home, open_home
from flows.services import ServerError, Service
from flows.supervisor import Watch
from tasks import processes

SERVE = """
import http.server, sys
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')
"""
LATE = "import time; time.sleep(60)"


def _service(code: str, tied_to: str = "", port: int = 0) -> Service:
    def command(home: Home, host: str, port: int) -> list[str]:
        return [sys.executable, "-c", code, str(port)]

    def environment(home: Home, host: str, port: int) -> Mapping[str, str]:
        return {}

    return Service("toy-server", command, environment, port, "/", lambda home: tied_to)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Home]:
    home = open_home(tmp_path)
    yield home
    services.stop(home, _service(SERVE))


def test_started_once_found_again_and_stopped(place: Home) -> None:
    service = _service(SERVE)
    first = services.ensure(place, service)
    assert services.ensure(place, service) == first
    assert services.find(place, service) == first
    assert services.stop(place, service)
    assert services.find(place, service) is None
    assert not services.stop(place, service)


def test_killed_it_comes_back_on_its_port(place: Home) -> None:
    service = _service(SERVE)
    first = services.ensure(place, service)
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)
    second = services.ensure(place, service)
    assert (second.port, second.pid != first.pid) == (first.port, True)


def test_one_that_falls_silent_gets_no_twin_and_its_port_is_kept(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("SLOW_S", "HEALTH_TIMEOUT_S", "PATIENCE_S"):
        monkeypatch.setattr(services, patience, 0.2)
    service = _service(SERVE)
    first = services.ensure(place, service)
    os.kill(first.pid, signal.SIGSTOP)  # it hangs: alive, no answer, and SIGTERM does not reach it
    second = services.ensure(place, service)
    assert (second.port, second.pid != first.pid) == (first.port, True)
    assert processes.started(first.pid) is None


def test_a_service_that_listens_elsewhere_is_not_taken_for_the_one_that_was_asked_for(place: Home) -> None:
    service = _service(SERVE)
    first = services.ensure(place, service, "127.0.0.1")
    assert services.ensure(place, service) == first
    with pytest.raises(ServerError, match=r"listens on 127.0.0.1, not 0.0.0.0: `nightshift down` first"):
        services.ensure(place, service, "0.0.0.0")


def test_what_listens_everywhere_is_named_by_an_address_that_leads_there() -> None:
    everywhere = services.Running(1, 0.0, 4200, "0.0.0.0")
    assert everywhere.api_url == "http://127.0.0.1:4200/api"
    assert "0.0.0.0" not in everywhere.ui_url
    one = services.Running(1, 0.0, 4200, "10.1.2.3")
    assert (one.api_url, one.ui_url) == ("http://10.1.2.3:4200/api", "http://10.1.2.3:4200")


def test_silence_counts_only_while_what_a_service_needs_answers(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker cannot ask a server that is away for work; that is no reason to end it and what it runs."""
    started: list[str] = []
    monkeypatch.setattr(services, "alive", lambda home, service: services.Running(1, 0.0, 1))
    monkeypatch.setattr(services, "answers", lambda service, running: False)
    monkeypatch.setattr(services, "ensure", lambda home, service: started.append(service.name))
    server = Watch(_service(SERVE), last_answer=0.0)
    worker = Watch(replace(_service(LATE), name="toy-worker", silent_s=60.0), last_answer=0.0, needs=server)
    worker.look(place, 1_000.0)
    assert started == []
    server.last_answer = 1_050.0
    worker.look(place, 1_055.0)
    assert started == []
    server.last_answer = 1_100.0
    worker.look(place, 1_101.0)
    assert started == ["toy-worker"]


def test_what_it_is_tied_to_has_changed_so_it_is_started_anew(place: Home) -> None:
    first = services.ensure(place, _service(SERVE, "http://127.0.0.1:1"))
    second = services.ensure(place, _service(SERVE, "http://127.0.0.1:2"))
    assert second.pid != first.pid
    assert processes.started(first.pid) is None


def test_another_programs_answer_is_not_taken_for_its_own(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two state folders that start at once may choose the same port; one of them is slower."""
    monkeypatch.setattr(services, "START_TIMEOUT_S", 1.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        monkeypatch.setattr(services, "free_port", lambda *_: other.server_port)
        with pytest.raises(ServerError, match="did not answer"):
            services.ensure(place, _service(LATE))
        other.shutdown()


def test_a_port_that_is_taken_while_it_starts_is_left_to_the_other(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = services.free_port
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        answers = iter([taken])  # it was free when it was looked for
        monkeypatch.setattr(services, "free_port", lambda *asked: next(answers, None) or free_port(*asked))
        running = services.ensure(place, _service(SERVE))
    assert running.port != taken


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    child = subprocess.Popen([sys.executable, "-c", LATE])
    began = processes.started(child.pid)
    assert began is not None
    assert processes.is_same(child.pid, began)
    assert not processes.is_same(child.pid, began - 1.0)
    child.kill()
    time.sleep(0.05)
    assert processes.started(child.pid) is None  # a zombie does nothing any more
    child.wait()
    assert processes.started(child.pid) is None


def test_a_prefect_that_was_imported_before_talks_to_this_folders_server(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it starts a temporary server of its own, and deployments are lost with it."""
    from prefect.settings import get_current_settings

    from flows import fleet

    monkeypatch.setattr(fleet, "prefect_api", lambda home: "http://127.0.0.1:7/api")
    before = get_current_settings().api.url
    with fleet.connected(place):
        assert get_current_settings().api.url == "http://127.0.0.1:7/api"
    assert get_current_settings().api.url == before


def test_no_foreign_web_page_may_call_the_prefect_server(prefect_home: Path) -> None:
    url = os.environ["PREFECT_API_URL"]
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    foreign = httpx.options(f"{url}/flow_runs/filter", headers={"Origin": "http://evil.example", **asked})
    assert "access-control-allow-origin" not in foreign.headers
    own = httpx.options(f"{url}/flow_runs/filter", headers={"Origin": url.removesuffix("/api"), **asked})
    assert own.headers["access-control-allow-origin"] == url.removesuffix("/api")


SILENT = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)
http.server.test(Handler, port=int(sys.argv[1]), bind='127.0.0.1')
"""


def test_one_that_listens_but_is_never_ready_gets_no_twin(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "START_TIMEOUT_S", 2.0)
    started: list[int] = []
    launched = subprocess.Popen

    def counted(*arguments: object, **named: object) -> object:
        process = launched(*arguments, **named)  # type: ignore[call-overload]  # passed on as they came
        started.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", counted)
    with pytest.raises(ServerError, match="did not answer"):
        services.ensure(place, _service(SILENT))
    running = services.recorded(place, _service(SILENT))
    assert running is not None
    assert started == [running.pid]


def test_what_died_leaves_no_address_behind_once_stopped(place: Home) -> None:
    service = _service(SERVE)
    first = services.ensure(place, service)
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)
    assert not services.stop(place, service)
    assert services.recorded(place, service) is None


def test_one_that_ends_by_itself_is_ended(place: Home) -> None:
    service = _service(SERVE)
    first = services.ensure(place, service)
    os.kill(first.pid, 9)
    os.waitpid(first.pid, 0)
    services._end(first)  # it was alive when somebody looked


def test_a_supervisor_with_other_addresses_is_outdated(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end the worker that `up` has just started for the new address."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    running = services.Running(1, 0.0, 0, tied_to=fleet.SUPERVISOR.tied_to(place))
    assert not services.is_outdated(place, fleet.SUPERVISOR, running)
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere:4200/api")
    assert services.is_outdated(place, fleet.SUPERVISOR, running)


def test_a_workers_silence_means_nothing_while_a_given_server_is_away(place: Home) -> None:
    """To end it would end the rounds that it runs."""
    silent = replace(_service(SERVE), silent_s=1.0)
    running = services.ensure(place, silent)
    os.kill(running.pid, signal.SIGSTOP)
    try:
        away = f"http://127.0.0.1:{services.free_port()}/api"
        watch = Watch(silent, last_answer=0.0, needs_url=away, next_question=1e9)
        watch.look(place, 100.0)
        assert (services.alive(place, silent), watch.last_answer) == (running, 100.0)
    finally:
        os.kill(running.pid, signal.SIGCONT)


def test_a_server_that_refuses_is_there_and_one_that_is_gone_is_not(place: Home) -> None:
    running = services.ensure(place, _service(SERVE))
    assert services.reachable(f"{running.local_url}/not-there")
    services.stop(place, _service(SERVE))
    assert not services.reachable(running.local_url)
