"""The trainer's side of the candidate's process: starts it, asks it, checks what comes back for form.

Inside one sandbox the two processes share nothing but two pipes: the candidate's is executed anew, so that no memory of
the trainer is in it, and the sandbox refuses it every way to look into another process.

Shapes: N completions, T completion tokens.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import wire
from surface import Settings
from torch import Tensor

PROGRAM = Path(__file__).with_name("candidate_process.py")


class Wrong(ValueError):
    """The candidate answered with something that is no advantage or no gradient."""


class Raised(Wrong):
    """The candidate raised, or its process ended."""


class Remote:
    """A candidate in a process of its own."""

    def __init__(self, candidate_path: str, settings: Settings) -> None:
        self.settings = settings
        ask_read, self._ask = os.pipe()
        self._answer, answer_write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _become_candidate(candidate_path, ask_read, answer_write)
        os.close(ask_read)
        os.close(answer_write)

    def close(self) -> None:
        """End it and wait for its end."""
        os.close(self._ask)
        os.close(self._answer)
        os.waitpid(self._pid, 0)

    def advantages(self, rewards_N: Tensor, ids_N: Tensor, seed: int, **place: int) -> Tensor:
        """The candidate's advantages, (N,), finite. Raises Wrong."""
        given = {"rewards": rewards_N, "group_ids": ids_N}
        _, content = self._asked("advantages", given, seed, place, tokens=1.0)
        return _finite(content, rewards_N.shape, "advantages")

    def gradient(self, given: dict[str, Tensor], seed: int, **place: int) -> tuple[float, Tensor]:
        """The loss and its gradient with respect to `logps`, (N, T), finite. Raises Wrong."""
        tokens = float(given["mask"].sum())
        head, content = self._asked("loss", given, seed, place, tokens)
        try:
            loss = float(head["loss"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Wrong("policy_loss gave no number") from None
        if not math.isfinite(loss):
            raise Wrong(f"policy_loss gave {loss}")
        return loss, _finite(content, given["logps"].shape, "the gradient of policy_loss")

    def _asked(
        self, wants: str, given: dict[str, Tensor], seed: int, place: dict[str, int], tokens: float
    ) -> tuple[dict[str, Any], bytes]:
        context = {**dataclasses.asdict(self.settings), **place, "tokens": tokens}
        head = {"wants": wants, "arrays": list(given), "seed": seed, "context": context}
        head["size"] = list(given["logps"].shape) if "logps" in given else []
        contents = [_bytes(value) for value in given.values()]
        try:
            wire.send(self._ask, head, *contents)
            answer, arrays = wire.receive(self._answer, max(len(content) for content in contents))
        except wire.Broken as error:
            raise Raised(f"the candidate's process ended: {error}") from None
        if "error" in answer:
            raise Raised(f"{wants}: {str(answer['error'])[:1000]}")
        return answer, b"".join(arrays)


def _bytes(value: Tensor) -> bytes:
    content: bytes = value.detach().contiguous().numpy().tobytes()
    return content


def _finite(content: bytes, size: torch.Size, what: str) -> Tensor:
    if len(content) != 4 * size.numel():
        raise Wrong(f"{what}: expected float32 of size {tuple(size)}, got {len(content)} bytes")
    value = torch.from_numpy(np.frombuffer(content, dtype="<f4").reshape(size).copy())
    if not bool(torch.isfinite(value).all()):
        raise Wrong(f"{what}: not finite")
    return value


def _become_candidate(candidate_path: str, read_fd: int, write_fd: int) -> None:
    """Never returns. Descriptors 3 and 4 are the pipes; stdout and stderr stay, the sandbox counts them."""
    try:
        high = [os.dup2(read_fd, 200), os.dup2(write_fd, 201)]
        os.closerange(3, 200)
        for target, source in enumerate(high, start=3):
            os.dup2(source, target, inheritable=True)
        os.closerange(5, 256)
        path = [entry for entry in sys.path if entry]
        start = f"import sys; sys.path[:] = {path!r}; sys.argv = [{str(PROGRAM)!r}, {candidate_path!r}]; "
        start += "import candidate_process; candidate_process.main()"
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", start])
    finally:
        os._exit(1)
