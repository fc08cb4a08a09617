"""A step's GPU time: reserved at its worst, settled by its own account or by the clock, also when it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from cognition.archive import Archive
from cognition.records import Cost, MachineFault
from tasks.engine import STEPS, Engine, Round
from tasks.gpu import GpuBudgetExhausted, reserved
from tasks.settings import EvaluateSettings
from tests.toy_domain import Toy, ToyOptions

ROUND = Round("c", 1, 1, "c-0001", None, (), 0, "none", None, dict.fromkeys(STEPS, 1))


@dataclass(frozen=True)
class Parts:
    """What of an engine this module reads."""

    archive: Archive
    domain: Toy
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as opened:
        opened.create_campaign("c", "toy", 0, {}, "1")
        yield opened


def _engine(archive: Archive, gpus: int = 2) -> Engine:
    return cast(Engine, Parts(archive, Toy(ToyOptions(gpus=gpus, train_wall_s=100.0))))


def test_the_worst_case_is_held_while_the_step_runs_and_its_own_account_settles_it(archive: Archive) -> None:
    with reserved(_engine(archive), ROUND, "train", max_gpu_h=1.0) as use:
        assert archive.committed_gpu_s("c") == 200.0
        use.cost = Cost(gpu_s=12.5)
    assert archive.committed_gpu_s("c") == archive.spend("c").gpu_s == 12.5


def test_without_an_account_the_clock_counts_for_every_gpu(archive: Archive) -> None:
    with reserved(_engine(archive), ROUND, "train", max_gpu_h=None):
        time.sleep(0.05)
    assert 0.1 <= archive.spend("c").gpu_s < 1.0


def test_a_step_that_fails_has_used_the_gpu_too(archive: Archive) -> None:
    def fails() -> None:
        with reserved(_engine(archive), ROUND, "train", max_gpu_h=1.0):
            time.sleep(0.05)
            raise MachineFault("the driver is gone")

    with pytest.raises(MachineFault, match="the driver is gone"):
        fails()
    assert archive.round_gpu_s("c-0001") >= 0.1


def test_what_the_budget_does_not_cover_is_not_started(archive: Archive) -> None:
    started = False
    with (
        pytest.raises(GpuBudgetExhausted, match=r"0\.05 GPU-hours does not cover train of c-0001.*0\.0556"),
        reserved(_engine(archive), ROUND, "train", max_gpu_h=0.05),
    ):
        started = True
    assert not started
    assert archive.committed_gpu_s("c") == 0.0


@pytest.mark.parametrize(("gpus", "step"), [(0, "train"), (2, "benchmark")])
def test_a_step_without_gpus_leaves_no_trace(archive: Archive, gpus: int, step: str) -> None:
    with reserved(_engine(archive, gpus), ROUND, step, max_gpu_h=0.0001):  # type: ignore[arg-type]  # parametrized
        pass
    assert archive.committed_gpu_s("c") == 0.0
