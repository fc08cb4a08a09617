"""`open_sandbox`: chooses the best tier by starting it, keeps warm zygotes, runs jobs on them from any thread."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import logging
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from cognition.records import Failure, FailureKind, MachineFault
from tasks.sandbox import gpus, scratch, session, tiers, verdict
from tasks.sandbox.handle import Finished, HostOverloaded, Job, Limits, SandboxUnavailable
from tasks.sandbox.inside import landlock, proctree, seccomp
from tasks.sandbox.load import Load
from tasks.sandbox.tiers import INSIDE, Tier
from tasks.sandbox.zygotes import View, Zygote, ZygoteDied

logger = logging.getLogger(__name__)

PRELOAD = ("numpy", "scipy.optimize")
JOBS_PER_ZYGOTE = 200
ATTEMPTS = 2  # a zygote that dies under a job gets one more chance; then the job is what kills it
PROBE_LIMITS = Limits(cpu_s=10.0, wall_s=60.0, memory_mb=256, disk_mb=1, output_kb=16, answer_kb=16)


def open_sandbox(
    scratch_root: Path,
    *,
    tier: str | None = None,
    unsafe: bool = False,
    zygotes: int = 1,
    preload: tuple[str, ...] = PRELOAD,
    gpu_root: Path = gpus.ROOT,
) -> Pool:
    """A sandbox of the best tier that works here, or of the named one. Close it, or use it as a context manager.

    `zygotes` jobs run in parallel; `preload` is imported once per zygote, not once per job. Raises SandboxUnavailable.
    `unsafe` allows the tier that confines nothing, if no other works. `gpu_root` is where GPUs are looked for.
    """
    if tier is not None and tier not in tiers.TIERS:
        raise SandboxUnavailable(f"there is no tier {tier!r}; there are {', '.join(tiers.TIERS)}")
    problems = []
    for candidate in tiers.SAFE_TIERS if tier is None else (tiers.TIERS[tier],):
        if candidate is tiers.UNSAFE and not unsafe:
            raise SandboxUnavailable("the tier 'unsafe' confines nothing and needs consent: --unsafe-no-sandbox")
        if not (problem := probe(candidate, scratch_root)):
            return Pool(scratch_root, candidate, zygotes, preload, gpu_root)
        problems.append(f"{candidate.name}: {problem} (to get it: {tiers.ADVICE.get(candidate.name, 'needs Linux')})")
    if unsafe and tier is None and not probe(tiers.UNSAFE, scratch_root):
        return Pool(scratch_root, tiers.UNSAFE, zygotes, preload, gpu_root)
    raise SandboxUnavailable("candidate code cannot be confined here. " + "; ".join(problems))


def probe(tier: Tier, scratch_root: Path | None) -> str:
    """Start the tier and try to break out of it. "" if it holds, otherwise what is wrong."""
    if problem := _missing(tier):
        return problem
    with tempfile.TemporaryDirectory(prefix="nightshift-probe-") as folder:
        secret = Path(folder, "secret")
        secret.write_text("not for candidates")
        try:
            with Pool(scratch_root or Path(folder), tier, 1, ()) as pool:
                job = Job("", INSIDE, "selftest:look_around", {"secret": str(secret)}, PROBE_LIMITS)
                result = pool.run(job)
        except (MachineFault, OSError) as error:
            return str(error)
    if isinstance(result, Failure):
        return f"a trivial program fails in it: {result.reason} {result.trace[-500:]}".strip()
    leaks = [name for name, holds in result.answer.items() if not holds]
    return "" if tier is tiers.UNSAFE or not leaks else f"it does not hold: {', '.join(leaks)}"


def _missing(tier: Tier) -> str:
    """What can be told without starting anything."""
    if sys.platform != "linux":
        return f"needs Linux, this is {sys.platform}"
    if not proctree.can_list_children():
        return "the kernel has no /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN)"
    if tier.seccomp and not seccomp.supported():
        return f"no system-call table for {os.uname().machine}"
    if tier.landlock and not landlock.version():
        return "the kernel has no Landlock, or it is switched off"
    return ""


class Pool:
    """The engine's `Sandbox`: up to `zygotes` jobs in parallel, each on a warm zygote of its own."""

    def __init__(
        self,
        scratch_root: Path,
        tier: Tier,
        zygotes: int,
        preload: tuple[str, ...],
        gpu_root: Path = gpus.ROOT,
    ) -> None:
        self._tier, self._preload, self._most, self._gpu_root = tier, preload, zygotes, gpu_root
        self._scratch_root = scratch_root.absolute()
        self._scratch_root.mkdir(parents=True, exist_ok=True)
        self._slots = threading.Semaphore(zygotes)
        self._load = Load()
        self._lock = threading.Lock()
        self._idle: list[Zygote] = []
        self._numbers = itertools.count()
        self._closed = False

    @property
    def tier(self) -> str:
        """The name of the tier in use, as recorded with every result."""
        return self._tier.name

    def run(self, job: Job) -> Finished | Failure:
        """Run one job to its end; waits for a free zygote first. Raises MachineFault if the host is to blame."""
        _validate(job)
        self._refuse_what_the_tier_has_not(job)
        data, work = tuple(path.resolve() for path in job.data), job.work and job.work.resolve()
        job = dataclasses.replace(job, adapter=job.adapter.resolve(), data=data, work=work)
        try:
            with self._slots:
                return self._judged(job) if job.gpus else self._run(job)
        except OSError as error:
            raise MachineFault(f"the sandbox cannot run a job: {error}") from error

    def _refuse_what_the_tier_has_not(self, job: Job) -> None:
        if job.gpus and (problem := gpus.problem(job.gpus, self._gpu_root)):
            raise SandboxUnavailable(f"the profile gpu-train cannot be had: {problem}")
        if (job.gpus or job.loopback) and not (self._tier.namespaces or self._tier is tiers.UNSAFE):
            wanted = "GPUs need a /proc" if job.gpus else "sockets need a network"
            raise SandboxUnavailable(
                f"{wanted} that shows this job alone, which the tier {self.tier} has not: {tiers.ADVICE['bubblewrap']}"
            )

    def _run(self, job: Job) -> Finished | Failure:
        """Beside other jobs; if the host had no time or memory for it, once more with nothing of ours beside it."""
        try:
            with self._load.beside_others():
                return self._judged(job)
        except HostOverloaded as fault:
            logger.warning("%s; the job runs again, alone", fault)
            first = fault
        try:
            with self._load.alone(job.limits.wall_s):
                return self._judged(job)
        except TimeoutError as error:
            raise HostOverloaded(f"{first}; and it could not run alone: {error}") from first

    def _judged(self, job: Job) -> Finished | Failure:
        for _ in range(ATTEMPTS):
            try:
                ending = self._attempt(job)
            except ZygoteDied as error:
                reason = str(error)
            else:
                return verdict.judge(ending, job.limits, self.tier)
        return Failure(FailureKind.CRASH, f"the sandbox around it died {ATTEMPTS} times: {reason}")

    def close(self) -> None:
        """End all zygotes. Jobs that still run end on their own."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for zygote in idle:
            zygote.close()

    def __enter__(self) -> Pool:
        """The pool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _attempt(self, job: Job) -> verdict.Ending:
        with contextlib.ExitStack() as stack:
            share = None
            if job.gpus:
                mine = stack.enter_context(gpus.held(gpus.found(self._gpu_root), job.gpus))
                share = gpus.share(mine, self._gpu_root)
            return self._on_zygote(job, View(job.adapter, job.data, job.work, share))

    def _on_zygote(self, job: Job, view: View) -> verdict.Ending:
        zygote = self._take(view)
        healthy = False
        try:
            with self._scratch(zygote) as folder:
                ending = session.run_job(zygote, job, folder)
            healthy = True
            return ending
        finally:
            self._give_back(zygote, healthy)

    def _take(self, view: View) -> Zygote:
        """A warm zygote that shows what the job needs, or a new one in place of one that does not."""
        if view.is_for_one_job:
            return Zygote(self._tier, view, (), self._scratch_root, next(self._numbers))
        surplus: Zygote | None = None
        with self._lock:
            if self._closed:
                raise MachineFault("the sandbox is closed")
            fitting = [zygote for zygote in self._idle if zygote.view.covers(view)]
            if fitting:
                self._idle.remove(fitting[-1])
                return fitting[-1]
            if len(self._idle) >= self._most:
                surplus = self._idle.pop(0)
        if surplus is not None:
            surplus.close()
        return Zygote(self._tier, view, self._preload, self._scratch_root, next(self._numbers))

    def _give_back(self, zygote: Zygote, healthy: bool) -> None:
        surplus = [zygote]
        with self._lock:
            if healthy and not self._closed and not zygote.view.is_for_one_job and zygote.jobs < JOBS_PER_ZYGOTE:
                self._idle.append(zygote)
                surplus = self._idle[: -self._most]
                self._idle = self._idle[-self._most :]
        for old in surplus:
            old.close()

    @contextlib.contextmanager
    def _scratch(self, zygote: Zygote) -> Iterator[Path | None]:
        """A private folder on disk where the tier cannot mount one."""
        if self._tier.namespaces:
            yield None
            return
        folder = self._scratch_root / f"job-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        if zygote.uid is not None:
            os.chown(folder, zygote.uid, zygote.uid)
        try:
            yield folder
        finally:
            scratch.remove(folder)


def _validate(job: Job) -> None:
    """Mistakes of whoever wrote the job, not of a candidate."""
    module, _, function = job.entry.partition(":")
    if not module or not function:
        raise ValueError(f"entry is 'module:function', not {job.entry!r}")
    if job.limits.processes < 1:
        raise ValueError(f"processes counts the candidate itself, so at least 1, not {job.limits.processes}")
    if (job.profile == "gpu-train") != (job.gpus > 0):
        raise ValueError(f"GPUs come with the profile gpu-train and it with GPUs, not {job.gpus} with {job.profile}")
    for path in (job.adapter, *job.data, *([] if job.work is None else [job.work])):
        if not path.exists():
            raise MachineFault(
                f"{path} is to be bound into the sandbox but does not exist: {os.strerror(errno.ENOENT)}"
            )
