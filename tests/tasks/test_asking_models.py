"""Trusted code in a worker thread asks the campaign's models on the campaign's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from cognition.records import Failure, FailureKind
from tasks.asking_models import AT_ONCE, LoopAsker, about
from tasks.contract import Asker, Question
from tasks.llm import Message


class Number(BaseModel):
    value: int


class Scripted:
    """A model that answers with the length of the question's text; an empty one it cannot answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.at_once = self.most = 0

    async def ask(self, role: str, round_id: str, attempt: int, messages: Sequence[Message], kind: Any) -> Any:
        self.calls.append((role, round_id))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        length = messages[-1].text.count("x")
        if not length:
            return Failure(FailureKind.UNUSABLE, "prose")
        return type("Answer", (), {"value": kind(value=length)})()


async def test_answers_come_in_order_and_belong_to_the_round() -> None:
    model: Any = Scripted()
    asker: Asker = LoopAsker(model, frozenset({"judge"}))
    questions = [Question("Count.", (("letters", "x" * length),)) for length in range(20)]
    with about("campaign-0007"):
        answers = await asyncio.to_thread(asker.ask_all, "judge", questions, Number)
    assert isinstance(answers[0], Failure)
    assert [answer.value for answer in answers if isinstance(answer, Number)] == list(range(1, 20))
    assert set(model.calls) == {("judge", "campaign-0007")}
    assert 1 < model.most <= AT_ONCE
    assert (asker.serves("judge"), asker.serves("analyzer")) == (True, False)


async def test_an_error_of_the_server_reaches_the_thread_that_asked() -> None:
    class Down:
        async def ask(self, *_: Any) -> Any:
            raise ConnectionError("down")

    model: Any = Down()
    with about("campaign-0001"), pytest.raises(ConnectionError):
        await asyncio.to_thread(LoopAsker(model, frozenset()).ask_all, "judge", [Question("?", ())], Number)


async def test_nobody_asks_outside_of_a_round() -> None:
    model: Any = Scripted()
    with pytest.raises(LookupError):
        await asyncio.to_thread(LoopAsker(model, frozenset()).ask_all, "judge", [Question("?", ())], Number)
