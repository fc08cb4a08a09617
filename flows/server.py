"""A local Prefect server, tuned for one machine: `python -m flows.server --port 4200`.

What differs from `prefect server start` is about SQLite, which has one writer. Requests that read and then write can
lose against the task-run recorder's commits; the server then answers 503 and the client sleeps two seconds. Here the
recorder commits in batches (flows/local_server.py sets that), every 503 tells the client to come back after 50 ms,
requests that may write take turns, and nobody waits a minute for a lock.

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

RETRY_AFTER_S = b"0.05"
BUSY_TIMEOUT_MS = 2_000


def hurry_retries(app: ASGIApp) -> ASGIApp:
    """Add `Retry-After` to the 503 answers of `app`, so that a client comes back soon instead of in two seconds."""

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        async def send_hurried(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 503:
                message["headers"] = [*message.get("headers", []), (b"retry-after", RETRY_AFTER_S)]
            await send(message)

        await app(scope, receive, send_hurried)

    return wrapped


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

    app = hurry_retries(create_app(final=True))
    if os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite").startswith("sqlite"):
        wait_briefly_for_locks()
        app = one_writer(app)
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
