"""What a training job left in its work folder, made safe to believe in: log, weights, checkpoints. Trusted; no torch.

Everything there is a candidate's: files are opened without following links and have bounds; weights are moved out once
their names, shapes and types are exactly those of a model of the rung. Speed, memory and losses stay claims.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from arch import scale_plan
from arch.scales import Scale
from arch.weights import Unreadable, Weights

LOG = "log.jsonl"
MOST_LOG_BYTES = 64 * 2**20
BYTES_PER_NUMBER = 4
ALWAYS, WITH_CUDA = ("loss", "tokens_per_s"), ("memory_gb", "mfu")
LARGEST_NUMBER = 1e300

Record = Mapping[str, float | None]


def largest(scale: Scale) -> int:
    """Numbers in a model at most: the mixers may be larger than DeltaNet's, for the Pareto front."""
    return 2 * scale.parameters


def read_plain(path: Path, most_bytes: int) -> bytes:
    """A file that a candidate may have put there. Raises ValueError for a link, a pipe, and what is too long."""
    with _opened(path) as handle:
        size = os.fstat(handle).st_size
        if size > most_bytes:
            raise ValueError(f"{path.name} has {size} bytes, allowed are {most_bytes}")
        with os.fdopen(os.dup(handle), "rb") as file:
            return file.read(most_bytes)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError(f"{path.name} is no plain file")
        yield handle
    finally:
        os.close(handle)


def records(log: bytes, scale: Scale) -> list[Record]:
    """One record for each step. Raises ValueError."""
    lines = log.splitlines()
    if len(lines) != scale.steps:
        raise ValueError(f"{LOG} has {len(lines)} records, expected one for each of {scale.steps} steps")
    return [_record(line, step) for step, line in enumerate(lines)]


def _record(line: bytes, step: int) -> Record:
    try:
        found = json.loads(line)
        told = {name: found[name] for name in ("step", *ALWAYS, *WITH_CUDA)}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{LOG}: line {step + 1} is no record of a step") from None
    for name, value in told.items():
        if value is None and name in WITH_CUDA:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST_NUMBER:
            raise ValueError(f"{LOG}: {name} of line {step + 1} is no finite number")
    if told["step"] != step:
        raise ValueError(f"{LOG}: line {step + 1} is not of step {step}")
    return {name: None if value is None else float(value) for name, value in told.items()}


def metrics(told: Sequence[Record]) -> dict[str, float]:
    """Of the second half of a run: speed, memory and utilisation. What could not be known is left out, not 0."""
    steady = told[len(told) // 2 :]
    columns = {name: [value for each in steady if (value := each[name]) is not None] for name in steady[0]}
    found = {"train_loss": columns["loss"][-1], "tokens_per_s": median(columns["tokens_per_s"])}
    found |= {"memory_gb": max(columns["memory_gb"])} if columns["memory_gb"] else {}
    return found | ({"mfu": median(columns["mfu"])} if columns["mfu"] else {})


def keep_weights(source: Path, kept: Path, scale: Scale) -> None:
    """Check the file in the work folder, then move it out. Raises Unreadable, ValueError."""
    with _opened(source) as handle:
        status = os.fstat(handle)
        if status.st_size > BYTES_PER_NUMBER * largest(scale) + 2**20:
            raise ValueError(f"{source.name} has {status.st_size} bytes, which no model of this rung has")
        if status.st_nlink != 1:
            raise ValueError(f"{source.name} has another name, under which it could be changed")
        exact(Weights.mapped(Path(f"/proc/self/fd/{handle}")), scale)
        if os.geteuid() == 0:
            os.fchown(handle, 0, 0)
        os.fchmod(handle, 0o644)
        source.replace(kept)  # nothing of the job runs any more, so it is the file that was checked


def exact(weights: Weights, scale: Scale) -> None:
    """Raise Unreadable unless the file holds a model and nothing else: the trunk in float32, and equal mixers."""
    trunk, listed = trunk_tensors(scale), weights.listed
    if weights.data_bytes > BYTES_PER_NUMBER * largest(scale):
        raise Unreadable(f"the weights have {weights.data_bytes} bytes, which no model of this rung has")
    blocks = {f"blocks.{number}": dict[str, tuple[str, tuple[int, ...]]]() for number in range(scale.n_layers)}
    for name, (dtype, shape) in listed.items():
        block, _, rest = name.partition(".mixer.")
        if rest and block in blocks:
            blocks[block][rest] = (dtype, shape)
        elif name not in trunk or (dtype, shape) != ("F32", trunk[name]):
            raise Unreadable(f"tensor {name[:80]!r}, {dtype} of shape {str(shape)[:80]}, is not part of the model")
    if missing := sorted(set(trunk) - set(listed)):
        raise Unreadable(f"tensor {missing[0]!r} is missing")
    if any(each != blocks["blocks.0"] for each in blocks.values()):
        raise Unreadable("the blocks' mixers do not have the same tensors")


def trunk_tensors(scale: Scale) -> dict[str, tuple[int, ...]]:
    """All tensors outside the mixers (arch/inside/mixers/trunk.py), with their shapes."""
    d, wide = scale.d_model, scale_plan.shape(scale)["mlp_ratio"] * scale.d_model
    block = {"norm_mixer": (d,), "norm_mlp": (d,), "up.weight": (wide, d), "up.bias": (wide,), "down.weight": (d, wide)}
    block["down.bias"] = (d,)
    table = (scale.vocabulary, d)
    found: dict[str, tuple[int, ...]] = {"embedding.weight": table, "head.weight": table, "norm": (d,)}
    for number in range(scale.n_layers):
        found |= {f"blocks.{number}.{name}": shape for name, shape in block.items()}
    return found


def remove_checkpoints(run: Path) -> None:
    """They have served. Only files of that name: whatever else a candidate has left stays."""
    for path in run.glob("checkpoint-*"):
        with contextlib.suppress(OSError):
            path.unlink()
