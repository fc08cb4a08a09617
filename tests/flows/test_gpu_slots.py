"""Domains without GPUs never ask Prefect; a limit that is gone or too small is our machine's fault, said at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from flows import gpu_slots
from flows.config import ConfigError
from tasks.engine import Engine
from tasks.settings import EvaluateSettings
from tests.toy_domain import Toy, ToyOptions


@dataclass(frozen=True)
class Parts:
    """What of an engine this module reads."""

    domain: Toy
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)


def _engine(gpus: int) -> Engine:
    return cast(Engine, Parts(Toy(ToyOptions(gpus=gpus))))


async def test_a_domain_without_gpus_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("Prefect was asked")

    monkeypatch.setattr(gpu_slots, "get_client", forbidden)
    monkeypatch.setattr(gpu_slots, "concurrency", forbidden)
    await gpu_slots.ensure(_engine(0))
    async with gpu_slots.held(_engine(0), "train"), gpu_slots.held(_engine(4), "benchmark"):
        pass


@pytest.mark.parametrize("slots", [0, 1])
async def test_too_few_slots_are_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch, slots: int) -> None:
    async def found(create: bool = True) -> int:
        return slots

    monkeypatch.setattr(gpu_slots, "_slots", found)
    with pytest.raises(ConfigError, match=r"toy needs 2 GPUs at once.*`prefect gcl update gpu --limit 2`"):
        await gpu_slots.ensure(_engine(2))
    with pytest.raises(gpu_slots.NoGpuSlot, match="fewer than 2 slots") as raised:
        async with gpu_slots.held(_engine(2), "train"):
            pass
    assert not raised.value.may_pass
