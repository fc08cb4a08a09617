"""What the sandbox calls: `probe`, `train`, `answer`. Each loads the candidate and hands plain numbers or bytes out.

Bytes come in as base64 in the JSON of the request and leave as files beside the answer. Runs inside; judges nothing.
"""

from __future__ import annotations

import base64
import importlib.util
import sys
from typing import Any

import numpy as np
import torch
import training
from safetensors.torch import load, save

Handed = tuple[dict[str, Any], dict[str, bytes]]  # an answer, and bytes beside it


def probe(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """One step of training on a few pairs, then the same pairs answered together and alone."""
    torch.set_num_threads(1)
    library, pairs = _library(request), _pairs(request)
    torch.manual_seed(1)
    model = model_class(candidate_path)(library.atom_features, library.residues)
    model.train()
    logits = model(*library.batch(pairs))
    if not isinstance(logits, torch.Tensor) or logits.shape != (len(pairs),):
        return {"shape": list(getattr(logits, "shape", ())), "expected": len(pairs)}
    torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(_labels(request))).backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    together = training.answers(model, library, pairs)
    alone = np.concatenate([training.answers(model, library, pairs[n : n + 1]) for n in range(len(pairs))])
    return {
        "parameters": sum(value.numel() for value in model.state_dict().values()),
        "learns": bool(gradients),
        "finite": bool(all(g.isfinite().all() for g in gradients) and np.isfinite(together).all()),
        "difference": _finite(np.abs(together - alone).max()),
        "spread": _finite(together.std()),
        "largest": _finite(np.abs(together).max()),
    }


def train(candidate_path: str, request: dict[str, Any]) -> dict[str, Any] | Handed:
    """One run: the losses and a file of weights per kept epoch; or why there are none."""
    torch.set_num_threads(1)
    run = {**request["run"], "kept_epochs": tuple(request["run"]["kept_epochs"])}
    try:
        kept, losses = training.train(
            model_class(candidate_path), training.Recipe(**run), _library(request), _pairs(request), _labels(request)
        )
    except training.Diverged as error:
        return {"diverged": str(error)}
    return {"losses": losses}, {f"weights-{n}.safetensors": save(weights) for n, weights in enumerate(kept)}


def answer(candidate_path: str, request: dict[str, Any]) -> Handed:
    """The logits (float32) of every checkpoint on every pair, one checkpoint after the other."""
    torch.set_num_threads(1)
    library, pairs, make = _library(request), _pairs(request), model_class(candidate_path)
    logits = []
    for content in request["checkpoints"]:
        model = make(library.atom_features, library.residues)
        model.load_state_dict(load(base64.b64decode(content)))
        logits.append(training.answers(model, library, pairs).astype("<f4").tobytes())
    return {}, {"answers": b"".join(logits)}


def _finite(value: Any) -> float:
    return float(np.nan_to_num(value, nan=1e9, posinf=1e9))


def model_class(candidate_path: str) -> training.MakeModel:
    """The candidate's class `Model`. Raises ImportError, or whatever its module raises."""
    spec = importlib.util.spec_from_file_location("candidate", candidate_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {candidate_path}")
    module = sys.modules["candidate"] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    found: training.MakeModel = module.Model
    return found


def _library(request: dict[str, Any]) -> training.Library:
    drugs, proteins, columns = request["drugs"], request["proteins"], len(request["sizes"]["columns"])
    return training.Library(
        {
            "atoms": _array(drugs["atoms"], "u1").reshape(-1, columns),
            "bonds": _array(drugs["bonds"], "<i4").reshape(-1, 3),
            "atom_ends": _array(drugs["atom_ends"], "<i4").astype(np.int64),
            "bond_ends": _array(drugs["bond_ends"], "<i4").astype(np.int64),
        },
        {
            "tokens": _array(proteins["tokens"], "u1").reshape(-1, 1),
            "ends": _array(proteins["ends"], "<i4").astype(np.int64),
        },
        request["sizes"],
    )


def _pairs(request: dict[str, Any]) -> Any:
    return _array(request["pairs"], "<i4").reshape(-1, 2).astype(np.int64)


def _labels(request: dict[str, Any]) -> Any:
    return _array(request["labels"], "<f4").copy()


def _array(text: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(text), dtype=kind)
