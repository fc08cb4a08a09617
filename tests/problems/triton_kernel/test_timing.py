"""Statistics of times, and the benchmark's refusal: nothing here is a measurement."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scipy.stats import binom

from problems.triton_kernel import timing
from tasks.contract import gpu_problem

ROOT = Path(__file__).parents[3]


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
    if not gpu_problem(1):
        pytest.skip("there is one")
    command = [sys.executable, "-m", "benchmarks.triton_kernel"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "at least 134.2 MB" in done.stdout
    assert done.stdout.count("not measured: 1 GPU is needed") == 3


@pytest.mark.gpu
def test_blocks_are_right_and_timed_on_a_gpu() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.triton_kernel", "--columns", "1001", "--rounds", "12"],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("times the seed") == 3
