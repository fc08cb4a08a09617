"""The tiers of the sandbox: what each is made of, how a zygote is started in it, and which of them work here.

`describe_tiers()` is for people (`nightshift doctor`); `open_sandbox` in pool.py chooses.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from tasks.sandbox.gpus import Share

INSIDE = Path(__file__).resolve().parent / "inside"
SHARED_MEMORY = "/dev/shm"
SYSTEM_PATHS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/nix/store")
READABLE_DEVICES = ("/dev/zero", "/dev/random", "/dev/urandom")
WRITABLE_DEVICES = ("/dev/null",)
#: Real user ids for candidates of an engine that runs as root; systemd keeps this range for such uses.
FIRST_UID, UIDS = 61184, 4000


@dataclass(frozen=True, slots=True)
class Tier:
    """One way to confine a candidate. Every tier has rlimits and the engine's own watch on the process tree."""

    name: str
    namespaces: bool = False  # bubblewrap: own file tree, network, processes
    landlock: bool = False
    seccomp: bool = True


@dataclass(frozen=True, slots=True)
class TierReport:
    """Whether a tier works on this machine, found out by starting it."""

    name: str
    works: bool
    why: str
    advice: str = ""  # what to install or change; "" if nothing


BUBBLEWRAP = Tier("bubblewrap", namespaces=True)
LANDLOCK = Tier("landlock", landlock=True)
UNSAFE = Tier("unsafe", seccomp=False)
SAFE_TIERS = (BUBBLEWRAP, LANDLOCK)
TIERS = {tier.name: tier for tier in (*SAFE_TIERS, UNSAFE)}
ADVICE = {
    "bubblewrap": (
        "install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap) and allow user namespaces; "
        "Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap"
    ),
    "landlock": "a Linux kernel of 5.13 or newer with landlock in the lsm= list, on x86_64 or aarch64",
}


def python_paths() -> list[str]:
    """The Python installation: the virtual environment, what it points to, and what that is a link to."""
    executable = Path(sys.executable).resolve()
    prefixes = [sys.prefix, sys.base_prefix, str(executable.parent.parent)]
    found = [path for prefix in prefixes for path in (prefix, os.path.realpath(prefix))]
    return [path for path in dict.fromkeys(found) if path not in ("/", *SYSTEM_PATHS)]


def readable_paths(adapter: Path, data: tuple[Path, ...]) -> list[str]:
    """All that a candidate may read: system libraries, Python, this package's inside, its adapter, its data."""
    ours = [str(INSIDE), str(adapter), *map(str, data)]
    return [*SYSTEM_PATHS, *python_paths(), *dict.fromkeys(ours)]


def bubblewrap_command(
    readable: list[str], *, as_root: bool, work: Path | None = None, share: Share | None = None
) -> list[str]:
    """A file tree that holds nothing but `readable`, what a job with GPUs is shown, and a work folder.

    Nothing in it but the work folder can be written before a job mounts its scratch.
    """
    command = [shutil.which("bwrap") or "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--as-pid-1", "--cap-drop", "ALL"]
    command += ["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"]  # gone before a candidate runs
    if as_root:  # a user namespace would leave the kernel's user id at 0: stay outside, and drop it in the child
        command += [word for name in ("CAP_SETUID", "CAP_SETGID") for word in ("--cap-add", name)]
    else:
        command += ["--unshare-user"]
    devices = (*READABLE_DEVICES, *WRITABLE_DEVICES)
    shown = () if share is None else (*share.devices, *share.readable)
    places = (*readable, *devices, *(place for _, place in shown), *([] if work is None else [str(work)]))
    parents = {parent for path in places for parent in Path(path).parents if parent != Path("/")}
    for parent in sorted(parents):  # left to itself, bubblewrap closes them to all but its own user
        command += ["--perms", "0755", "--dir", str(parent)]
    for path in readable:
        if Path(path).is_symlink() and path in SYSTEM_PATHS and path.count("/") == 1:
            command += ["--symlink", str(Path(path).readlink()), path]
        else:
            command += ["--ro-bind-try", path, path]
    for device in devices:
        command += ["--dev-bind", device, device]
    if share is not None:
        command += _gpu_arguments(share)
    if work is not None:
        command += ["--bind", str(work), str(work)]
    if Path("/tmp") not in parents:
        command += ["--symlink", "/scratch", "/tmp"]
    return [*command, "--dir", "/scratch", "--remount-ro", "/", "--chdir", "/", "--"]


def _gpu_arguments(share: Share) -> list[str]:
    """CUDA wants /proc: one that shows the sandbox's own processes, read-only. /dev/shm is mounted by each job."""
    command = ["--proc", "/proc", "--remount-ro", "/proc", "--dir", SHARED_MEMORY]
    for path, place in share.readable:
        command += ["--ro-bind", path, place]
    for path, place in share.devices:
        command += ["--dev-bind", path, place]
    return command


def candidate_uid(readable: list[str], writable: list[Path], tier: Tier) -> int | None:
    """The user id candidates get from an engine that is root; None: they keep ours (without any capability).

    Root's own files are often closed to others (a Python in root's home). With a mount namespace only the end of a
    path counts; without one every part does. Where they are closed the candidate stays user 0, stripped of all power.
    """
    if os.geteuid() != 0:
        return None
    paths = [Path(path) for path in readable if path not in SYSTEM_PATHS]
    files = [
        file for path in paths if path.is_dir() and path not in map(Path, python_paths()) for file in path.iterdir()
    ]
    parents = [] if tier.namespaces else [parent for path in (*writable, *paths) for parent in path.parents]
    if all(_open_to_others(path) for path in (*paths, *files, *parents)):
        return FIRST_UID + os.getpid() % UIDS
    return None


def _open_to_others(path: Path) -> bool:
    mode = path.stat().st_mode
    needed = stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
    return bool(mode & needed)


def describe_tiers(scratch_root: Path | None = None) -> list[TierReport]:
    """Try every tier, best first. Starts a process for each, about a tenth of a second in all."""
    from tasks.sandbox.pool import probe

    reports = [TierReport("container", False, "not built yet", "nothing to install: the next tier is used")]
    for tier in SAFE_TIERS:
        problem = probe(tier, scratch_root)
        reports.append(
            TierReport(tier.name, not problem, problem or "started and tested", problem and ADVICE[tier.name])
        )
    why = "limits of CPU time, memory and output only; the candidate can read and send what you can"
    reports.append(TierReport(UNSAFE.name, sys.platform == "linux", why, "only by explicit consent"))
    return reports
