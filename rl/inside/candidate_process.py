"""The process in which a candidate's functions run during training. It never sees model, prompts, answers or seeds.

On the CPU proxy it is started anew (not forked) by remote.py, so nothing of the trainer is in its memory; on GPUs the
trainer is outside the sandbox, and named pipes lead there (adapter.py, `serve`). It reads rewards and log-probabilities
from a pipe and writes advantages, or a loss with its gradient with respect to the log-probabilities.

Shapes: N completions, T completion tokens.
"""

from __future__ import annotations

import select
import signal
import sys
from typing import Any

import numpy as np
import torch
import wire
from candidate_module import loaded
from surface import Context
from torch import Tensor

READ_FD, WRITE_FD = 3, 4
MOST_BYTES = 1 << 28
ARRAYS = ("rewards", "group_ids", "logps", "old", "ref", "advantages", "mask", "correction")


def main() -> None:
    """Serve until the trainer closes the pipe."""
    serve(sys.argv[1], [(READ_FD, WRITE_FD)])


def serve(path: str, pairs: list[tuple[int, int]]) -> None:
    """Serve each pair of pipes until the trainer closes it."""
    torch.set_num_threads(1)
    found = None
    open_pairs = dict(pairs)
    while open_pairs:
        for read_fd in select.select(list(open_pairs), [], [])[0]:
            try:
                head, contents = wire.receive(read_fd, MOST_BYTES)
            except wire.Broken:
                del open_pairs[read_fd]
                continue
            try:
                if "cpu_s" in head:  # for this answer; what happens then (SIGPROF's default) is the process's end
                    signal.setitimer(signal.ITIMER_PROF, head["cpu_s"])
                if found is None:
                    found = loaded(path)
                answer = _answered(found, head, contents)
            except Exception as error:  # noqa: BLE001 - the candidate's code raises what it likes; the trainer is told
                wire.send(open_pairs[read_fd], {"error": f"{type(error).__name__}: {error}"[:1000]})
                continue
            wire.send(open_pairs[read_fd], *answer)


def _answered(found: Any, head: dict[str, Any], contents: list[bytes]) -> tuple[dict[str, Any], bytes]:
    given = dict(zip(head["arrays"], contents, strict=True))
    ids_N = torch.from_numpy(np.frombuffer(given["group_ids"], dtype="<i8").copy())
    generator = torch.Generator().manual_seed(head["seed"])
    size = tuple(head["size"])
    correction = _tensor(given["correction"], size) if "correction" in given else None
    ctx = Context(**head["context"], group_ids=ids_N, generator=generator, correction=correction)
    if head["wants"] == "advantages":
        made = found.advantages(_tensor(given["rewards"]), ids_N, ctx)
        return {}, made.detach().to(torch.float32).contiguous().numpy().tobytes()
    logps_NT = _tensor(given["logps"], size).requires_grad_()
    ref_NT = _tensor(given["ref"], size) if "ref" in given else None
    mask_NT = _tensor(given["mask"], size)
    loss = found.policy_loss(logps_NT, _tensor(given["old"], size), ref_NT, _tensor(given["advantages"]), mask_NT, ctx)
    (slope_NT,) = torch.autograd.grad(loss, logps_NT)
    return {"loss": repr(float(loss.detach()))}, slope_NT.to(torch.float32).contiguous().numpy().tobytes()


def _tensor(content: bytes, size: tuple[int, ...] = (-1,)) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype="<f4").reshape(size).copy())


if __name__ == "__main__":
    main()
