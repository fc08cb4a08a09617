"""Records what a program launches, and compiles it for a GPU that need not be there. Runs inside the sandbox, on a CPU.

`launch` is called on tensors without memory, with launches written down in place of run, and each kernel is compiled
ahead of time, specialised as Triton's just-in-time compiler would do it. `check` says whether all of them compile.
`record` hands out the plan of every case (kernels, grids, arguments) with the compiled kernels, so that they can be
timed in a process in which nothing of the candidate's Python is (replaying.py). Nothing here is run on a GPU, and all
of it is a claim: readers check it.
"""

from __future__ import annotations

import math
import os
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)
os.environ["TRITON_CACHE_DIR"] = f"{os.environ.get('TMPDIR', '/tmp')}/triton-cache"  # the job's own scratch
os.environ["TRITON_DEFAULT_FP_FUSION"] = "1"  # products and sums may fuse, as they do by default up to Triton 3.9

import recording
import torch
import triton
from loading import load
from recording import Launched
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

MOST_SHARED_BYTES = 227 * 1024  # what one program of an H100 or H200 may have
DIVISIBLE = [["tt.divisibility", 16]]
ALIGNED_BYTES = 16


class Unusable(ValueError):
    """A kernel needs more at its launch than the timer gives it."""


def check(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """What each launch compiles to; or `uncompiled`, the first one that does not, and why."""
    found = _recorded(candidate_path, request)
    return found if isinstance(found, dict) else {"kernels": [kernel for kernel, _ in found[0].made.values()]}


def record(candidate_path: str, request: dict[str, Any]) -> dict[str, Any] | tuple[dict[str, Any], dict[str, bytes]]:
    """Plans and kernels, with the compiled code as files `kernel-0`, `kernel-1`, ...; or `uncompiled`."""
    found = _recorded(candidate_path, request)
    if isinstance(found, dict):
        return found
    library, plans = found
    made = list(library.made.values())
    files = {f"kernel-{number}": binary for number, (_, binary) in enumerate(made)}
    return {"kernels": [kernel for kernel, _ in made], "plans": plans}, files


def _recorded(candidate_path: str, request: dict[str, Any]) -> dict[str, Any] | tuple[Library, list[dict[str, Any]]]:
    torch.set_num_threads(1)
    recorder = recording.installed()
    launch = load(candidate_path)
    library, plans = Library(request["capability"], request["options"]), []
    for case in request["cases"]:
        launched, places = recorder.launches(launch, case)
        if not launched:
            return {"kernels": []}
        written = []
        for each in launched:
            try:
                written.append({"kernel": library.number(each), **recording.written(each, places)})
            except Exception as error:  # noqa: BLE001 - the edge to a compiler: whatever it raises, it is not usable
                said = f"{type(error).__name__}: {str(error)[-400:]}"
                return {"uncompiled": f"{each.kernel.__name__} ({case['dtype']}): {said}"}
        plans.append({"launches": written, "scratch": places.scratch_bytes})
    return library, plans


class Library:
    """Compiled kernels, each once for all launches that it fits."""

    def __init__(self, capability: int, options: dict[str, list[int]]) -> None:
        self.target, self.options = GPUTarget("cuda", capability, 32), options
        self.made: dict[str, tuple[dict[str, Any], bytes]] = {}

    def number(self, launched: Launched) -> int:
        """Which kernel that launch takes. Raises whatever the compiler raises, Unusable, TypeError."""
        types = {name: recording.kind(launched, name) for name in launched.values}
        constants = {
            name: recording.plain(launched.values[name]) for name, kind in types.items() if kind == "constexpr"
        }
        divisible = [name for name, kind in types.items() if _divisible(kind, launched.values[name])]
        options = self._options(launched)
        key = repr((id(launched.kernel), types, constants, divisible, options))
        if key not in self.made:
            self.made[key] = self._compiled(launched.kernel, types, constants, divisible, options)
        return list(self.made).index(key)

    def _options(self, launched: Launched) -> dict[str, int]:
        for name, value in launched.options.items():
            if type(value) is not int or value not in self.options.get(name, ()):
                raise Unusable(f"{name}={value!r} is none of the options and numbers that a launch may have")
        return dict(launched.options)

    def _compiled(
        self,
        kernel: Any,
        types: dict[str, str],
        constants: dict[str, Any],
        divisible: list[str],
        options: dict[str, int],
    ) -> tuple[dict[str, Any], bytes]:
        names = list(types)
        source = ASTSource(
            kernel,
            signature=types,
            constexprs={(names.index(name),): value for name, value in constants.items()},
            attrs={(names.index(name),): DIVISIBLE for name in divisible},
        )
        made = triton.compile(source, target=self.target, options=dict(options))
        said = made.metadata
        if said.shared > MOST_SHARED_BYTES:
            raise Unusable(f"a program takes {said.shared} bytes of shared memory, more than there are")
        if said.global_scratch_size or said.profile_scratch_size or said.num_ctas != 1:
            raise Unusable("the kernel wants memory or clusters that the timer does not give")
        described = {
            "name": said.name,
            "shared_bytes": said.shared,
            "warps": said.num_warps,
            "types": [kind for kind in types.values() if kind != "constexpr"],
            "constants": {name: _shown(value) for name, value in constants.items()},
        }
        return described, made.asm["cubin"]


def _divisible(kind: str, value: Any) -> bool:
    """As Triton specialises: pointers and whole numbers that are multiples of 16."""
    if kind[0] == "*":
        return int(value.storage_offset() * value.element_size()) % ALIGNED_BYTES == 0
    return kind in ("i32", "i64") and type(value) is int and value % ALIGNED_BYTES == 0


def _shown(value: Any) -> Any:
    shown = value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
    return value if shown else str(value)
