"""Where answers are kept, so that none is paid for twice. The archive implements it; the one here is for tests."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from typing import Protocol

from cognition.records import ModelCall
from tasks.llm.settings import Message, ModelSettings


class Ledger(Protocol):
    """Keeps model calls by (round, role, attempt, prompt hash).

    Called on the event loop, without an await between an answer's arrival and `save_call`, so that a cancelled step
    cannot lose what was paid for: an implementation answers within milliseconds and is safe to call from any thread.
    """

    def find_call(self, round_id: str, role: str, attempt: int, prompt_hash: str) -> ModelCall | None:
        """The call stored under that key, field for field as it was saved, or None."""

    def save_call(self, call: ModelCall) -> None:
        """Store a call durably. Saving under a key that exists keeps the first."""


class MemoryLedger:
    """A ledger that lives as long as the process."""

    def __init__(self) -> None:
        """Empty."""
        self._calls: dict[tuple[str, str, int, str], ModelCall] = {}
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[ModelCall]:
        """Everything saved, in order."""
        return list(self._calls.values())

    def find_call(self, round_id: str, role: str, attempt: int, prompt_hash: str) -> ModelCall | None:
        """See Ledger."""
        return self._calls.get((round_id, role, attempt, prompt_hash))

    def save_call(self, call: ModelCall) -> None:
        """See Ledger."""
        with self._lock:
            self._calls.setdefault((call.round_id, call.role, call.attempt, call.prompt_hash), call)


def prompt_text(messages: Sequence[Message]) -> str:
    """The messages as the JSON that is kept in the ledger."""
    return json.dumps([{"role": m.speaker, "content": m.text} for m in messages], ensure_ascii=False)


def prompt_hash(settings: ModelSettings, form: str, prompt: str) -> str:
    """What tells two requests apart. The address is left out: the same model elsewhere answers for the same money."""
    parts = json.dumps([settings.model, settings.temperature, settings.max_tokens, form, prompt])
    return hashlib.sha256(parts.encode()).hexdigest()
