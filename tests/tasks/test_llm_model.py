"""`Model.ask` against a scripted server: answers are typed, stored before they are read, and paid for once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cognition.records import Failure, FailureKind, MachineFault, ModelCall
from tasks.llm import (
    Answer,
    Budget,
    BudgetExhausted,
    BudgetLimits,
    MemoryLedger,
    Model,
    ModelServerDown,
    ModelSettings,
    Spent,
)
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.llm_examples import Idea, ask, ask_once, model, settings

# Answers


@pytest.mark.parametrize(("structured", "has_schema"), [("auto", True), ("json_schema", True), ("tags", False)])
async def test_a_good_answer_is_typed_in_either_form(structured: str, has_schema: bool) -> None:
    with ScriptedServer() as server:
        answer = await ask_once(server, structured=structured)
    assert isinstance(answer, Answer)
    assert "VALUE =" in answer.value.code
    assert [("response_format" in body) for body in server.requests] == [has_schema]


async def test_only_set_parameters_are_sent() -> None:
    with ScriptedServer() as server:
        await ask_once(server, structured="tags", max_tokens=77)
        await ask_once(server, structured="tags", temperature=0.5)
    assert [sorted(body) for body in server.requests] == [
        ["max_tokens", "messages", "model"],
        ["max_tokens", "messages", "model", "temperature"],
    ]
    assert server.requests[0]["max_tokens"] == 77


async def test_the_ledger_has_usage_price_and_the_raw_answer() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        prices: dict[str, Any] = {"price_prompt_usd_per_mtok": 1.0, "price_completion_usd_per_mtok": 10.0}
        async with model(server, ledger, **prices) as asked:
            answer = await ask(asked)
    assert isinstance(answer, Answer)
    assert ledger.calls == [answer.call]
    call = answer.call
    assert (call.round_id, call.role, call.attempt, call.model) == ("r-0001", "researcher", 0, "scripted")
    assert Idea.model_validate_json(call.answer) == answer.value
    assert call.prompt_tokens > 0
    assert call.price_usd == pytest.approx((call.prompt_tokens + 10 * call.completion_tokens) / 1e6)


@pytest.mark.parametrize("no_usage", [True, False])
async def test_an_unknown_price_is_none(no_usage: bool) -> None:
    prices: dict[str, Any] = (
        {"price_prompt_usd_per_mtok": 1.0, "price_completion_usd_per_mtok": 10.0} if no_usage else {}
    )
    with ScriptedServer(Script(no_usage=no_usage)) as server:
        answer = await ask_once(server, **prices)
    assert isinstance(answer, Answer)
    assert answer.call.price_usd is None
    assert answer.call.prompt_tokens > 0


# Paid once


async def test_an_answer_received_is_never_asked_for_again() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        async with model(server, ledger) as asked:
            first = await ask(asked)
        async with model(server, ledger) as asked:  # another process: nothing remembered but the ledger
            second = await ask(asked)
            third = await ask(asked, attempt=1)
    assert first == second
    assert isinstance(third, Answer)
    assert third.call.attempt == 1
    assert server.counts.snapshot()["requests"] == 2


@pytest.mark.parametrize("fault", ["cut_json", "empty", "cut_body"])
async def test_unusable_answers_are_kept_and_replayed_with_the_same_reason(fault: str) -> None:
    ledger, rates = MemoryLedger(), dict[str, Any]({fault: 1.0})
    with ScriptedServer(Script(**rates)) as server:
        async with model(server, ledger) as asked:
            first = await ask(asked)
        async with model(server, ledger) as asked:
            second = await ask(asked)
    assert isinstance(first, Failure)
    assert first.kind is FailureKind.UNUSABLE
    assert first == second
    assert server.counts.snapshot()["requests"] == len(ledger.calls) == 1


@pytest.mark.parametrize("response_format", ["reject", "ignore"])
async def test_a_server_without_response_format_is_asked_in_tags_and_remembered(response_format: str) -> None:
    ledger = MemoryLedger()
    with ScriptedServer(Script(response_format=response_format)) as server:  # type: ignore[arg-type]  # parametrized
        async with model(server, ledger) as asked:
            first = await ask(asked)
            await ask(asked, attempt=1)
        asked_with_schema = ["response_format" in body for body in server.requests]
        async with model(server, ledger) as asked:
            replayed = await ask(asked)
    assert isinstance(first, Answer)
    assert asked_with_schema == [True, False, False]
    assert replayed == first
    assert len(server.requests) == 3  # the replay asked nothing, although it had to find out about the form again


async def test_a_stored_json_answer_is_found_after_the_server_was_found_to_know_only_tags() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        async with model(server, ledger) as asked:
            first = await ask(asked)
            server.script = Script(response_format="reject")
            await ask(asked, attempt=1)
            again = await ask(asked)
    assert again == first
    assert len(server.requests) == 3


async def test_an_answer_is_stored_before_it_is_read() -> None:
    class Stop(BaseException):
        pass

    class StoppingLedger(MemoryLedger):
        def save_call(self, call: ModelCall) -> None:
            super().save_call(call)
            raise Stop  # the process dies right after

    ledger = StoppingLedger()
    with ScriptedServer() as server:
        async with model(server, ledger) as asked:
            with pytest.raises(Stop):
                await ask(asked)
            replayed = await ask(asked)
    assert isinstance(replayed, Answer)
    assert server.counts.snapshot()["requests"] == 1


async def test_text_that_no_database_takes_is_stored_as_it_is_read() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(Script(replies=("<motivation>\nm\n</motivation>\n<code>\nx\0y\ud800\n</code>",))) as server:
        async with model(server, ledger, structured="tags") as asked:
            answer = await ask(asked, text="Improve \0 \ud800.")
    assert isinstance(answer, Answer)
    assert answer.value.code == "x?y?"
    assert [(call.answer.count("?"), call.prompt.count("? ?")) for call in ledger.calls] == [(2, 1)]


async def test_replay_only_answers_from_the_ledger_and_never_asks() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        async with model(server, ledger) as asked:
            first = await ask(asked)
        cassette = Model({"researcher": settings(server)}, ledger, replay_only=True)
        assert await ask(cassette) == first
        with pytest.raises(MachineFault, match="No recorded answer for researcher of r-0001, attempt 5"):
            await ask(cassette, attempt=5)
    assert len(server.requests) == 1


async def test_many_rounds_ask_at_once() -> None:
    with ScriptedServer(Script(latency_s=0.3)) as server:
        async with model(server) as asked:
            started = time.monotonic()
            answers = await asyncio.gather(*(ask(asked, text=f"Improve {n}.") for n in range(20)))
            wall_s = time.monotonic() - started
    assert all(isinstance(answer, Answer) for answer in answers)
    assert wall_s < 3  # one after another would be 6 s


def test_one_model_serves_several_event_loops() -> None:
    with ScriptedServer() as server:
        asked = model(server)

        async def once(attempt: int) -> bool:
            answer = await ask(asked, attempt)
            await asked.aclose()
            return isinstance(answer, Answer)

        assert [asyncio.run(once(attempt)) for attempt in range(3)] == [True, True, True]


# Budget


async def test_the_budget_ends_the_asking_before_the_request() -> None:
    budget = Budget(BudgetLimits(calls=2))
    with ScriptedServer() as server:
        async with model(server, budget=budget) as asked:
            await ask(asked)
            await ask(asked, attempt=1)
            await ask(asked)  # from the ledger: free
            with pytest.raises(BudgetExhausted):
                await ask(asked, attempt=2)
    assert len(server.requests) == 2
    assert budget.spent.calls == 2


async def test_a_call_that_came_to_nothing_gives_its_reservation_back() -> None:
    budget = Budget(BudgetLimits(tokens=20_000))
    with ScriptedServer(Script(status=500)) as server:
        async with model(server, budget=budget, retries=0) as asked:
            for _ in range(3):
                with pytest.raises(ModelServerDown):
                    await ask(asked)
    assert budget.spent == Spent()


async def test_without_usage_the_worst_case_in_dollars_is_counted() -> None:
    budget = Budget(BudgetLimits(dollars=5.0))
    prices: dict[str, Any] = {"price_prompt_usd_per_mtok": 0.0, "price_completion_usd_per_mtok": 1_000.0}
    with ScriptedServer(Script(no_usage=True)) as server:
        async with model(server, budget=budget, max_tokens=1_000, **prices) as asked:
            await ask(asked)
    assert budget.spent.dollars == pytest.approx(1.0)


def test_a_budget_in_dollars_needs_prices_and_names_the_keys() -> None:
    keys = r"models\.judge\.price_prompt_usd_per_mtok and models\.judge\.price_completion_usd_per_mtok"
    with pytest.raises(ValueError, match=rf"missing for scripted: set {keys}"):
        Model({"judge": ModelSettings(model="scripted")}, MemoryLedger(), Budget(BudgetLimits(dollars=1.0)))
