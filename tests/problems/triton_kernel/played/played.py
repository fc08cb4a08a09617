"""A GPU that is none, for inside/replaying.py: Triton's interpreter runs the kernels, and the clock is made up.

It is given the programs' text beside the plans, finds each kernel by its name, and gives it what the plan says. A
launch takes a millisecond and a little that changes. Nothing here is a measurement.
"""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"

import hashlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import replaying
import torch
import triton

KINDS = {"*fp32": "float32", "*fp16": "float16", "*bf16": "bfloat16", "*i32": "int32", "*i64": "int64", "*u8": "uint8"}
Call = Callable[[], Any]


class Played:
    """The device."""

    place = "cpu"

    def __init__(self, sources: dict[str, str], machine: dict[str, float]) -> None:
        self.sources, self.machine, self.number = sources, machine, itertools.count()

    def facts(self) -> dict[str, Any]:
        return {
            "name": "made up",
            "capability": int(self.machine["capability"]),
            "torch": str(torch.__version__),
            "copied_bytes_per_ms": self.machine["copied_bytes_per_ms"],
        }

    def kernel(self, described: dict[str, Any], binary: bytes) -> Any:
        """The kernel of that name, of the program that it was compiled from."""
        code = self.sources[hashlib.sha256(binary).hexdigest()]
        return getattr(_module(code), described["name"])

    def call(self, kernel: Any, described: dict[str, Any], grid: Sequence[int], values: Sequence[Any]) -> Call:
        left = [
            value.view(getattr(torch, KINDS[kind])) if kind[0] == "*" else value
            for kind, value in zip(described["types"], values, strict=True)
        ]
        given = {}
        for name in kernel.arg_names:
            given[name] = described["constants"][name] if name in described["constants"] else left.pop(0)
        assert not left
        return lambda: kernel[tuple(grid)](**given)

    def timed(self, calls: Sequence[Call]) -> tuple[float, float]:
        for call in calls:
            call()
        device_ms = len(calls) * self.machine["slower"] * (1.0 + 0.001 * (next(self.number) % 7))
        return device_ms, device_ms + 0.5


def _module(code: str) -> Any:
    """Triton reads kernels from their file."""
    name = f"program_{hashlib.sha256(code.encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        path = Path(os.environ["TMPDIR"], f"{name}.py")
        path.write_text(code)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def compare(candidate_path: str, request: dict[str, Any]) -> Any:
    """As replaying.compare, on the device that is none."""
    assert Path(candidate_path).read_text() == ""  # no Python of a candidate comes here
    assert triton.__version__
    return replaying.compared(Played(request["sources"], request["machine"]), request)
