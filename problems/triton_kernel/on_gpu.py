"""Times kernels on a GPU, in one process, by trusted code around the call. Not run by any campaign yet; imports torch.

Contestants take turns in random order, round by round, each on inputs drawn for that round, on poisoned outputs and
with the L2 cache flushed. The output of every timed call is compared with float64, and the inputs with what they were:
a wrong answer ends the comparison, whatever its time. What this cannot do: a program shares the process with the clock.
That is why only programs in the language of candidates (rules.py) come here, which has no words for streams, events,
clocks or patches; and why this has to move into the sandbox's profile for GPUs before strangers' programs are timed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from problems.triton_kernel import dtypes
from problems.triton_kernel.operation import Case, Operation

Launch = Callable[..., Any]
FLUSH_BYTES = 256 * 2**20  # an H100 has 50 MB of L2, an H200 the same
WARM_UP = 3  # calls that compile and are not timed


class WrongAnswer(Exception):
    """A contestant's output is wrong, or it changed an input."""


class Device(Protocol):
    """A clock and what belongs to it; a fake one in tests."""

    name: str

    def flush(self) -> None:
        """Empty the caches."""

    def timed(self, call: Callable[[], Any]) -> float:
        """Milliseconds that the call took, to the end of its work."""


class Cuda:
    """CUDA events on the current stream, between synchronisations of the whole device."""

    name = "cuda"

    def __init__(self) -> None:
        """Raises RuntimeError where there is no device."""
        self.space = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")

    def flush(self) -> None:
        """Write more than L2 holds."""
        self.space.zero_()

    def timed(self, call: Callable[[], Any]) -> float:
        """All streams are waited for before and after, so work on another stream would count as well."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        start.record()
        call()
        torch.cuda.synchronize()
        end.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(end))


def paired(
    contestants: Mapping[str, Launch], operation: Operation, case: Case, device: Device, rounds: int, seed: int
) -> dict[str, list[float]]:
    """Milliseconds of every contestant in every round. Raises WrongAnswer."""
    rng, turns = np.random.default_rng(seed), random.Random(seed)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(-WARM_UP, rounds):
        inputs = _inputs(operation, case, device.name, rng)
        expected = _reference(operation, case, inputs)
        for name in turns.sample(sorted(contestants), len(contestants)):
            took_ms = _one(name, contestants[name], operation, case, inputs, expected, device)
            if number >= 0:
                times[name].append(took_ms)
    return times


def _one(
    name: str,
    launch: Launch,
    operation: Operation,
    case: Case,
    inputs: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    device: Device,
) -> float:
    """One timed call, and whether it was right."""
    given = {key: value.clone() for key, value in inputs.items()}
    outputs = {key: torch.full_like(value, float("nan"), dtype=_dtype(case)) for key, value in expected.items()}
    arguments = {**given, **outputs, **{scalar: case.scalars[scalar] for scalar in operation.scalars}}
    device.flush()
    took_ms = device.timed(lambda: launch(**arguments))
    if any(not torch.equal(given[key], value) for key, value in inputs.items()):
        raise WrongAnswer(f"{name} changed an input")
    for key, reference in expected.items():
        allowed = dtypes.relative_tolerance(case.kind) * reference.abs() + case.kind.smallest
        if not bool(((outputs[key].double() - reference).abs() <= allowed).all()):
            raise WrongAnswer(f"{name} gave a wrong {key}")
    return took_ms


def _inputs(operation: Operation, case: Case, device: str, rng: np.random.Generator) -> dict[str, Tensor]:
    drawn = operation.draw(case, rng)
    return {name: torch.from_numpy(values).to(device, _dtype(case)) for name, values in drawn.items()}


def _dtype(case: Case) -> torch.dtype:
    found: torch.dtype = getattr(torch, case.dtype)
    return found


def _reference(operation: Operation, case: Case, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The operation's own float64 reference, computed on the CPU, on the device."""
    exact = {name: value.double().cpu().numpy() for name, value in inputs.items()}
    where = next(iter(inputs.values())).device
    return {
        name: torch.from_numpy(values).to(where) for name, values in operation.reference(exact, case.scalars).items()
    }


def eager(name: str) -> Launch:
    """What a user of torch would write, with the same signature. Raises KeyError."""
    known: dict[str, Launch] = {"add_rms_norm": _eager_add_rms_norm, "softmax": _eager_softmax}
    return known[name]


def _eager_add_rms_norm(x: Tensor, residual: Tensor, weight: Tensor, eps: float, out: Tensor, summed: Tensor) -> None:
    torch.add(x, residual, out=summed)
    out.copy_(torch.nn.functional.rms_norm(summed, summed.shape[1:], weight, eps))


def _eager_softmax(x: Tensor, out: Tensor) -> None:
    torch.softmax(x, 1, out=out)
