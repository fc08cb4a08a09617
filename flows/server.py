"""A local Prefect server, tuned for one machine: `python -m flows.server --port 4200`.

What differs from `prefect server start` is about SQLite, which has one writer. Requests that read and then write can
lose against the task-run recorder's commits; the server then answers 503 and the client sleeps two seconds. Here the
recorder commits in batches (flows/local_server.py sets that), a busy answer is tried again here after 50 ms, requests
that may write take turns, and nobody waits a minute for a lock.

It does not supervise anything, and it listens on 127.0.0.1 unless told otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

TRIES = 60
PAUSE_S = 0.05
BUSY_TIMEOUT_MS = 2_000


def try_again(app: ASGIApp) -> ASGIApp:
    """Answer a 503 of `app` by asking it again, with the same request, up to TRIES times.

    Prefect answers 503 when SQLite was busy and the transaction was rolled back, so asking again repeats nothing. Its
    client would do the same after two seconds, and give up after a few times.
    """

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body = await _whole_body(receive)
        for attempt in range(TRIES):
            if await _answered(app, scope, body, receive, send, is_last=attempt == TRIES - 1):
                return
            await asyncio.sleep(PAUSE_S)

    return wrapped


async def _whole_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body", False))
    return body


async def _answered(app: ASGIApp, scope: Message, body: bytes, receive: Receive, send: Send, *, is_last: bool) -> bool:
    """Ask once; False if the answer was a 503 that was held back."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]
    held_back = False

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    async def send_unless_busy(message: Message) -> None:
        nonlocal held_back
        if message["type"] == "http.response.start" and message["status"] == 503 and not is_last:
            held_back = True
        if not held_back:
            await send(message)

    await app({**scope, "state": dict(scope.get("state", {}))}, receive_again, send_unless_busy)
    return not held_back


def one_writer(app: ASGIApp) -> ASGIApp:
    """Let requests that may write take turns.

    SQLite has one writer. Several requests at once only wait for each other inside the database, holding connections
    that the one at work may need: with four concurrent rounds the whole server then stands still for a minute.
    """
    turn = asyncio.Lock()

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await app(scope, receive, send)
            return
        async with turn:
            await app(scope, receive, send)

    return wrapped


def wait_briefly_for_locks() -> None:
    """Let SQLite connections wait for a lock for seconds instead of Prefect's 60.

    Now and then two of the server's transactions wait for each other. Whoever gives up first is tried again (requests
    by the client, events by the recorder), so the length of this wait is the length of the standstill.
    """
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    @event.listens_for(Pool, "checkout")
    def shorten(connection: Any, record: Any, proxy: Any) -> None:
        if "nightshift_busy_timeout" not in record.info:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            cursor.close()
            record.info["nightshift_busy_timeout"] = BUSY_TIMEOUT_MS


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4200)
    arguments = parser.parse_args()
    import uvicorn
    from prefect.server.api.server import create_app

    if os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite").startswith("sqlite"):
        wait_briefly_for_locks()
    uvicorn.run(
        one_writer(try_again(create_app(final=True))),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
