"""One chat request with its retries. Imports openai only when a request is made, as does tasks/embedding.py alone.

What can happen to a request, and what becomes of it:

- an answer, good or bad: `Reply`
- 400, 404, 422: `Rejected`; the caller may ask in another form
- 408, 409, 425, 429, 5xx, refused, broken or hung connections, an error in place of choices: tried again with
  exponential waits, then ModelServerDown
- 401, 402, 403, 413, no credit, a web page instead of JSON, no key: ModelMisconfigured at once

Exceptions are raised outside the handlers of openai's own, which carry the request and so the key.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import os
import random
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cognition.records import MachineFault
from tasks.llm.rate import Rates
from tasks.llm.settings import ModelSettings

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_logger = logging.getLogger(__name__)
TRANSIENT = frozenset({408, 409, 425, 429})
_REJECTED = frozenset({400, 404, 422})


class ModelServerDown(MachineFault):
    """The model server gave no answer within the retries. The step can be run again later."""

    may_pass = False  # not at once: its own retries are used up


class ModelMisconfigured(MachineFault):
    """The model server answers, but not to us: key, address, model name or a setting is wrong. Retrying is no use."""

    may_pass = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came. Token counts are None if the server did not count."""

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    latency_s: float


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server does not take the request as it is."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Trouble:
    """No answer this time. Kept as a value so that openai's exception can go."""

    reason: str
    is_transient: bool
    retry_after_s: float | None = None


Outcome = Reply | Rejected | _Trouble


class Servers:
    """The clients of one process: one per event loop, address and key."""

    def __init__(self, jitter: random.Random, rates: Rates | None = None) -> None:
        """`jitter` spreads the retries of concurrent rounds; `rates` keeps requests apart."""
        self._jitter = jitter
        self._rates = rates or Rates()
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], AsyncOpenAI]] = (
            weakref.WeakKeyDictionary()
        )

    async def chat(self, settings: ModelSettings, request: dict[str, Any]) -> Reply | Rejected:
        """Send one request. Raises ModelServerDown and ModelMisconfigured."""
        client = self._client(settings)
        retry = 0
        while isinstance(result := await self._try(client, settings, request), _Trouble):
            if not result.is_transient:
                raise ModelMisconfigured(f"{_who(settings)}: {result.reason}")
            if retry == settings.retries:
                raise ModelServerDown(
                    f"{_who(settings)} gave no answer in {retry + 1} tries; the last one: {result.reason}. "
                    "Check that the server runs and can be reached, then run the step again."
                )
            pause_s = wait_s(retry, result.retry_after_s, settings, self._jitter)
            _logger.warning("%s: %s; next try in %.1f s", _who(settings), result.reason, pause_s)
            await asyncio.sleep(pause_s)
            retry += 1
        return result

    async def _try(self, client: AsyncOpenAI, settings: ModelSettings, request: dict[str, Any]) -> Outcome:
        async with self._rates.turn(settings.base_url):  # waiting for a turn is no part of the request's time-out
            return await _send(client, settings, request)

    async def aclose(self) -> None:
        """Close the clients of the running event loop."""
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.close()

    def _client(self, settings: ModelSettings) -> AsyncOpenAI:
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        place = (settings.base_url, settings.key_variable)
        if place not in clients:
            from openai import AsyncOpenAI

            # max_retries=0: the retries are ours, so that they are counted and bounded in one place.
            clients[place] = AsyncOpenAI(base_url=settings.base_url, api_key=api_key(settings), max_retries=0)
        return clients[place]


def wait_s(retry: int, retry_after_s: float | None, settings: ModelSettings, jitter: random.Random) -> float:
    """How long to wait before the next try: at least what the server asks for, never more than max_wait_s."""
    # min() inside the power: 2.0**retry overflows for a very large number of retries.
    backoff_s = settings.backoff_s * 2.0 ** min(retry, 30) * jitter.uniform(0.5, 1.5)
    return min(max(backoff_s, retry_after_s or 0.0), settings.max_wait_s)


