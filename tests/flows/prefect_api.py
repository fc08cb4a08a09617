"""Asks a Prefect server as its clients do: 503 means that its database is locked, and one comes back."""

from __future__ import annotations

import time
from typing import Any

import httpx

GIVE_UP_S = 60.0


def post(url: str, body: dict[str, Any]) -> Any:
    """The JSON answer. Raises httpx.HTTPStatusError for a refusal, or after a minute of 503."""
    deadline = time.monotonic() + GIVE_UP_S
    answer = httpx.post(url, json=body, timeout=30)
    while answer.status_code == 503 and time.monotonic() < deadline:
        time.sleep(float(answer.headers.get("retry-after", "0.2")))
        answer = httpx.post(url, json=body, timeout=30)
    return answer.raise_for_status().json()
