"""The GPUs of this machine, what a job with GPUs is shown of them, and which job holds which. NVIDIA on Linux.

Everything is found below a root folder and by reading files, so that tests can make machines up; nothing is started.
A job sees the device nodes of the GPUs that it holds and no others. MIG instances are refused. Two users of one machine
do not know of each other's jobs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cognition.records import MachineFault
from tasks.sandbox.handle import SandboxUnavailable
from tasks.sandbox.load import private_folder

ROOT = Path("/")
Bind = tuple[str, str]  # where it is, and where a job sees it

#: For all GPUs together. /dev/nvidia-modeset is for displays, but the driver's libraries look for it.
SHARED_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps")
#: What CUDA and NCCL read of the machine's build-up. All of /sys would show far more.
SYSTEM_FOLDERS = ("bus/pci", "class/pci_bus", "devices/system", "module/nvidia", "module/nvidia_uvm")
DRIVER_LIBRARY = "libcuda.so.1"
LOADER_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib")
OTHER_FOLDERS = ("usr/local/nvidia/lib64", "usr/lib/wsl/lib", "run/opengl-driver/lib")
#: GPUs talk to each other over NVLink, PCI and shared memory; what NCCL says over sockets stays on the loopback device.
ENVIRONMENT = {
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "NCCL_SOCKET_IFNAME": "lo",
    "NCCL_IB_DISABLE": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "4",
    "USER": "candidate",  # torch asks for a name, and there is no list of users
}
PATIENCE_S, POLL_S = 60.0, 0.1


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: the number of its device node, and what the driver says of it ("" where it says nothing)."""

    minor: int
    uuid: str = ""
    bus: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What a job with GPUs is given of the machine."""

    devices: tuple[Bind, ...]
    readable: tuple[Bind, ...]
    environment: tuple[tuple[str, str], ...]


def found(root: Path = ROOT, environ: Mapping[str, str] | None = None) -> list[Gpu]:
    """The GPUs with a device node, in the order of their bus; of them those that CUDA_VISIBLE_DEVICES allows us.

    Raises SandboxUnavailable for a CUDA_VISIBLE_DEVICES that cannot be kept to.
    """
    nodes = {int(path.name.removeprefix("nvidia")): path for path in root.glob("dev/nvidia[0-9]*")}
    told = {gpu.minor: gpu for gpu in map(_told, sorted(root.glob("proc/driver/nvidia/gpus/*/information")))}
    gpus = [told.get(minor, Gpu(minor)) for minor in nodes]
    gpus.sort(key=lambda gpu: (gpu.bus, gpu.minor))
    allowed = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
    return gpus if allowed is None else _allowed(gpus, allowed)


def _told(information: Path) -> Gpu:
    """What /proc/driver/nvidia/gpus/BUS/information says."""
    lines = dict(line.partition(":")[::2] for line in information.read_text().splitlines())
    uuid = lines.get("GPU UUID", "").strip()
    return Gpu(int(lines.get("Device Minor", "-1")), "" if "?" in uuid else uuid, information.parent.name)


def _allowed(gpus: list[Gpu], allowed: str) -> list[Gpu]:
    by_name = {str(number): gpu for number, gpu in enumerate(gpus)} | {gpu.uuid: gpu for gpu in gpus if gpu.uuid}
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    if unknown := [name for name in names if name not in by_name]:
        raise SandboxUnavailable(
            f"CUDA_VISIBLE_DEVICES names {unknown[0]}, and this machine has {', '.join(by_name) or 'no GPU'} "
            "(MIG instances cannot be handed to a sandbox)"
        )
    return [by_name[name] for name in names]


def problem(wanted: int, root: Path = ROOT, environ: Mapping[str, str] | None = None) -> str:
    """Why no job with so many GPUs can run on this machine, in a line; "" if nothing speaks against it."""
    try:
        there = len(found(root, environ))
    except SandboxUnavailable as refused:
        return str(refused)
    if there < wanted:
        has = f"has {there}" if there else "has none (no /dev/nvidia0: no NVIDIA GPU, or no driver)"
        return f"{wanted} GPU{'s are' if wanted > 1 else ' is'} needed, and this machine {has}"
    if not (root / "dev/nvidia-uvm").exists():
        return "CUDA needs /dev/nvidia-uvm, which is not there: `nvidia-modprobe -u -c=0` makes it"
    if _library_folder(root, environ) is None:
        return f"the driver's library {DRIVER_LIBRARY} was found neither in the usual folders nor in LD_LIBRARY_PATH"
    return ""


def share(gpus: Sequence[Gpu], root: Path = ROOT, environ: Mapping[str, str] | None = None) -> Share:
    """What a job that holds these GPUs is shown, and told. Raises SandboxUnavailable without a driver library."""
    names = [*(f"nvidia{gpu.minor}" for gpu in gpus), *SHARED_DEVICES]
    nodes = [root / "dev" / name for name in names] + [node for gpu in gpus for node in _render_nodes(root, gpu)]
    folders = [root / "sys" / name for name in SYSTEM_FOLDERS] + sorted(root.glob("sys/devices/pci*"))
    library = _library_folder(root, environ)
    if library is None:
        raise SandboxUnavailable(problem(len(gpus), root, environ))
    place = _place(library, root)
    folders += [] if place.startswith("/usr/") else [library]
    told = {**ENVIRONMENT, "CUDA_VISIBLE_DEVICES": _visible(gpus), "TRITON_LIBCUDA_PATH": place}
    if place.lstrip("/") not in LOADER_FOLDERS:
        told["LD_LIBRARY_PATH"] = place
    return Share(
        tuple((str(path), _place(path, root)) for path in nodes if path.exists()),
        tuple((str(path), _place(path, root)) for path in folders if path.exists()),
        tuple(told.items()),
    )


def _render_nodes(root: Path, gpu: Gpu) -> list[Path]:
    """Its node in /dev/dri, found by its bus: other cards' nodes stay hidden."""
    return [path.resolve() for path in root.glob(f"dev/dri/by-path/pci-{gpu.bus}-render")] if gpu.bus else []