async def _send(client: AsyncOpenAI, settings: ModelSettings, request: dict[str, Any]) -> Outcome:
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    started = time.monotonic()
    try:
        # Total time: the client's own timeout starts again with every byte.
        async with asyncio.timeout(settings.timeout_s):
            response = await client.chat.completions.with_raw_response.create(**request, timeout=settings.timeout_s)
    except (TimeoutError, APITimeoutError):
        return _Trouble(f"no answer within {settings.timeout_s:g} s (timeout_s)", is_transient=True)
    except APIStatusError as error:
        return _refusal(error, settings)
    except APIConnectionError as error:
        cause = type(error.__cause__).__name__ if error.__cause__ else type(error).__name__
        return _Trouble(f"connection failed ({cause})", is_transient=True)
    return _reply(response.text, time.monotonic() - started)


def _refusal(error: APIStatusError, settings: ModelSettings) -> Rejected | _Trouble:
    status, said = error.status_code, _quote(error.message, settings)
    if error.code == "insufficient_quota" or status == 402:
        return _Trouble(f"no credit left (HTTP {status}): {said}. Top up the account or choose another model", False)
    if status in {401, 403}:
        return _Trouble(f"access refused (HTTP {status}): {said}. {_key_advice(settings)}", is_transient=False)
    if status in _REJECTED:
        return Rejected(status, said)
    if status in TRANSIENT or status >= 500:
        wanted_s = _retry_after_s(error.response.headers.get("retry-after"))
        return _Trouble(f"HTTP {status}: {said}", is_transient=True, retry_after_s=wanted_s)
    return _Trouble(f"HTTP {status}: {said}. Check base_url, model and max_tokens", is_transient=False)


def _reply(body: str, latency_s: float) -> Reply | _Trouble:
    try:
        content = json.loads(body)
        text = content["choices"][0]["message"].get("content") or ""
    except json.JSONDecodeError:
        if body.lstrip().startswith("{"):  # an answer, cut off on its way: kept as it is, and not usable
            return Reply(body, None, None, latency_s)
        advice = "Check base_url: it usually ends in /v1"
        return _Trouble(f"expected the JSON of a chat completion, came {body[:80]!r}. {advice}", is_transient=False)
    except (KeyError, IndexError, TypeError, AttributeError):
        return _Trouble(f"an answer without choices: {body[:200]!r}", is_transient=True)
    usage = content.get("usage") or {}
    return Reply(str(text), usage.get("prompt_tokens"), usage.get("completion_tokens"), latency_s)


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def api_key(settings: ModelSettings) -> str:
    """The key to send, never shown. Raises ModelMisconfigured if there is none where one is wanted."""
    if not settings.key_variable:
        return "none"  # the client insists on one; local servers ignore it
    key = _secret(settings)
    # A key that no HTTP header can carry would come back inside the error of whoever tries to send it.
    if not key or not key.isascii() or not key.isprintable():
        raise ModelMisconfigured(f"{_who(settings)}: {_key_advice(settings)}")
    return key


def _secret(settings: ModelSettings) -> str:
    return os.environ.get(settings.key_variable, "").strip() if settings.key_variable else ""


def _key_advice(settings: ModelSettings) -> str:
    if not settings.key_variable:
        return "No key was sent: set api_key_env to the name of the environment variable that holds it"
    return (
        f"Put a valid key into the environment variable {settings.key_variable}, "
        'or set api_key_env to another variable ("" for a server that needs no key)'
    )


def _quote(text: str, settings: ModelSettings) -> str:
    """What the server said, on one short line, without the key that some servers repeat."""
    key = _secret(settings)
    return " ".join((text.replace(key, "[key]") if key else text).split())[:300]


def _who(settings: ModelSettings) -> str:
    return f"The model server at {settings.base_url} (model {settings.model})"
