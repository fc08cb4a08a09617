"""The machine's faults: what is ridden out, what is reported at once, and that keys appear nowhere."""

from __future__ import annotations

import asyncio
import logging
import random
import time
import traceback
from typing import Any

import pytest

from tasks.llm import Answer, MemoryLedger, Model, ModelMisconfigured, ModelServerDown, ModelSettings
from tasks.llm.server import wait_s
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.llm_examples import ask, ask_once, model

SECRET = "sk-donttellanyone42"

# The machine's faults


@pytest.mark.parametrize("changes", [{"http_500": 0.5}, {"http_429": 0.5}, {"http_500": 0.3, "hang": 0.2}])
async def test_passing_faults_are_ridden_out(changes: dict[str, Any]) -> None:
    with ScriptedServer(Script(seed=3, **changes)) as server:
        async with model(server, timeout_s=0.3, retries=20) as asked:
            answers = await asyncio.gather(*(ask(asked, attempt) for attempt in range(6)))
    assert all(isinstance(answer, Answer) for answer in answers)
    assert server.counts.snapshot()["requests"] > 6


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
async def test_a_server_that_stays_ill_is_down_after_the_retries(status: int) -> None:
    with (
        ScriptedServer(Script(status=status)) as server,
        pytest.raises(ModelServerDown, match=f"in 3 tries; the last one: HTTP {status}"),
    ):
        await ask_once(server)
    assert len(server.requests) == 3


async def test_a_hung_connection_is_bounded_by_the_timeout() -> None:
    with ScriptedServer(Script(hang=1.0)) as server:
        started = time.monotonic()
        with pytest.raises(ModelServerDown, match=r"no answer within 0\.1 s"):
            await ask_once(server, timeout_s=0.1, retries=1)
        assert time.monotonic() - started < 2.0


async def test_an_answer_that_trickles_is_bounded_too() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    trickling = await asyncio.start_server(trickle, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{trickling.sockets[0].getsockname()[1]}/v1"
    patient = ModelSettings(model="scripted", base_url=address, timeout_s=0.2, retries=0)
    started = time.monotonic()
    async with Model({"researcher": patient}, MemoryLedger()) as asked:
        with pytest.raises(ModelServerDown, match=r"no answer within 0\.2 s"):
            await ask(asked)
    assert time.monotonic() - started < 1.5
    trickling.close()


async def test_a_server_that_is_gone_is_down() -> None:
    with ScriptedServer() as server:
        pass
    with pytest.raises(ModelServerDown, match="connection failed"):
        await ask_once(server)


async def test_a_server_that_drops_connections_is_down() -> None:
    with ScriptedServer(Script(down_after=1)) as server:
        async with model(server) as asked:
            assert isinstance(await ask(asked), Answer)
            with pytest.raises(ModelServerDown, match="connection failed"):
                await ask(asked, attempt=1)


async def test_an_answer_without_choices_is_tried_again() -> None:
    with (
        ScriptedServer(Script(raw_body='{"error": {"message": "upstream"}}')) as server,
        pytest.raises(ModelServerDown, match="without choices"),
    ):
        await ask_once(server)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Script(status=401), "access refused"),
        (Script(status=403), "access refused"),
        (Script(status=402), "no credit left"),
        (Script(status=429, error_code="insufficient_quota"), "no credit left"),
        (Script(status=413), "HTTP 413"),
        (Script(raw_body="<!doctype html>"), "base_url"),
        (Script(status=404), "Check the model's name"),
        (Script(status=400), "Check the model's name"),
        (Script(model="another"), "model 'scripted' not found"),
    ],
)
async def test_what_no_retry_can_help_is_reported_at_once(script: Script, reason: str) -> None:
    with ScriptedServer(script) as server:
        started = time.monotonic()
        with pytest.raises(ModelMisconfigured, match=reason):
            await ask_once(server, backoff_s=5.0)
        assert time.monotonic() - started < 2.0
    assert len(server.requests) <= 2  # a 400 or 404 may be meant for response_format: asked once without it


async def test_a_role_without_a_model_is_named() -> None:
    with pytest.raises(ModelMisconfigured, match="role researcher"):
        await ask(Model({}, MemoryLedger()))


