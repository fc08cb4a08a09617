"""The benchmark's arithmetic, by hand; and what the benchmark prints where there is nothing to measure."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from evo_kernels import floor

SCRIPT = Path(__file__).parents[2] / "kernels" / "benchmarks" / "delta_rule.py"
SMALL = floor.Problem(batch=2, tokens=100, heads=3, dim=16, chunk=64)


def test_one_tensor_and_its_chunks() -> None:
    assert SMALL.tensor_bytes == 2 * 100 * 3 * 16 * 2
    assert SMALL.chunks == 2 * 3 * 2


def test_floor_by_hand() -> None:
    # 10 C^2 D + 6 C D^2, and the inverse: two pairs of 16, one of 32, two products each
    forward = 10 * 64 * 64 * 16 + 6 * 64 * 16 * 16 + 2 * 2 * 2 * 16**3 + 2 * 2 * 32**3
    backward = 22 * 64 * 64 * 16 + 12 * 64 * 16 * 16
    assert floor.forward_floor(SMALL) == floor.Work(4 * SMALL.tensor_bytes, 12 * forward)
    assert floor.both_floor(SMALL) == floor.Work(11 * SMALL.tensor_bytes, 12 * (forward + backward))


def test_the_slower_of_memory_and_products_decides() -> None:
    device = floor.Device(bandwidth_tb_s=2.0, tflop_s=100.0)
    assert floor.Work(4 * 10**9, 10**9).least_ms(device) == pytest.approx(2.0)
    assert floor.Work(10**6, 10**12).least_ms(device) == pytest.approx(10.0)


def test_floor_of_the_published_size() -> None:
    problem, device = floor.Problem(), floor.Device()
    assert floor.forward_floor(problem).moved_bytes / 1e9 == pytest.approx(0.54, abs=0.005)
    assert floor.forward_floor(problem).least_ms(device) == pytest.approx(0.12, abs=0.005)


def test_fewer_kept_states_move_less_and_multiply_more() -> None:
    every_state, every_second = (floor.both_moved(floor.Problem(), every) for every in (1, 2))
    # written once and read once, of the states and of their gradients
    state_bytes = 8 * 16 * 64 * 128 * 128 * 2
    assert every_state.moved_bytes - every_second.moved_bytes == 4 * state_bytes // 2
    # of two chunks one computes a state again (one product), the other a gradient of it (two)
    assert every_second.flops - every_state.flops == floor.Problem().chunks // 2 * 3 * 2 * 64 * 128 * 128
    assert every_state.flops == floor.both_floor(floor.Problem()).flops


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("delta_rule_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_without_a_device_the_floor_is_printed_and_nothing_estimated(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["delta_rule.py", "--bandwidth-tb-s", "2.4"])

    assert script.main() == 0

    printed = capsys.readouterr().out
    assert re.search(r"floor, forward +0\.54 GB +96 GFLOP +0\.224 ms", printed)
    assert printed.count("not measured: no CUDA device") == len(script.ROWS) == 5
    assert "both" not in printed.split("not measured", 1)[1]


def test_a_row_that_fails_says_why_and_counts(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a device")
    monkeypatch.setattr(script, "ROWS", {"ours": {}, "torch, in chunks": {}})
    monkeypatch.setattr(script, "__file__", "/nowhere/delta_rule.py")
    monkeypatch.setattr(sys, "argv", ["delta_rule.py"])

    assert script.main() == 1
    assert capsys.readouterr().out.count("failed: ") == 2
