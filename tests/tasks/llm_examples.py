"""A small question and a model at a scripted server, shared by the tests of tasks/llm."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from cognition.records import Failure
from tasks.llm import Answer, Budget, MemoryLedger, Message, Model, ModelSettings
from tests.scripted_server import ScriptedServer


class Idea(BaseModel):
    motivation: str = Field(description="why")
    code: str = Field(description="the program")


MESSAGES = [Message("system", "Be brief."), Message("user", "Improve it.")]


def settings(server: ScriptedServer, **changes: Any) -> ModelSettings:
    quick = {"model": "scripted", "base_url": server.base_url, "timeout_s": 5.0, "retries": 2, "backoff_s": 0.01}
    return ModelSettings(**{**quick, **changes})


def model(
    server: ScriptedServer, ledger: MemoryLedger | None = None, budget: Budget | None = None, **changes: Any
) -> Model:
    return Model({"researcher": settings(server, **changes)}, ledger or MemoryLedger(), budget)


async def ask(asked: Model, attempt: int = 0, text: str = "Improve it.") -> Answer[Idea] | Failure:
    return await asked.ask("researcher", "r-0001", attempt, [MESSAGES[0], Message("user", text)], Idea)


async def ask_once(server: ScriptedServer, **changes: Any) -> Answer[Idea] | Failure:
    async with model(server, **changes) as asked:
        return await ask(asked)
