"""The timer's turns, memory and faults, on a device whose kernels are Python functions and whose clock counts calls."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from problems.triton_kernel import catalogue, judge
from problems.triton_kernel.exchange import INSIDE
from problems.triton_kernel.gpu import cases, exchange, verdicts
from problems.triton_kernel.gpu.exchange import CANDIDATE, SEED, CaseTimes, Device, Setting

SOFTMAX = catalogue.operation("softmax")
CALLS = tuple(call for call in judge.calls(SOFTMAX, 1, "", tiny=True) if call.case.name in ("odd", "rows apart"))
SETTING = Setting(SOFTMAX, cases.timed(SOFTMAX, tiny=True)[2:], 12, 5, 90, CALLS)
Kernel = Callable[..., None]


class Counted:
    """A device that remembers what its kernels were given."""

    place = "cpu"

    def __init__(self, kernels: dict[str, Kernel], capability: int = 90) -> None:
        self.kernels, self.capability, self.number = kernels, capability, 0
        self.seen: list[bytes] = []
        self.scratch: list[bytes] = []

    def facts(self) -> dict[str, Any]:
        return {"name": "counted", "capability": self.capability, "torch": "2", "copied_bytes_per_ms": 1e6}

    def kernel(self, described: dict[str, Any], binary: bytes) -> Kernel:
        return self.kernels[binary.decode()]

    def call(
        self, kernel: Kernel, described: dict[str, Any], grid: Sequence[int], values: Sequence[Any]
    ) -> Callable[[], Any]:
        x, out, scratch, rows, columns, x_row, out_row = values
        dtype = {"*fp32": torch.float32, "*fp16": torch.float16}[described["types"][0]]

        def launch() -> None:
            self.seen.append(x.numpy().tobytes())
            self.scratch.append(scratch.numpy().tobytes())
            given = [
                each.view(dtype).as_strided((rows, columns), (stride, 1))
                for each, stride in ((x, x_row), (out, out_row))
            ]
            kernel(*given, scratch)

        return launch

    def timed(self, calls: Sequence[Callable[[], Any]]) -> tuple[float, float]:
        for call in calls:
            call()
        self.number += 1
        return float(self.number), float(self.number)


def right(x: torch.Tensor, out: torch.Tensor, scratch: torch.Tensor) -> None:
    out.copy_(torch.softmax(x.double(), 1))
    scratch.fill_(3)


def lazy(x: torch.Tensor, out: torch.Tensor, scratch: torch.Tensor) -> None:
    out[:-1].copy_(torch.softmax(x[:-1].double(), 1))


def spoiling(x: torch.Tensor, out: torch.Tensor, scratch: torch.Tensor) -> None:
    right(x, out, scratch)
    x[0, 0] += 1.0


def over_the_end(x: torch.Tensor, out: torch.Tensor, scratch: torch.Tensor) -> None:
    right(x, out, scratch)
    out.as_strided((1,), (1,), out.storage_offset() + out.shape[0] * out.stride(0)).fill_(0.0)


KERNELS: dict[str, Kernel] = {each.__name__: each for each in (right, lazy, spoiling, over_the_end)}


def plan(kernel: str) -> dict[str, Any]:
    """One launch of that kernel for every case."""
    kinds = {"float32": "*fp32", "float16": "*fp16"}
    names = sorted({case.dtype for case in SETTING.planned})
    described = [
        {"name": "k", "shared_bytes": 0, "warps": 4, "types": [kinds[name]] * 2 + ["*fp32"] + ["i32"] * 4,
         "constants": {}}
        for name in names
    ]  # fmt: skip
    plans = []
    for case in SETTING.planned:
        row = case.sizes["N"] + case.apart
        numbers = [["number", value] for value in (case.sizes["M"], case.sizes["N"], row, row)]
        arguments = [["tensor", "x", 0], ["tensor", "out", 0], ["scratch", 0, 0], *numbers]
        launch = {"kernel": names.index(case.dtype), "grid": [1, 1, 1], "arguments": arguments}
        plans.append({"launches": [launch], "scratch": [8]})
    return {
        "kernels": described,
        "binaries": [base64.b64encode(kernel.encode()).decode()] * len(names),
        "plans": plans,
    }


@pytest.fixture
def replaying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module as the sandbox has it."""
    monkeypatch.syspath_prepend(str(INSIDE))
    import replaying

    yield replaying
    for name in ("replaying", "draws", "eager"):
        sys.modules.pop(name)


def compared(replaying: Any, device: Counted, kernel: str) -> exchange.Timed:
    programs = {SEED: plan("right"), CANDIDATE: plan(kernel)}
    request = exchange._request(programs, SETTING)
    said, files = replaying.compared(device, request)
    return exchange.read(said, files, (SEED, CANDIDATE), SETTING)


def test_a_right_program_has_no_fault_and_turns_change(replaying: Any) -> None:
    device = Counted(KERNELS)
    timed = compared(replaying, device, "right")
    assert verdicts.wrong(timed, SETTING) == ""
    assert timed.device == Device("counted", 90, "2", 1e6)
    (case,) = timed.cases
    assert {name: len(each) for name, each in case.times.items()} == {SEED: 12, CANDIDATE: 12, "eager": 12}
    assert device.number == 3 * (12 + exchange.WARM_UP)
    first = [a.device_ms < b.device_ms for a, b in zip(case.times[SEED], case.times[CANDIDATE], strict=True)]
    assert set(first) == {True, False}
    assert all(took.device_ms > 3 * exchange.WARM_UP for each in case.times.values() for took in each)


def test_every_call_has_new_inputs_and_poisoned_scratch(replaying: Any) -> None:
    device = Counted(KERNELS)
    compared(replaying, device, "right")
    timed = 2 * (12 + exchange.WARM_UP)
    assert len(set(device.seen[:timed])) == timed
    assert set(device.scratch) == {b"\xff" * 8}


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("lazy", "of out were not written"),
        ("spoiling", "the input x was changed"),
        ("over_the_end", "1 elements outside of the tensors were written"),
    ],
)
def test_what_a_program_does_to_memory_is_seen(kernel: str, words: str, replaying: Any) -> None:
    timed = compared(replaying, Counted(KERNELS), kernel)
    assert f"candidate, on the GPU, odd (3 x {CALLS[0].case.sizes['N']}" in verdicts.wrong(timed, SETTING)
    assert words in verdicts.wrong(timed, SETTING)
    faults = {name: sum(each.values()) for name, each in timed.cases[0].faults.items()}
    assert faults[SEED] == faults["eager"] == 0
    assert faults[CANDIDATE] >= 12 + exchange.WARM_UP


def test_on_another_gpu_nothing_runs(replaying: Any) -> None:
    device = Counted(KERNELS, capability=80)
    said, files = replaying.compared(device, exchange._request({SEED: plan("right")}, SETTING))
    assert (said["cases"], files, device.number) == ([], {}, 0)
    assert exchange.device(said).capability == 80


def test_rows_that_come_back_are_those_that_are_redrawn(replaying: Any) -> None:
    timed = compared(replaying, Counted(KERNELS), "right")
    (case,), tensors = SETTING.cases, list(_tensors(timed.cases[0]))
    assert len(tensors) == 12
    drawn = verdicts._inputs(case, (SETTING.seed, 0, 4, 0), SETTING)["x"]
    assert np.array_equal(tensors[4]["x"].astype(float), drawn)


def _tensors(found: CaseTimes) -> Iterator[dict[str, Any]]:
    return verdicts._records(found, 0, SETTING.cases[0], SETTING)
