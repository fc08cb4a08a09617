"""Statistics of times, and the timer's checks with a clock that is none: nothing here is a measurement."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from problems.triton_kernel import catalogue, on_gpu, timing
from problems.triton_kernel.operation import Case

ROOT = Path(__file__).parents[3]
SOFTMAX = catalogue.operation("softmax")
CASE = Case("timed", {"M": 5, "N": 33}, "float32", "normal")


class Steps:
    """A clock that counts calls."""

    name = "cpu"

    def __init__(self) -> None:
        self.calls = 0
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1

    def timed(self, call: Callable[[], Any]) -> float:
        call()
        self.calls += 1
        return float(self.calls)


def right(x: Tensor, out: Tensor) -> None:
    torch.softmax(x, 1, out=out)


class Remembering:
    """Answers with what it computed first."""

    def __init__(self) -> None:
        self.kept: Tensor | None = None

    def __call__(self, x: Tensor, out: Tensor) -> None:
        self.kept = torch.softmax(x, 1) if self.kept is None else self.kept
        out.copy_(self.kept)


def lazy(x: Tensor, out: Tensor) -> None:
    torch.softmax(x[:-1], 1, out=out[:-1])


def spoiling(x: Tensor, out: Tensor) -> None:
    torch.softmax(x, 1, out=out)
    x.zero_()


def test_contestants_take_turns_and_the_warm_up_is_not_counted() -> None:
    clock = Steps()
    times = on_gpu.paired({"a": right, "b": right}, SOFTMAX, CASE, clock, 8, seed=3)
    assert {name: len(each) for name, each in times.items()} == {"a": 8, "b": 8}
    assert clock.calls == clock.flushes == 2 * (8 + on_gpu.WARM_UP)
    first = [a < b for a, b in zip(times["a"], times["b"], strict=True)]
    assert set(first) == {True, False}
    assert {abs(a - b) for a, b in zip(times["a"], times["b"], strict=True)} == {1.0}


@pytest.mark.parametrize(
    ("launch", "words"),
    [(Remembering(), "wrong out"), (lazy, "wrong out"), (spoiling, "changed an input"), (lambda x, out: None, "wrong")],
)
def test_a_wrong_answer_has_no_time(launch: Callable[..., None], words: str) -> None:
    with pytest.raises(on_gpu.WrongAnswer, match=f"cheat.*{words}"):
        on_gpu.paired({"honest": right, "cheat": launch}, SOFTMAX, CASE, Steps(), 8, seed=3)


@pytest.mark.parametrize("name", sorted(catalogue.OPERATIONS))
def test_eager_torch_is_a_right_contestant(name: str) -> None:
    operation = catalogue.operation(name)
    case = Case("timed", {"M": 5, "N": 33}, "bfloat16", "normal", scalars={"eps": 1e-6})
    assert len(on_gpu.paired({"eager": on_gpu.eager(name)}, operation, case, Steps(), 6, seed=1)["eager"]) == 6


@pytest.mark.parametrize("count", [6, 7, 10, 25, 60, 200])
def test_the_interval_is_the_narrowest_that_covers_the_median_often_enough(count: int) -> None:
    """The number of values below the median is binomial."""
    found = timing.median([float(n) for n in range(1, count + 1)])
    place = int(found.low)
    assert found.high == count + 1 - place
    assert 1.0 - 2.0 * binom.cdf(place - 1, count, 0.5) >= 0.95 > 1.0 - 2.0 * binom.cdf(place, count, 0.5)


def test_too_few_times_have_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 6 values, got 5"):
        timing.median([1.0] * 5)
    six = timing.median([6.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert (six.low, six.value, six.high) == (1.0, 3.5, 6.0)


def test_speed_ups_are_paired() -> None:
    base = [10.0, 20.0, 40.0, 10.0, 20.0, 40.0]
    found = timing.speed_up(base, [value / 2.0 for value in base])
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.slow
def test_the_benchmark_says_that_nothing_was_measured_where_there_is_no_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    command = [sys.executable, "-m", "benchmarks.triton_kernel"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "at least 134.2 MB" in done.stdout
    assert done.stdout.count("not measured: no CUDA device") == 4
    refused = subprocess.run([*command, "x.py"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2
    assert "--unconfined" in refused.stderr


@pytest.mark.gpu
def test_blocks_are_right_and_timed_on_a_gpu() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.triton_kernel", "--rows", "64", "--columns", "1001", "--rounds", "6"],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "times the floor" in done.stdout
