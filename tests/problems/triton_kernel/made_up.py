"""A machine with a GPU that is none: what its jobs would give, computed from the reference, or played by a sandbox."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from problems.triton_kernel import dtypes
from problems.triton_kernel.exchange import INSIDE
from problems.triton_kernel.gpu import exchange, rung, verdicts
from problems.triton_kernel.gpu.exchange import CANDIDATE, EAGER, SEED, Setting
from tasks.contract import Failure, Finished, Job, Sandbox, Workspace
from tests.problems.triton_kernel.test_parts import answered

PLAYED = Path(__file__).parent / "played"
LAUNCHES = {SEED: 3.0, EAGER: 2.0, CANDIDATE: 1.0}  # milliseconds, made up
MACHINE = {"capability": 90.0, "copied_bytes_per_ms": 1e6, "slower": 1.0}
ANSWERED: dict[tuple[int, tuple[str, ...]], tuple[str, dict[str, bytes]]] = {}


def answer(setting: Setting, names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a right and honest job would answer. Kept as text, so that nobody changes another test's."""
    if (setting.seed, names) not in ANSWERED:
        said, files = _answer(setting, names)
        ANSWERED[setting.seed, names] = json.dumps(said), files
    text, files = ANSWERED[setting.seed, names]
    return json.loads(text), dict(files)


def _answer(setting: Setting, names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, bytes]]:
    everybody = sorted({*names, EAGER})
    cases, files = [], {}
    for number, case in enumerate(setting.cases):
        times = {
            name: [[LAUNCHES[name] * (1 + 0.001 * (at % 5)), LAUNCHES[name] + 0.5] for at in range(setting.rounds)]
            for name in everybody
        }
        cases.append({"times": times, "faults": {name: dict.fromkeys(exchange.FAULTS, 0) for name in everybody}})
        files[f"rows-{number}"] = b"".join(
            _record(setting, number, at, place) for at in range(setting.rounds) for place in range(len(everybody))
        )
        assert len(files[f"rows-{number}"]) == setting.rounds * len(everybody) * setting.record_bytes(case)
    for name in names:
        files[f"checked-{name}"] = b"".join(answered(call, setting.operation.name) for call in setting.checked)
    device = {"name": "made up", "capability": 90, "torch": "2", "copied_bytes_per_ms": 1e6}
    return {"device": device, "cases": cases}, files


def _record(setting: Setting, number: int, round_number: int, place: int) -> bytes:
    """The rows of one call, with right outputs."""
    case = setting.cases[number]
    inputs = verdicts._inputs(case, (setting.seed, number, round_number, place), setting)
    tensors = {**inputs, **setting.operation.reference(inputs, case.scalars)}
    return b"".join(
        dtypes.rounded(np.asarray(tensors[a.name]), case.kind).tobytes() for a in setting.operation.arguments
    )


def jobs(setting: Setting, workspace: Workspace) -> None:
    """A workspace as training leaves it after honest jobs."""
    for name, names in (
        (rung.ALONE_BEFORE, (SEED,)),
        (rung.BESIDE, (SEED, CANDIDATE)),
        (rung.ALONE_AFTER, (SEED,)),
    ):
        said, files = answer(setting, names)
        workspace.write(f"{name}.json", json.dumps({"answer": said, "wall_s": 60.0}).encode())
        for file, content in files.items():
            workspace.write(f"{name}-{file}.bin", content)


class MadeUp:
    """A sandbox on a machine with a GPU: timing jobs go to the device that is none, all others to a real sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path, machine: Mapping[str, float] = MACHINE) -> None:
        self.sandbox, self.machine, self.sources = sandbox, dict(machine), dict[str, str]()
        self.adapter = folder / "inside"
        shutil.copytree(INSIDE, self.adapter, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PLAYED / "played.py", self.adapter)
        self.timed: list[Job] = []

    @property
    def tier(self) -> str:
        return self.sandbox.tier

    def run(self, job: Job) -> Finished | Failure:
        if job.profile != "gpu-train":
            return self._other(job)
        self.timed.append(job)
        assert isinstance(job.request, dict)
        assert (job.gpus, job.code, job.adapter, job.entry) == (1, "", INSIDE, "replaying:compare")
        request = {**job.request, "sources": {**self.sources}, "machine": {**self.machine}}
        limits = replace(job.limits, memory_mb=2048, processes=32)
        return self.sandbox.run(
            replace(job, profile="cpu-train", gpus=0, adapter=self.adapter, entry="played:compare",
                    request=request, limits=limits)
        )  # fmt: skip

    def _other(self, job: Job) -> Finished | Failure:
        done = self.sandbox.run(job)
        if isinstance(done, Finished) and job.entry == "compiling:record":
            for binary in done.files.values():
                self.sources[hashlib.sha256(binary).hexdigest()] = job.code
        return done