def _visible(gpus: Sequence[Gpu]) -> str:
    """Unique ids mean the same with or without the other GPUs' nodes; without ids, what is bound is numbered from 0."""
    if all(gpu.uuid for gpu in gpus):
        return ",".join(gpu.uuid for gpu in gpus)
    return ",".join(str(number) for number in range(len(gpus)))


def _library_folder(root: Path, environ: Mapping[str, str] | None) -> Path | None:
    given = (os.environ if environ is None else environ).get("LD_LIBRARY_PATH", "")
    asked = [Path(name) for name in given.split(":") if name.startswith("/")]
    places = [root / folder for folder in (*LOADER_FOLDERS, *OTHER_FOLDERS)]
    return next((folder for folder in (*asked, *places) if (folder / DRIVER_LIBRARY).exists()), None)


def _place(path: Path, root: Path) -> str:
    """Where a job sees it: as if the root were the machine's own."""
    return f"/{path.relative_to(root)}" if path.is_relative_to(root) else str(path)


@contextlib.contextmanager
def held(gpus: Sequence[Gpu], count: int, folder: Path | None = None) -> Iterator[list[Gpu]]:
    """Hold `count` of these GPUs while the block runs, against all other jobs of this user on this machine.

    The limit `gpu` keeps steps from starting where none is free, so only a job outside it makes one wait. Raises
    MachineFault when they stay taken.
    """
    base = private_folder() if folder is None else folder
    deadline_s = time.monotonic() + PATIENCE_S
    while (locks := _taken(gpus, count, base)) is None:
        if time.monotonic() > deadline_s:
            raise MachineFault(f"{count} of {len(gpus)} GPUs were wanted, and other jobs hold too many of them")
        time.sleep(POLL_S)
    try:
        yield [gpu for gpu, _ in locks]
    finally:
        _free(locks)


def _taken(gpus: Sequence[Gpu], count: int, base: Path) -> list[tuple[Gpu, int]] | None:
    """The first free ones with the locks on them, or nothing: who holds too few lets others go first."""
    locks: list[tuple[Gpu, int]] = []
    for gpu in gpus:
        lock = _lock(base / f"gpu-{gpu.minor}.lock") if len(locks) < count else None
        if lock is not None:
            locks.append((gpu, lock))
    if len(locks) == count:
        return locks
    _free(locks)
    return None


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock, until it is closed or the process ends; None if another one has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _free(locks: Sequence[tuple[Gpu, int]]) -> None:
    for _, lock in locks:
        os.close(lock)
