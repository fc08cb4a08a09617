"""A GPU as the timer needs it: compiled kernels are loaded and launched through the driver, events tell the time.

Written after the driver's manual and Triton's own launcher (its driver.c): a kernel's parameters are those that are not
compiled in, then two pointers to scratch, which are null here. NEVER RUN ON A GPU YET. tests/problems/triton_kernel
compare the parameters with compiled kernels, and play the driver.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

FLUSH_BYTES = 256 * 2**20  # an H100 has 50 MB of L2, an H200 the same
MOST_FLUSHES = 64  # before one call: some six milliseconds on an H100
COPIED_BYTES, COPIES, COUNTED = 2**30, 400, 12  # an idle device takes some tenths of a second to reach its clocks
STATIC_SHARED_BYTES = 48 * 1024  # more has to be asked for
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
LANES = 32
SCRATCH = ("pointer", "pointer")  # global scratch and that of profilers, which no kernel of ours has
Call = Callable[[], Any]
TYPES: dict[str, Any] = {
    "pointer": ctypes.c_uint64,
    "i1": ctypes.c_int8,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "fp32": ctypes.c_float,
}


class DriverError(RuntimeError):
    """The driver answered with an error."""


class Cuda:
    """The one GPU that this job holds."""

    place = "cuda"

    def __init__(self, driver: Any = None) -> None:
        """Raises RuntimeError where torch finds no device, OSError without a driver."""
        self.space = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device=self.place)  # makes the context, too
        self.driver = ctypes.CDLL("libcuda.so.1") if driver is None else driver
        self.flushes = 1

    def facts(self) -> dict[str, Any]:
        """What it is, and how fast it copies a gigabyte once it is at work."""
        major, minor = torch.cuda.get_device_capability()
        return {
            "name": torch.cuda.get_device_name(),
            "capability": 10 * major + minor,
            "torch": str(torch.__version__),
            "copied_bytes_per_ms": self._copied_bytes_per_ms(),
        }

    def _copied_bytes_per_ms(self) -> float:
        source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device=self.place)
        target = torch.empty_like(source)
        took_ms = [self.timed([lambda: target.copy_(source)])[0] for _ in range(COPIES)]
        return 2.0 * COPIED_BYTES / statistics.median(took_ms[-COUNTED:])

    def timed(self, calls: Sequence[Call]) -> tuple[float, float]:
        """Milliseconds from the first call's start on the device to the last one's end, and those of the host's clock.

        The device is idle before; then L2 is written over, and the calls queue up behind that, so that the time in
        which Python launches them passes meanwhile. Where the device was done with that too early, calls from then on
        wait behind twice as much.
        """
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        began_s = time.perf_counter()
        for _ in range(self.flushes):
            self.space.zero_()
        start.record()
        for call in calls:
            call()
        end.record()
        if start.query():  # type: ignore[no-untyped-call]  # reached, while Python still launched
            self.flushes = min(2 * self.flushes, MOST_FLUSHES)
        torch.cuda.synchronize()
        return float(start.elapsed_time(end)), 1e3 * (time.perf_counter() - began_s)

    def kernel(self, described: dict[str, Any], binary: bytes) -> Any:
        """Load a compiled kernel. Raises DriverError."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._ask("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(binary))
        self._ask("cuModuleGetFunction", ctypes.byref(function), module, described["name"].encode())
        if described["shared_bytes"] > STATIC_SHARED_BYTES:
            shared_bytes = ctypes.c_int(described["shared_bytes"])
            self._ask("cuFuncSetAttribute", function, ctypes.c_int(MAX_DYNAMIC_SHARED), shared_bytes)
        return function

    def call(self, kernel: Any, described: dict[str, Any], grid: Sequence[int], values: Sequence[Any]) -> Call:
        """A launch with everything prepared; tensors are given for pointers."""
        given = [each.data_ptr() if isinstance(each, torch.Tensor) else each for each in values]
        kinds = ["pointer" if kind[0] == "*" else kind for kind in described["types"]]
        filled = zip([*kinds, *SCRATCH], [*given, 0, 0], strict=True)
        held = [TYPES[kind](value) for kind, value in filled]
        pointers = (ctypes.c_void_p * len(held))(*(ctypes.addressof(each) for each in held))
        sizes = [ctypes.c_uint(size) for size in (*grid, LANES * described["warps"], 1, 1, described["shared_bytes"])]
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)

        def launch(held: Any = held) -> None:  # what the pointers point to lives as long as the launch does
            self._ask("cuLaunchKernel", kernel, *sizes, stream, pointers, None)

        return launch

    def _ask(self, name: str, *arguments: Any) -> None:
        if code := getattr(self.driver, name)(*arguments):
            raise DriverError(f"{name}: the driver's error {code}{self._named(code)}")

    def _named(self, code: int) -> str:
        """The error's name, as the manual has it; "" if the driver has none."""
        text = ctypes.c_char_p()
        self.driver.cuGetErrorName(ctypes.c_int(code), ctypes.byref(text))
        return f" ({text.value.decode()})" if text.value else ""
