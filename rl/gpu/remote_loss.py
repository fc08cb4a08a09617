"""A candidate's loss for the TRL trainer, computed in a process of its own. A leaf: it imports torch.

The candidate gets rewards and log-probabilities through a pipe and answers with advantages, or with a loss and its
gradient with respect to the log-probabilities, as on the CPU proxy (rl/inside/candidate_process.py). So model, prompts,
answers, rewards' code and verifier are not in its memory, and it needs no GPU.

In a campaign it runs in the sandbox, at the other end of named pipes (`Piped`). By hand, with --unsafe-no-sandbox, it
is a process of ours (`CandidateProcess`): executed anew, with an empty environment and two pipes, and it may write no
large file, but it is *not* confined beyond that.

Shapes: N completions, T completion tokens.
"""

from __future__ import annotations

import dataclasses
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cognition.records import MachineFault
from rl.hooks import Loss
from rl.inside import wire
from rl.inside.surface import Context

INSIDE = Path(__file__).parents[1] / "inside"
CPU_S = 60.0  # for one answer; then the kernel ends the candidate's process (SIGPROF)
#: For one answer, from the question to its last byte. Silence for so long, without using up the CPU time, is the
#: machine's fault. An answer that was begun and not finished is the candidate's: it is written in one go.
WALL_S = 3600.0
LARGEST_FILE = 1 << 16  # bytes; at 0 torch cannot be imported
NOT_SENT = ("group_ids", "generator", "correction")  # of the context: tensors travel as arrays, chance as a seed
START = """\
import os, sys
os.dup2({ask}, 200); os.dup2({answer}, 201); os.closerange(3, 200)
os.dup2(200, 3); os.dup2(201, 4); os.closerange(5, 256)
sys.path[:] = {path!r}
sys.argv = ["candidate_process.py", {program!r}]
import candidate_process
candidate_process.main()
"""


class WrongAnswer(ValueError):
    """The candidate raised, ended, or answered with what is no advantage and no gradient."""


class NoAnswer(MachineFault):
    """Nothing came within the wall time."""


class Candidate:
    """A candidate's two functions, at the other end of two pipes."""

    def __init__(self, ask: int, answer: int, cpu_s: float, wall_s: float = WALL_S) -> None:
        self._ask, self._answer, self.cpu_s, self.wall_s = ask, answer, cpu_s, wall_s
        for descriptor in (ask, answer):
            os.set_blocking(descriptor, False)

    def close(self) -> None:
        """Let the other side end."""
        os.close(self._ask)
        os.close(self._answer)

    def loss(self, uses_reference: bool) -> Loss:
        """The two functions as the trainer calls them."""
        return Loss(self.advantages, self.policy_loss, uses_reference)

    def advantages(self, rewards_N: Tensor, group_ids_N: Tensor, ctx: Context) -> Tensor:
        """The candidate's. Raises WrongAnswer, NoAnswer."""
        _, content = self._asked("advantages", {"rewards": rewards_N.float(), "group_ids": group_ids_N}, ctx)
        return _finite(content, rewards_N.shape, "advantages").to(rewards_N.device)

    def policy_loss(
        self,
        logps_NT: Tensor,
        old_NT: Tensor,
        ref_NT: Tensor | None,
        advantages_N: Tensor,
        mask_NT: Tensor,
        ctx: Context,
    ) -> Tensor:
        """A scalar with the candidate's value, and with the candidate's gradient. Raises WrongAnswer, NoAnswer."""
        given = {"logps": logps_NT, "old": old_NT, "advantages": advantages_N, "mask": mask_NT}
        given |= {} if ref_NT is None else {"ref": ref_NT}
        given |= {} if ctx.correction is None else {"correction": ctx.correction.expand_as(logps_NT)}
        head, content = self._asked("loss", {name: value.float() for name, value in given.items()}, ctx)
        try:
            value = float(head["loss"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise WrongAnswer("policy_loss gave no number") from None
        if not math.isfinite(value):
            raise WrongAnswer(f"policy_loss gave {value}")
        slope_NT = _finite(content, logps_NT.shape, "the gradient of policy_loss").to(logps_NT)
        surrogate = (logps_NT * slope_NT).sum()
        return surrogate - surrogate.detach() + value

    def _asked(self, wants: str, given: dict[str, Tensor], ctx: Context) -> tuple[dict[str, Any], bytes]:
        names = [field.name for field in dataclasses.fields(ctx) if field.name not in NOT_SENT]
        arrays = {"group_ids": ctx.group_ids} | given
        head = {
            "wants": wants,
            "cpu_s": self.cpu_s,
            "arrays": list(arrays),
            "context": {name: getattr(ctx, name) for name in names},
            "seed": int(torch.randint(2**31 - 1, (), generator=ctx.generator, device=ctx.generator.device)),
            "size": list(given["logps"].shape) if "logps" in given else [],
        }
        contents = [_bytes(value) for value in arrays.values()]
        try:
            until = time.monotonic() + self.wall_s
            wire.send(self._ask, head, *contents, until=until)
            answer, replies = wire.receive(self._answer, max(len(content) for content in contents), until)
        except wire.Late as error:
            if error.begun:
                raise WrongAnswer(f"{wants}: an answer was begun and not finished in {self.wall_s:g} s") from None
            raise NoAnswer(f"{wants}: no answer within {self.wall_s:g} s") from None
        except wire.Broken as error:
            raise WrongAnswer(f"the candidate's process ended: {error}") from None
        if "error" in answer:
            raise WrongAnswer(f"{wants}: {str(answer['error'])[:1000]}")
        return answer, b"".join(replies)


class Piped(Candidate):
    """A candidate in the sandbox: each process of the trainer has a pair of named pipes (rl/gpu/rung.py)."""

    def __init__(self, folder: Path, rank: int, cpu_s: float = CPU_S) -> None:
        """Waits until the other side has opened them too."""
        ask = os.open(folder / f"ask-{rank}", os.O_WRONLY)
        super().__init__(ask, os.open(folder / f"answer-{rank}", os.O_RDONLY), cpu_s)


class CandidateProcess(Candidate):
    """A candidate in a process of our own, without a sandbox."""

    def __init__(self, program: str, cpu_s: float = CPU_S, wall_s: float = WALL_S) -> None:
        ask_read, ask = os.pipe()
        answer, answer_write = os.pipe()
        super().__init__(ask, answer, cpu_s, wall_s)
        path = [str(INSIDE), *(entry for entry in sys.path if entry)]
        start = START.format(ask=ask_read, answer=answer_write, path=path, program=program)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", start],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            pass_fds=(ask_read, answer_write), env={"OMP_NUM_THREADS": "1"}, start_new_session=True,
        )  # fmt: skip
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        os.close(ask_read)
        os.close(answer_write)

    def close(self) -> None:
        """End it."""
        super().close()
        self._process.kill()
        self._process.wait()


def _bytes(value: Tensor) -> bytes:
    content: bytes = value.detach().cpu().contiguous().numpy().tobytes()
    return content


def _finite(content: bytes, size: torch.Size, what: str) -> Tensor:
    if len(content) != 4 * size.numel():
        raise WrongAnswer(f"{what}: expected float32 of size {tuple(size)}, got {len(content)} bytes")
    value = torch.from_numpy(np.frombuffer(content, dtype="<f4").reshape(size).copy())
    if not bool(torch.isfinite(value).all()):
        raise WrongAnswer(f"{what}: not finite")
    return value
