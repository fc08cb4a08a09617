"""Launches written down instead of run: which kernel, which grid, which arguments, as places in a call's tensors.

Tensors are without memory (torch's device `meta`), so a launch that depended on values would fail here. What a program
allocates is known by its size and its order; the pieces are allocated again, poisoned, where the plan is replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from triton.runtime.jit import JITFunction

POINTERS = {
    torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.int32: "*i32", torch.int64: "*i64",
    torch.uint8: "*u8",
}  # fmt: skip
SCALARS = ("i1", "i32", "i64", "fp32")
BOOLS = {"u1": "i1"}  # as Triton calls a parameter that is annotated as one, and as a signature has it


@dataclass
class Launched:
    """One launch: values of all parameters, in their order; what of the keywords is for the compiler; the grid."""

    kernel: Any
    values: dict[str, Any]
    options: dict[str, Any]
    grid: tuple[int, int, int]


@dataclass
class Places:
    """Whose memory a tensor is: an argument's, by name, or a piece of scratch, by number."""

    arguments: dict[int, str]
    scratch: dict[int, int] = field(default_factory=dict)
    scratch_bytes: list[int] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)  # alive, so that no later one takes its place

    def of(self, tensor: torch.Tensor) -> list[Any]:
        """As a plan says it: kind, name or number, bytes from its start."""
        storage = tensor.untyped_storage()
        known, at = storage._cdata, tensor.storage_offset() * tensor.element_size()
        if known in self.arguments:
            return ["tensor", self.arguments[known], at]
        if known not in self.scratch:
            self.scratch[known] = len(self.scratch_bytes)
            self.scratch_bytes.append(storage.nbytes())
            self.kept.append(storage)
        return ["scratch", self.scratch[known], at]


class Recorder:
    """Takes the place of Triton's launches. One per process."""

    def __init__(self) -> None:
        self.launched: list[Launched] = []

    def launches(self, launch: Callable[..., Any], case: dict[str, Any]) -> tuple[list[Launched], Places]:
        """What the program launches for that case."""
        dtype = getattr(torch, case["dtype"])
        tensors = {
            name: torch.empty_strided(shape, case["strides"][name], dtype=dtype, device="meta")
            for name, shape in case["shapes"].items()
        }
        self.launched = []
        launch(**tensors, **case["scalars"])
        return self.launched, Places({each.untyped_storage()._cdata: name for name, each in tensors.items()})

    def take(self, kernel: Any, arguments: tuple[Any, ...], grid: Any, keywords: dict[str, Any]) -> None:
        """Write a launch down. Raises TypeError for arguments that the kernel does not have."""
        names = [parameter.name for parameter in kernel.params]
        own = {name: value for name, value in keywords.items() if name in names}
        bound = kernel.signature.bind(*arguments, **own)
        bound.apply_defaults()
        values = dict(bound.arguments)
        given = grid(dict(values)) if callable(grid) else grid
        sizes = [*given, 1, 1][: max(3, len(given))]
        if len(sizes) != 3 or not all(type(size) is int and size > 0 for size in sizes):
            raise TypeError(f"a grid is up to three whole numbers above zero, not {given!r}")
        options = {
            name: value for name, value in keywords.items() if name not in names or name in ("num_warps", "num_stages")
        }
        self.launched.append(Launched(kernel, values, options, (sizes[0], sizes[1], sizes[2])))


def installed() -> Recorder:
    """Before the candidate is imported."""
    recorder = Recorder()

    def run(self: Any, *arguments: Any, grid: Any, warmup: bool, **keywords: Any) -> None:
        recorder.take(self, arguments, grid, keywords)

    JITFunction.run = run
    return recorder


def kind(launched: Launched, name: str) -> str:
    """The type of a parameter, as Triton's signatures name it; `constexpr` for what is compiled in."""
    parameter = next(each for each in launched.kernel.params if each.name == name)
    value = launched.values[name]
    if parameter.is_constexpr or value is None or (type(value) is int and value == 1 and not parameter.annotation_type):
        return "constexpr"
    if isinstance(value, torch.Tensor):
        if value.device.type != "meta":
            raise TypeError(
                f"{name} lies on another device than the tensors of the call: allocate with device=x.device"
            )
        return POINTERS[value.dtype]
    found = BOOLS.get(parameter.annotation_type, parameter.annotation_type) or _natural(value)
    if found not in SCALARS:
        raise TypeError(f"{name} is a {found}; a kernel is given tensors, whole numbers, floats and bools")
    return str(found)


def _natural(value: Any) -> str:
    if isinstance(value, bool):
        return "i1"
    if isinstance(value, int):
        return "i32" if -(2**31) <= value < 2**31 else "i64"
    return "fp32" if isinstance(value, float) else type(value).__name__


def plain(value: Any) -> Any:
    """What is compiled in: of a tl.constexpr what it holds. Raises TypeError for what could change."""
    found = getattr(value, "value", value)
    if isinstance(found, dict | list | set):
        raise TypeError(f"a kernel was given a {type(found).__name__}")
    return found


def written(launched: Launched, places: Places) -> dict[str, Any]:
    """A launch as a plan has it: the grid, and every argument that is not compiled in."""
    arguments = []
    for name, value in launched.values.items():
        if kind(launched, name) != "constexpr":
            arguments.append(places.of(value) if isinstance(value, torch.Tensor) else ["number", value])
    return {"grid": list(launched.grid), "arguments": arguments}
