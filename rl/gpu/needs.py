"""What a rung on GPUs wants from this machine, and the first thing that is missing, in one line. No heavy imports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rl.gpu.chosen import MATH, GpuOptions
from rl.scales import Scale
from tasks.contract import MachineFault

TRL = "1.16"  # whose private methods rl/hooks.py overrides
INSTALL = "pip install -c constraints.txt 'nightshift[rl]'"
DEVICES = Path("/dev")


class Missing(MachineFault):
    """Something that the rung needs is not here; the message is one line."""

    may_pass = False


def refuse(scale: Scale, options: GpuOptions, on_a_cpu: bool = False, write_only: bool = False) -> None:
    """Raises Missing. `write_only`: the run starts on another machine, so only the choices are looked at."""
    first = next(_missing(scale, options, on_a_cpu, write_only), None)
    if first is not None:
        raise Missing(first)


def _missing(scale: Scale, options: GpuOptions, on_a_cpu: bool, write_only: bool) -> Iterator[str]:
    if not write_only:
        yield from packages(scale, options)
    if not (write_only or on_a_cpu):
        yield from devices(scale)
    yield from choices(scale, options)
    if not write_only:
        yield from models(options.model or scale.model)


def packages(scale: Scale, options: GpuOptions) -> Iterator[str]:
    """Packages that are not installed, or in another version."""
    trl = _version("trl")
    if trl is None or trl.split(".")[:2] != TRL.split("."):
        yield f"expected trl {TRL}.x, found {trl or 'none'}: {INSTALL}"
    wanted = {"accelerate": True, "math-verify": MATH in options.rewards, "peft": scale.lora_rank > 0}
    yield from (f"{name} is not installed: {INSTALL}" for name, is_needed in wanted.items() if is_needed and _no(name))
    if options.parallel_of(scale) == "deepspeed" and _no("deepspeed"):
        yield 'deepspeed is not installed: pip install deepspeed, or parallel = "fsdp" in [options.gpu]'
    if options.vllm != "off" and _no("vllm"):
        yield 'vllm is not installed: pip install "trl[vllm]", or vllm = "off" in [options.gpu] (slow)'


def devices(scale: Scale) -> Iterator[str]:
    """Fewer GPUs than each machine of the rung needs."""
    needed, seen = scale.gpus // scale.machines, gpus()
    if seen < needed:
        yield f"the rung needs {needed} GPU{'s' if needed > 1 else ''} on each machine, found {seen}"


def gpus() -> int:
    """NVIDIA's devices that this process may see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = sum(path.name[6:].isdigit() for path in DEVICES.glob("nvidia*"))
    return there if visible is None else min(there, len([part for part in visible.split(",") if part.strip()]))


def choices(scale: Scale, options: GpuOptions) -> Iterator[str]:
    """Files that are named and are not there."""
    data = options.data or scale.data
    if not data:
        yield "this rung trains on data of your own: set data in [options.gpu] to a .jsonl or .parquet file"
    elif data.endswith((".jsonl", ".parquet")) and not Path(data).is_file():
        yield f"there is no file {data}"
    for name in options.rewards:
        path = name.rpartition(":")[0]
        if path.endswith(".py") and not Path(path).is_file():
            yield f"reward {name}: there is no file {path}"


def models(name: str) -> Iterator[str]:
    """A model that is neither a folder, nor in the cache, nor to be had from the hub."""
    if Path(name).is_dir():
        if not (Path(name) / "config.json").is_file():
            yield f"the folder {name} holds no model: config.json is missing"
        return
    try:
        from huggingface_hub import HfApi, try_to_load_from_cache
    except ImportError:
        yield f"huggingface_hub is not installed: {INSTALL}"
        return
    try:
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return
        HfApi().model_info(name, timeout=20.0)
    except Exception as error:  # noqa: BLE001 - its client raises what several packages define, of which some change
        first = (str(error).splitlines() or [type(error).__name__])[0]
        yield f"the model {name} cannot be fetched, and is no folder here: {first[:160]}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _no(name: str) -> bool:
    return _version(name) is None
