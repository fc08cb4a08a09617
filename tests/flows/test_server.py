"""The ASGI wrapper around Prefect's server, on a fake application."""

from typing import Any

from flows.server import hurry_retries


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
