"""What the sandbox calls: `train` (the candidate in a process of its own), `probe` (the checks, in this process), and
`serve` (the candidate alone, for a trainer on GPUs that is outside).

Bytes come in as base64 in the request and leave as files beside the answer. Runs inside; judges nothing.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import torch

Handed = tuple[dict[str, Any], dict[str, bytes]]


def probe(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Every check's numbers."""
    import checks

    torch.set_num_threads(1)
    return {"numbers": checks.run(candidate_path, request["seed"], request["uses_reference"])}


def serve(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Answer at the named pipes of a folder, one pair for each process of the trainer, until they are closed."""
    import candidate_process

    folder, count = request["folder"], request["count"]
    pairs = [
        (os.open(f"{folder}/ask-{rank}", os.O_RDONLY), os.open(f"{folder}/answer-{rank}", os.O_WRONLY))
        for rank in range(count)
    ]
    candidate_process.serve(candidate_path, pairs)
    return {"served": count}


def train(candidate_path: str, request: dict[str, Any]) -> Handed:
    """One run per learning rate: curves, and weights of those that were not aborted."""
    import policy
    import training
    from remote import Raised, Remote, Wrong
    from safetensors.torch import load, save
    from shape import Shape
    from surface import Settings

    torch.set_num_threads(1)
    shape, settings = Shape(**request["shape"]), Settings(**request["settings"])
    base = load(base64.b64decode(request["base"]))
    base_W = torch.cat([base[name].flatten() for name in shape.tensors()])
    curves, files = {}, {}
    candidate = Remote(candidate_path, settings)
    try:
        for rate in request["rates"]:
            run = training.Run(rate=rate, **request["run"])
            done = training.trained(base_W, shape, run, candidate, settings)
            name = f"{rate:g}"
            curves[name] = {
                "rewards": done.rewards,
                "losses": done.losses,
                "moved": done.moved,
                "aborted_at": done.aborted_at,
                "kl_nats": done.kl_nats,
            }
            if done.aborted_at is None:
                weights = policy.unflattened(done.flat_W.detach(), shape)
                files[name] = save({key: value.clone() for key, value in weights.items()})
            elif not files:
                break
    except Wrong as error:
        return {"wrong": str(error), "raised": isinstance(error, Raised)}, {}
    finally:
        candidate.close()
    return {"curves": curves}, files
