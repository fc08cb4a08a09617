"""What the sandbox calls: `run` lets the candidate's `launch` fill poisoned memory, and hands memory and counts out.

TRITON_INTERPRET has to be set before triton is imported, which nothing does earlier in this process. Operators of
torch that compute are refused while `launch` runs: it may allocate, look at shapes, make views. This judges nothing.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"

import counting
import torch
from loading import load
from torch.overrides import TorchFunctionMode

#: What of torch may be called, by name: allocation, shapes, views. `__get__` reads an attribute such as `shape`.
ALLOCATIONS = frozenset({"empty", "empty_like", "empty_strided", "new_empty"})
HARMLESS = ALLOCATIONS | {
    "__get__", "__getitem__", "__len__", "data_ptr", "dim", "element_size", "is_contiguous", "numel", "size", "squeeze",
    "stride", "t", "transpose", "unsqueeze", "untyped_storage", "view",
}  # fmt: skip
ALIGNED_BYTES = 256
UNWRITTEN = 0x5A  # in scratch of whole numbers
Handed = tuple[dict[str, Any], dict[str, bytes]]


class Watched(TorchFunctionMode):
    """Refuses torch's operators outside of kernels, and knows the scratch that a candidate allocates."""

    def __init__(self, ledger: counting.Ledger) -> None:
        super().__init__()
        self.ledger, self.scratch = ledger, list[torch.Tensor]()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", str(function))
        if self.ledger.preparing:
            return function(*args, **(kwargs or {}))
        if name not in HARMLESS:
            self.ledger.refuse("torch-operator", f"torch's {name} was called; the kernels have to do the work")
        if name in ALLOCATIONS and (kwargs or {}).get("out") is not None:
            self.ledger.refuse("torch-operator", f"torch's {name} was given `out`: what there is, is no scratch")
        found = function(*args, **(kwargs or {}))
        if name in ALLOCATIONS:
            self._known(found)
        return found

    def _known(self, scratch: torch.Tensor) -> None:
        """Kernels may touch it; until they write, it holds what shows."""
        scratch.fill_(float("nan") if scratch.is_floating_point() else UNWRITTEN)
        self.scratch.append(scratch)  # kept alive, so that no later tensor takes its place
        first = scratch.untyped_storage().data_ptr()
        self.ledger.regions.append((first, first + scratch.untyped_storage().nbytes()))


def run(candidate_path: str, request: dict[str, Any]) -> dict[str, Any] | Handed:
    """Every call once, then those that are to be repeated again, on fresh memory."""
    torch.set_num_threads(1)
    ledger = counting.Ledger()
    counting.install(ledger)
    launches, memory = [], []
    try:
        launch = load(candidate_path)
        for call in request["calls"]:
            memory.append(_called(launch, call, ledger))
            launches.append(ledger.launches)
        for call in request["calls"]:
            if call["repeated"]:
                memory.append(_called(launch, call, ledger))
    except Exception:
        if ledger.refusal is None:
            raise
        return {"refused": list(ledger.refusal)}
    if not any(launches):
        return {"refused": ["no-triton", "launch ran no Triton kernel"]}
    return {"launches": launches}, {"memory": b"".join(memory)}


def _called(launch: Callable[..., Any], call: dict[str, Any], ledger: counting.Ledger) -> bytes:
    """The memory after one call."""
    content = base64.b64decode(call["memory"])
    space = torch.empty(len(content) + ALIGNED_BYTES, dtype=torch.uint8)
    start = -space.data_ptr() % ALIGNED_BYTES
    memory = space[start : start + len(content)]
    memory.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    typed = memory.view(getattr(torch, call["dtype"]))
    tensors, regions = {}, []
    for name, where in call["tensors"].items():
        tensor = typed.as_strided(where["shape"], where["strides"], typed.storage_offset() + where["offset"])
        extent = 1 + sum((size - 1) * stride for size, stride in zip(where["shape"], where["strides"], strict=True))
        tensors[name] = tensor
        regions.append((tensor.data_ptr(), tensor.data_ptr() + extent * tensor.element_size()))
    ledger.begin(regions)
    with Watched(ledger):
        launch(**tensors, **call["scalars"])
    return memory.numpy().tobytes()
