"""Triton's interpreter, watched: which bytes every load and store touches, and whether they belong to a tensor.

The methods of the interpreter's builder are wrapped before the candidate is imported. What is outside of every known
tensor is refused before it is touched. Elements that a mask leaves out and for which no `other` is given are undefined
on a GPU; here they come as NaN. Runs inside the sandbox; a candidate that keeps to the static rules cannot reach this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

NAMES = (
    "programs", "loads", "stores", "loaded_bytes", "stored_bytes", "loaded_sectors", "stored_sectors",
    "busiest_sectors",
)  # fmt: skip
SECTOR_BYTES = 32
MOST_TILE = 32768  # elements that one load or store of one program may have: an H100's processor has 65,536 registers
PASSABLE = (bool, int, float, str, torch.Tensor, torch.dtype, tl.dtype, tl.constexpr, interpreter.InterpretedFunction)


class Refused(Exception):
    """The program broke a rule while it ran. The ledger keeps it, since Triton replaces exceptions by its own."""


@dataclass
class Ledger:
    """What is counted, launch by launch, and which memory may be touched. One per process."""

    regions: list[tuple[int, int]] = field(default_factory=list)  # first byte, end
    launches: list[dict[str, int]] = field(default_factory=list)
    refusal: tuple[str, str] | None = None
    program_sectors: int = 0  # of the program that runs
    launching: bool = False
    preparing: bool = False  # before and after the programs of a launch, when Triton itself calls torch

    def begin(self, regions: list[tuple[int, int]]) -> None:
        """A new call, with these tensors."""
        self.regions, self.launches = list(regions), []

    def refuse(self, rule: str, message: str) -> None:
        """Raises Refused."""
        self.refusal = self.refusal or (rule, message)
        raise Refused(message)

    def count(self, kind: str, pointers: Any, mask: Any, size: int) -> None:
        """One load ("load") or store ("store") of one program. Raises Refused."""
        if pointers.size > MOST_TILE:
            self.refuse("large-tile", f"a {kind} of {pointers.size} elements; at most {MOST_TILE} fit a program")
        live = np.broadcast_to(mask, pointers.shape) if pointers.shape else mask
        touched = pointers[live.astype(bool)].astype(np.int64)
        now = self.launches[-1]
        now[f"{kind}s"] += 1
        if touched.size == 0:
            return
        self._within(kind, touched, size)
        sectors = np.unique(touched // SECTOR_BYTES).size
        past = "loaded" if kind == "load" else "stored"
        now[f"{past}_bytes"] += int(touched.size) * size
        now[f"{past}_sectors"] += int(sectors)
        self.program_sectors += int(sectors)
        now["busiest_sectors"] = max(now["busiest_sectors"], self.program_sectors)

    def _within(self, kind: str, touched: Any, size: int) -> None:
        left = touched
        for first, end in self.regions:
            left = left[(left < first) | (left + size > end)]
            if left.size == 0:
                return
        self.refuse("out-of-bounds", f"a {kind} of {left.size} elements that belong to no tensor: mask them")


def install(ledger: Ledger) -> None:
    """Wrap the interpreter. Once per process, before the candidate is imported."""
    builder: Any = interpreter.InterpreterBuilder
    load, store = builder.create_masked_load, builder.create_masked_store
    rmw, cas = builder.create_atomic_rmw, builder.create_atomic_cas

    def size(pointers: Any) -> int:
        return int(interpreter._get_np_dtype(pointers.get_element_ty()).itemsize)

    def masked_load(self: Any, ptrs: Any, mask: Any, other: Any, cache_policy: Any, is_volatile: Any) -> Any:
        ledger.count("load", ptrs.data, mask.data, size(ptrs))
        if other is None and not mask.data.all():
            other = _undefined(ptrs)
        return load(self, ptrs, mask, other, cache_policy, is_volatile)

    def masked_store(self: Any, ptrs: Any, value: Any, mask: Any, cache_policy: Any) -> Any:
        ledger.count("store", ptrs.data, mask.data, size(ptrs))
        return store(self, ptrs, value, mask, cache_policy)

    def atomic_rmw(self: Any, op: Any, ptr: Any, val: Any, mask: Any, sem: Any, scope: Any) -> Any:
        for kind in ("load", "store"):
            ledger.count(kind, ptr.data, mask.data, size(ptr))
        return rmw(self, op, ptr, val, mask, sem, scope)

    def atomic_cas(self: Any, ptr: Any, cmp: Any, val: Any, sem: Any, scope: Any) -> Any:
        for kind in ("load", "store"):
            ledger.count(kind, ptr.data, np.ones_like(ptr.data, dtype=bool), size(ptr))
        return cas(self, ptr, cmp, val, sem, scope)

    builder.create_masked_load, builder.create_masked_store = masked_load, masked_store
    builder.create_atomic_rmw, builder.create_atomic_cas = atomic_rmw, atomic_cas
    interpreter.GridExecutor.__call__ = _counted(ledger, interpreter.GridExecutor.__call__)


def _counted(ledger: Ledger, execute: Callable[..., Any]) -> Callable[..., Any]:
    """A launch, counted with its programs."""
    move = interpreter.InterpreterBuilder.set_grid_idx

    restore = interpreter.GridExecutor._restore_args_dev

    def next_program(self: Any, x: int, y: int, z: int) -> None:
        ledger.launches[-1]["programs"] += 1
        ledger.program_sectors = 0
        move(self, x, y, z)
        ledger.preparing = False

    def restored(self: Any, *arguments: Any) -> None:
        ledger.preparing = True
        restore(self, *arguments)

    interpreter.InterpreterBuilder.set_grid_idx = next_program
    interpreter.GridExecutor._restore_args_dev = restored

    def launch(self: Any, *arguments: Any, **options: Any) -> Any:
        if ledger.launching:
            ledger.refuse("nested-launch", "a kernel launches a kernel, which no GPU does")
        for value in (*arguments, *options.values()):
            _passable(ledger, value)
        ledger.launches.append(dict.fromkeys(NAMES, 0))
        self.grid = _watched(ledger, self.grid) if callable(self.grid) else self.grid
        ledger.preparing = ledger.launching = True
        try:
            with np.errstate(all="ignore"):
                return execute(self, *arguments, **options)
        finally:
            ledger.preparing = ledger.launching = False

    return launch


def _watched(ledger: Ledger, grid: Callable[..., Any]) -> Callable[..., Any]:
    """A grid that is a function is the candidate's, and Triton calls it while it prepares."""

    def asked(arguments: Any) -> Any:
        ledger.preparing = False
        found = grid(arguments)
        ledger.preparing = True
        return found

    return asked


def _passable(ledger: Ledger, value: Any) -> None:
    """What a GPU's kernel can be given: whatever else could carry values past the memory that is counted."""
    if isinstance(value, tuple):
        for entry in value:
            _passable(ledger, entry)
    elif value is not None and not isinstance(value, PASSABLE):
        ledger.refuse("kernel-argument", f"a kernel was given a {type(value).__name__}; numbers and tensors can be")


def _undefined(pointers: Any) -> Any:
    """What stands for elements that a mask left out: NaN, or a large number."""
    element = pointers.get_element_ty()
    kind = interpreter._get_np_dtype(element)
    if element.is_bf16():
        filled = np.full(pointers.data.shape, 0x7FE5, dtype=kind)
    elif np.issubdtype(kind, np.floating):
        filled = np.full(pointers.data.shape, np.nan, dtype=kind)
    else:
        filled = np.full(pointers.data.shape, np.iinfo(kind).max if kind != np.bool_ else True, dtype=kind)
    return interpreter.TensorHandle(filled, element)