async def test_reasoning_models_get_the_limit_under_its_new_name() -> None:
    refusal = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )

    with ScriptedServer(Script(refuse_max_tokens=refusal)) as server:
        async with model(server) as asked:
            assert isinstance(await ask(asked), Answer)
            assert isinstance(await ask(asked, attempt=1), Answer)
    limits = [("max_tokens" in body, "max_completion_tokens" in body) for body in server.requests]
    assert limits == [(True, False), (False, True), (False, True)]


# Waits


def test_waits_grow_and_are_capped() -> None:
    patient = ModelSettings(model="m", backoff_s=1.0, max_wait_s=10.0)
    waits_s = [wait_s(retry, None, patient, random.Random(1)) for retry in (0, 1, 2, 3, 10_000)]
    assert all(0.5 * 2**retry <= waits_s[retry] <= 1.5 * 2**retry for retry in range(3))
    assert waits_s[4] == 10.0


@pytest.mark.parametrize(("retry_after_s", "expected_s"), [(4.0, 4.0), (3_600.0, 10.0)])
def test_retry_after_is_honoured_up_to_the_cap(retry_after_s: float, expected_s: float) -> None:
    patient = ModelSettings(model="m", backoff_s=0.1, max_wait_s=10.0)
    assert wait_s(0, retry_after_s, patient, random.Random(1)) == expected_s


@pytest.mark.parametrize(
    ("header", "least_s"), [("0.3", 0.3), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", 0.0), ("nan", 0.0)]
)
async def test_the_retry_after_header_is_read_in_all_its_forms(header: str, least_s: float) -> None:
    with ScriptedServer(Script(status=429, retry_after=header)) as server:
        started = time.monotonic()
        with pytest.raises(ModelServerDown):
            await ask_once(server, retries=1)
        assert least_s <= time.monotonic() - started < 2.0


# Keys


def _everything_printed(error: BaseException, log: pytest.LogCaptureFixture) -> str:
    chain = "".join(traceback.format_exception(error))
    return f"{chain}{error!r}{error.__cause__!r}{error.__context__!r}{log.text}"


async def test_the_key_is_sent_and_appears_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SCRIPTED_KEY", SECRET)
    ledger = MemoryLedger()
    with ScriptedServer(Script(api_key=SECRET)) as server:
        async with model(server, ledger, api_key_env="SCRIPTED_KEY") as asked:
            assert isinstance(await ask(asked), Answer)
    assert SECRET not in repr(ledger.calls)
    assert SECRET not in repr(vars(asked)) + caplog.text


async def test_a_server_that_repeats_the_key_does_not_get_it_into_errors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SCRIPTED_KEY", SECRET)
    with (
        ScriptedServer(Script(api_key="another")) as server,
        pytest.raises(ModelMisconfigured, match=r"Bearer \[key\].*SCRIPTED_KEY") as caught,
    ):
        await ask_once(server, api_key_env="SCRIPTED_KEY")
    assert SECRET not in _everything_printed(caught.value, caplog)
    assert caught.value.__context__ is None  # openai's exception holds the request, and so the key


async def test_a_missing_key_is_named_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRIPTED_KEY", raising=False)
    with ScriptedServer() as server, pytest.raises(ModelMisconfigured, match="environment variable SCRIPTED_KEY"):
        await ask_once(server, api_key_env="SCRIPTED_KEY")
    assert server.requests == []


async def test_the_openai_key_in_the_environment_does_not_go_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with (
        ScriptedServer(Script(api_key="anything")) as server,
        pytest.raises(ModelMisconfigured, match=r"Bearer none.*No key was sent"),
    ):
        await ask_once(server)


@pytest.mark.parametrize("key", ["sk-dont\ntell42", "sk-dontt…ll42"])
async def test_a_key_that_no_header_can_carry_is_refused_without_repeating_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", key)
    with ScriptedServer() as server, pytest.raises(ModelMisconfigured, match="SCRIPTED_KEY") as caught:
        await ask_once(server, api_key_env="SCRIPTED_KEY")
    assert "sk-dont" not in repr(caught.value)


async def test_white_space_around_a_key_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", f"{SECRET}\n")
    with ScriptedServer(Script(api_key=SECRET)) as server:
        assert isinstance(await ask_once(server, api_key_env="SCRIPTED_KEY"), Answer)
