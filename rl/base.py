"""The base models that reinforcement learning starts from: made once, cached in the state folder, always the same.

A base is trained by trusted code in a process of its own (rl/inside/make_base.py), in about 20 CPU seconds. The cache's
key is everything that it depends on: the recipe, the scripts, and the version of torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rl.exchange import INSIDE
from rl.recipes import Base
from tasks.contract import MachineFault

SCRIPTS = ("make_base.py", "optimiser.py", "policy.py", "shape.py", "sorting.py", "training.py")
WALL_S = 1800.0
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


class NoBase(MachineFault):
    """The base model cannot be made here; the message says why."""

    may_pass = False


def folder() -> Path:
    """Where bases are cached: in the state folder, whose default is `.nightshift` here."""
    return Path(os.environ.get("NIGHTSHIFT_HOME", ".nightshift")).expanduser().resolve() / "cache" / "rl"


@lru_cache(maxsize=4)
def weights(base: Base) -> bytes:
    """The base as safetensors. Raises NoBase."""
    place = folder() / f"base-{base.shape.family}-{_key(base)}.safetensors"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        _make(base, place)
    return place.read_bytes()


def _key(base: Base) -> str:
    try:
        torch = version("torch")
    except PackageNotFoundError:
        raise NoBase("torch is not installed: pip install -c constraints.txt 'nightshift[rl]'") from None
    digest = hashlib.sha256(json.dumps([torch, dataclasses.asdict(base)]).encode())
    for name in SCRIPTS:
        digest.update((INSIDE / name).read_bytes())
    return digest.hexdigest()[:16]


def _make(base: Base, place: Path) -> None:
    """Written beside and renamed, so that a second process at the same time does no harm."""
    handle, name = tempfile.mkstemp(dir=place.parent, suffix=".part")
    os.close(handle)
    command = [sys.executable, str(INSIDE / "make_base.py"), json.dumps(dataclasses.asdict(base)), name]
    environment = {key: os.environ[key] for key in KEPT if key in os.environ} | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise NoBase(f"training the base model took more than {WALL_S:.0f} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        raise NoBase(f"the base model cannot be trained: {last[0]}")
    Path(name).replace(place)
