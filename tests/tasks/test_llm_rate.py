"""Requests wait for their turn, by time, number and address, across event loops; a cancelled one gives it back."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from pydantic import ValidationError

from tasks.llm import MemoryLedger, Model, Rate, Rates, RateSettings
from tests.scripted_server import Script, ScriptedServer
from tests.tasks.llm_examples import ask, settings

HERE, THERE = "http://here/v1", "http://there/v1"


class Crowd:
    """Counts who is inside at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.lock = threading.Lock()

    async def go(self, rates: Rates, base_url: str = HERE, stay_s: float = 0.02) -> None:
        async with rates.turn(base_url):
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            await asyncio.sleep(stay_s)
            with self.lock:
                self.inside -= 1


async def test_so_many_at_once_and_no_more() -> None:
    crowd, rates = Crowd(), Rates(RateSettings(concurrent_requests=2))
    await asyncio.gather(*(crowd.go(rates) for _ in range(8)))
    assert crowd.most == 2


def test_the_limit_holds_across_event_loops() -> None:
    crowd, rates = Crowd(), Rates(RateSettings(concurrent_requests=1))

    async def several() -> None:
        await asyncio.gather(*(crowd.go(rates) for _ in range(4)))

    threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (crowd.most, crowd.inside) == (1, 0)


async def test_one_request_may_start_in_each_interval() -> None:
    rates, starts = Rates(RateSettings(requests_per_minute=1_200)), list[float]()
    begun = time.monotonic()

    async def request() -> None:
        async with rates.turn(HERE):
            starts.append(time.monotonic() - begun)

    await asyncio.gather(*(request() for _ in range(5)))
    # Never before its time; a busy machine may be late.
    assert [start for number, start in enumerate(starts) if start < number * 0.05 - 0.005] == []


async def test_the_first_request_does_not_wait() -> None:
    async with asyncio.timeout(5), Rates(RateSettings(requests_per_minute=1)).turn(HERE):
        pass


async def test_each_server_has_its_own_limits() -> None:
    crowd, rates = Crowd(), Rates(RateSettings(concurrent_requests=1, servers={THERE: Rate(concurrent_requests=3)}))
    await asyncio.gather(*(crowd.go(rates, THERE) for _ in range(6)))
    assert crowd.most == 3


async def test_whoever_is_cancelled_in_line_or_inside_gives_the_turn_back() -> None:
    crowd, rates = Crowd(), Rates(RateSettings(concurrent_requests=1))
    inside = asyncio.create_task(crowd.go(rates, stay_s=60))
    waiting = asyncio.create_task(crowd.go(rates, stay_s=60))
    await asyncio.sleep(0.01)
    waiting.cancel()
    inside.cancel()
    await asyncio.wait([inside, waiting])
    await asyncio.wait_for(crowd.go(rates), timeout=2)


async def test_new_limits_let_those_in_line_go_on() -> None:
    crowd, rates = Crowd(), Rates(RateSettings(concurrent_requests=1))
    tasks = [asyncio.create_task(crowd.go(rates, stay_s=0.05)) for _ in range(4)]
    await asyncio.sleep(0.01)
    rates.adopt(RateSettings())
    await asyncio.gather(*tasks)
    assert crowd.most == 4


async def test_two_models_of_a_process_share_a_server_s_limit() -> None:
    rates = Rates(RateSettings(concurrent_requests=1))
    with ScriptedServer(Script(latency_s=0.1)) as server:
        models = [Model({"researcher": settings(server)}, MemoryLedger(), rates=rates) for _ in range(2)]
        started = time.monotonic()
        await asyncio.gather(*(ask(model, text=f"Improve {n}.") for n, model in enumerate(models * 2)))
        wall_s = time.monotonic() - started
        for model in models:
            await model.aclose()
    assert wall_s >= 0.4


@pytest.mark.parametrize("bad", [{"requests_per_minute": 0}, {"concurrent_requests": 0}, {"per_minute": 1}])
def test_bad_rates_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        RateSettings.model_validate(bad)
