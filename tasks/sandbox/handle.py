"""What a domain sees of the sandbox: a job goes in, a bounded answer or a typed failure comes out.

`Sandbox.run` has three ways to end, and never a fourth:

- `Finished`: the adapter returned; `answer` is plain JSON that was size-limited and parsed without NaN or Infinity, and
  `files` are bytes that nobody has looked into yet.
- `Failure`: the candidate's own fault, with its kind (crash, cpu_time, idle, memory, processes, disk, output, invalid).
- raises `MachineFault` (or `SandboxUnavailable`): the host's fault. It must not be turned into a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from cognition.records import JSON, Cost, Failure, MachineFault

Profile = Literal["pure", "cpu-train", "gpu-train"]


class SandboxUnavailable(MachineFault):
    """No tier of the sandbox works here; the message says what to install."""

    may_pass = False


class HostOverloaded(MachineFault):
    """The host starved a job or ran out of memory, also when no other job of ours ran beside it."""

    may_pass = False  # not at once: it was tried again, alone


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run of candidate code. Memory counts the whole process tree."""

    cpu_s: float = 30.0
    wall_s: float = 120.0
    memory_mb: int = 1024
    processes: int = 1  # including the candidate itself; threads count
    disk_mb: int = 64
    output_kb: int = 256  # stdout and stderr together; only the tail of it is returned
    answer_kb: int = 1024
    files_mb: int = 0  # bytes that the adapter may hand out beside its answer; the reader holds them in memory
    work_mb: int = 0  # what may lie in Job.work


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a domain's adapter around one candidate.

    `adapter` is a folder that is bound read-only (the domain's `inside/`); `entry` is `module:function` in it. Inside,
    the engine calls `function(candidate_path, request)`; its return value is the answer. A pair of an answer and a
    dictionary of names to bytes hands out files too, e.g. weights. The candidate's code lies at `candidate_path`; the
    adapter imports it when it is ready to.

    A job with GPUs or with a work folder has a process of its own, started for it: nothing is imported beforehand. What
    it leaves in `work` is seen at the same path by the next job that is given the folder, and by us: links, pipes and
    lies included.
    """

    code: str
    adapter: Path
    entry: str
    request: JSON = None
    limits: Limits = Limits()
    profile: Profile = "pure"
    data: tuple[Path, ...] = ()  # further files or folders, read-only
    gpus: int = 0  # how many of the machine's, with the profile gpu-train
    work: Path | None = None  # a folder that the job may write and that stays: hostile ground afterwards
    loopback: bool = False  # sockets, in a network that holds this job alone
    tick_s: float = 0.0  # above 0: Python's clocks move on by this much each time they are asked (inside/counted.py)


@dataclass(frozen=True, slots=True)
class Finished:
    """The adapter returned."""

    answer: JSON
    stdout: str = ""
    stderr: str = ""
    cost: Cost = field(default_factory=Cost)
    tier: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)  # a claim like the answer: never unpickle them


class Sandbox(Protocol):
    """Runs candidate code. Safe to call from several threads at once."""

    @property
    def tier(self) -> str:
        """The name of the tier in use, as recorded with every result."""

    def run(self, job: Job) -> Finished | Failure:
        """Run one job to its end. Nothing of it is left running. Raises MachineFault if the host is to blame."""
