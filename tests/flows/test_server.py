"""The ASGI wrappers around Prefect's server, on fake applications."""

import asyncio
from typing import Any

import pytest

from flows.server import hurry_retries, one_writer


async def _headers_of(status: int) -> list[tuple[bytes, bytes]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"x", b"y")]})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    await hurry_retries(app)({"type": "http"}, receive, send)
    return list(sent[0]["headers"])


async def test_a_503_says_come_back_soon() -> None:
    assert await _headers_of(503) == [(b"x", b"y"), (b"retry-after", b"0.05")]


async def test_other_answers_are_left_alone() -> None:
    assert await _headers_of(200) == [(b"x", b"y")]


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
