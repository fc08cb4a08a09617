"""The ASGI wrappers around Prefect's server, on fake applications."""

import asyncio
from typing import Any

import pytest

from flows.server import TRIES, one_writer, try_again


class Busy:
    """Answers 503 a number of times, then 201; remembers the bodies it was sent."""

    def __init__(self, busy: int) -> None:
        self.busy = busy
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.bodies.append((await receive())["body"])
        status = 503 if len(self.bodies) <= self.busy else 201
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": str(status).encode()})


async def _post(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr("flows.server.PAUSE_S", 0.0)
    first = {"type": "http.request", "body": b"a", "more_body": True}
    parts = [{"type": "http.request", "body": b"b", "more_body": False}, first]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await try_again(app)({"type": "http", "method": "POST"}, receive, send)
    return sent


async def test_a_busy_answer_is_asked_for_again_with_the_same_body(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Busy(2)
    sent = await _post(app, monkeypatch)
    assert app.bodies == [b"ab"] * 3
    assert [message.get("status") or message["body"] for message in sent] == [201, b"201"]


async def test_a_server_that_stays_busy_says_so_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Busy(10_000)
    sent = await _post(app, monkeypatch)
    assert len(app.bodies) == TRIES
    assert sent[0]["status"] == 503


@pytest.mark.parametrize(("method", "at_once"), [("POST", 1), ("GET", 3)])
async def test_requests_that_may_write_take_turns_and_reads_do_not(method: str, at_once: int) -> None:
    inside = most = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    async def nothing(*_: Any) -> Any:
        return None

    wrapped = one_writer(app)
    await asyncio.gather(*(wrapped({"type": "http", "method": method}, nothing, nothing) for _ in range(3)))
    assert most == at_once
