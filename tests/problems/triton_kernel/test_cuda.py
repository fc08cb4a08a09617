"""The part of the timer that talks to CUDA's driver, with a played one: what it is asked, with which bytes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from problems.triton_kernel.exchange import INSIDE
from problems.triton_kernel.gpu import exchange
from problems.triton_kernel.inside import draws

KERNEL = {"name": "held", "shared_bytes": 64, "warps": 8, "types": ["*fp16", "i32", "i64", "fp32", "i1"]}
SIZES = (8, 4, 8, 4, 1, 8, 8)


class Driver:
    """Keeps what it was asked; reads a kernel's parameters at once, as the driver does."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[Any]]] = []
        self.parameters: list[bytes] = []
        self.code = 0

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any) -> int:
            self.asked.append((name, [getattr(each, "value", each) for each in arguments]))
            if name == "cuLaunchKernel":
                self.parameters = [ctypes.string_at(arguments[9][n], size) for n, size in enumerate(SIZES)]
            return self.code

        return ask


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module as the sandbox has it, on a machine without a GPU."""
    monkeypatch.syspath_prepend(str(INSIDE))
    import cuda_device

    class Stream:
        cuda_stream = 77

    monkeypatch.setattr(cuda_device.Cuda, "place", "cpu")
    monkeypatch.setattr(cuda_device, "FLUSH_BYTES", 16)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    yield cuda_device
    sys.modules.pop("cuda_device")


def test_a_launch_hands_over_grid_warps_and_parameters(cuda: Any) -> None:
    driver = Driver()
    device, tensor = cuda.Cuda(driver), torch.zeros(8)
    kernel = device.kernel(KERNEL, b"code")
    device.call(kernel, KERNEL, [5, 6, 7], [tensor, -3, 2**40, 0.5, True])()
    assert [name for name, _ in driver.asked] == ["cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel"]
    assert driver.asked[0][1][1] == b"code"
    assert driver.asked[1][1][2] == b"held"
    _, grid_x, grid_y, grid_z, threads_x, threads_y, threads_z, shared_bytes, stream, _, extra = driver.asked[2][1]
    assert (grid_x, grid_y, grid_z) == (5, 6, 7)
    assert (threads_x, threads_y, threads_z) == (256, 1, 1)
    assert (shared_bytes, stream, extra) == (64, 77, None)
    pointer, i32, i64, fp32, i1, *scratch = driver.parameters
    assert int.from_bytes(pointer, "little") == tensor.data_ptr()
    assert int.from_bytes(i32, "little", signed=True) == -3
    assert int.from_bytes(i64, "little", signed=True) == 2**40
    assert np.frombuffer(fp32, "<f4")[0] == 0.5
    assert i1 == b"\x01"
    assert scratch == [bytes(8), bytes(8)]


def test_much_shared_memory_is_asked_for(cuda: Any) -> None:
    driver = Driver()
    cuda.Cuda(driver).kernel({**KERNEL, "shared_bytes": 100_000}, b"code")
    assert driver.asked[-1][0] == "cuFuncSetAttribute"
    assert driver.asked[-1][1][1:] == [8, 100_000]


def test_an_error_of_the_driver_is_an_error(cuda: Any) -> None:
    driver = Driver()
    device = cuda.Cuda(driver)
    driver.code = 700
    with pytest.raises(cuda.DriverError, match=r"cuModuleLoadData: the driver's error 700$"):
        device.kernel(KERNEL, b"code")


def test_an_error_is_named_as_the_manual_names_it(cuda: Any) -> None:
    class Naming(Driver):
        def cuGetErrorName(self, code: ctypes.c_int, text: Any) -> int:
            text._obj.value = b"CUDA_ERROR_NO_BINARY_FOR_GPU" if code.value == 209 else None
            return 0

    driver = Naming()
    device = cuda.Cuda(driver)
    driver.code = 209
    with pytest.raises(cuda.DriverError, match=r"error 209 \(CUDA_ERROR_NO_BINARY_FOR_GPU\)"):
        device.kernel(KERNEL, b"code")


def test_arguments_of_another_number_are_refused(cuda: Any) -> None:
    device = cuda.Cuda(Driver())
    with pytest.raises(ValueError, match="zip"):
        device.call(device.kernel(KERNEL, b""), KERNEL, [1, 1, 1], [3])


# ---- inputs that both sides draw


@pytest.mark.parametrize("key", [0, 1, 2**32 - 1])
def test_torch_and_numpy_draw_the_same(key: int) -> None:
    rows, columns = np.array([0, 5, 4095])[:, None], np.arange(300)[None, :]
    ours = draws.values(key, rows, columns, 4096)
    theirs = draws.values(key, torch.from_numpy(rows), torch.from_numpy(columns), 4096)
    assert np.array_equal(ours, theirs.double().numpy())


def test_values_are_exact_in_every_type_and_fill_the_range() -> None:
    rows, columns = np.arange(200)[:, None], np.arange(300)[None, :]
    values = draws.values(draws.key(3, 1), rows, columns, 300)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert np.array_equal(torch.from_numpy(values).to(dtype).double().numpy(), values)
    assert np.abs(values).max() == 256.0
    assert len(np.unique(np.abs(values).max(axis=1))) > 8  # rows differ in scale
    assert abs(values.mean()) < 3.0
    assert np.abs(values[values != 0.0]).min() == 2.0**-10


def test_no_power_is_computed_in_floating_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU it would not be exact, and inputs would not be what is expected of them outside."""

    def refuse(*arguments: Any) -> Any:
        raise AssertionError

    for name in ("__pow__", "__rpow__", "pow"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    assert draws.values(3, torch.arange(4)[:, None], torch.arange(5)[None, :], 5).shape == (4, 5)


def test_keys_make_unrelated_numbers() -> None:
    counters = np.arange(20_000)
    one, other = draws.mixed(counters, draws.key(1)), draws.mixed(counters, draws.key(2))
    assert len(np.intersect1d(one, other)) < 3
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert (
        len({draws.key(seed, case, number) for seed in range(5) for case in range(5) for number in range(-3, 5)}) == 200
    )


def test_who_knows_the_key_of_a_call_knows_no_other() -> None:
    """A kernel may search through all keys in a call whose time it gives up."""
    seeds: dict[int, list[int]] = {}
    for seed in range(250_000):
        seeds.setdefault(draws.key(seed, 0, 0, 0, 0), []).append(seed)
    same = [found for found in seeds.values() if len(found) > 1]
    assert same
    for first, second in (found[:2] for found in same):
        assert draws.key(first, 0, 1, 0, 0) != draws.key(second, 0, 1, 0, 0)
        assert draws.key(first, 0, 0, 0, draws.ROWS) != draws.key(second, 0, 0, 0, draws.ROWS)


def test_a_seed_cannot_be_found_by_trying() -> None:
    assert exchange.seed_of("a program", 3) > 2**100
    assert exchange.seed_of("a program", 3) != exchange.seed_of("a program ", 3)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order, with played events; `slow Python` in it makes the device the quicker one."""
    done: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            done.append("event")

        def query(self) -> bool:
            return "slow Python" in done

        def elapsed_time(self, other: Event) -> float:
            return 0.25

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("wait"))
    return done


class Space:
    """The memory that is written over."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    def zero_(self) -> None:
        self.done.append("write")


def test_the_first_event_waits_behind_the_writing_of_the_cache(cuda: Any, events: list[str]) -> None:
    device = cuda.Cuda(Driver())
    device.space = Space(events)
    device_ms, host_ms = device.timed([lambda: events.append("first"), lambda: events.append("second")])
    assert events == ["wait", "write", "event", "first", "second", "event", "wait"]
    assert device.flushes == 1
    assert device_ms == 0.25
    assert 0.0 < host_ms < 60_000.0


def test_a_device_that_does_not_wait_for_python_is_given_more_to_write(cuda: Any, events: list[str]) -> None:
    device = cuda.Cuda(Driver())
    device.space = Space(events)
    device.timed([lambda: events.append("slow Python")])
    assert device.flushes == 2
    events.clear()
    device.timed([lambda: events.append("quick")])
    assert events == ["wait", "write", "write", "event", "quick", "event", "wait"]
    assert device.flushes == 2
    for _ in range(20):
        device.timed([lambda: events.append("slow Python")])
    assert device.flushes == cuda.MOST_FLUSHES


def test_a_copy_is_timed_when_the_device_is_awake(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too slow a copy would make honest times look impossible."""
    monkeypatch.setattr(cuda, "COPIED_BYTES", 1000)
    times = iter([10.0] * 300 + [2.0] * 100)

    def timed(calls: list[Any]) -> tuple[float, float]:
        calls[0]()
        return next(times), 0.0

    device = cuda.Cuda(Driver())
    monkeypatch.setattr(device, "timed", timed)
    assert device._copied_bytes_per_ms() == 1000.0
