"""What the sandbox calls: `probe`, `train`, `answer`. Each loads the candidate and hands plain numbers or bytes out.

Bytes come in as base64 in the JSON of the request and leave as files beside the answer; weights too large for that come
as a file that is bound read-only. Runs inside; judges nothing.
"""

from __future__ import annotations

import base64
import importlib.util
import sys
import time
from typing import Any

import numpy as np
import synthetic
import torch
import training
from mixers.trunk import MakeMixer, Shape, Trunk
from safetensors.torch import load, load_file, save

Handed = tuple[dict[str, Any], dict[str, bytes]]  # an answer, and bytes beside it
Given = str | dict[str, str]  # weights as text, or {"file": path}


def probe(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """The dynamic checks of one mixer, fresh or (with `weights`) trained; every check's numbers, and the CPU time."""
    import checks

    torch.set_num_threads(1)
    began = time.process_time()
    shape = Shape(**request["shape"])
    setting = checks.Setting(shape.d_model, tuple(request["lengths"]), request["seed"], request["weights"] is None)
    numbers = checks.run(_maker(candidate_path, shape, request["weights"]), setting, tuple(request["checks"]))
    return {"numbers": numbers, "cpu_s": time.process_time() - began}


def _maker(candidate_path: str, shape: Shape, weights: Given | None) -> Any:
    """Makes the mixer alone, new or as the first block of a trained model, and each time of a module of its own."""
    trained = None if weights is None else _restored(mixer_class(candidate_path), shape, weights).blocks[0]
    numbers = None if trained is None else trained.mixer.state_dict()

    def make() -> Any:
        mixer = mixer_class(candidate_path)(shape.d_model, shape.n_heads, shape.head_dim)
        if numbers is not None:
            mixer.load_state_dict(numbers)
        return mixer

    return make


def train(candidate_path: str, request: dict[str, Any]) -> dict[str, Any] | Handed:
    """One run: the training curve and a file of weights; or the step at which the loss was not a number."""
    torch.set_num_threads(1)
    task = None if request["task"] is None else synthetic.Task(**request["task"])
    recipe = training.Recipe(Shape(**request["shape"]), task, **request["run"])
    try:
        model, curve = training.train(mixer_class(candidate_path), recipe, unpack(request["text"]))
    except training.Diverged as error:
        return {"diverged": error.step}
    weights = {name: value.detach().clone().contiguous() for name, value in model.state_dict().items()}
    return {"curve": curve}, {"weights.safetensors": save(weights)}


def answer(candidate_path: str, request: dict[str, Any]) -> Handed:
    """A trained model's final hidden states (float32) for each batch of tokens (int32, of any size), in one file."""
    torch.set_num_threads(1)
    model = _restored(mixer_class(candidate_path), Shape(**request["shape"]), request["weights"])
    model.to(request["device"])
    return {}, {"answers": b"".join(_answer(model, part) for part in request["batches"])}


def _answer(model: Trunk, part: dict[str, Any]) -> bytes:
    tokens = np.frombuffer(unpack(part["tokens"]), dtype=np.int32).reshape(part["size"]).astype(np.int64)
    content: bytes = training.hidden(model, tokens).tobytes()
    return content


def _restored(make: MakeMixer, shape: Shape, weights: Given) -> Trunk:
    model = Trunk(make, shape)
    model.load_state_dict(load(unpack(weights)) if isinstance(weights, str) else load_file(weights["file"]))
    model.eval()
    return model


def mixer_class(candidate_path: str) -> MakeMixer:
    """The candidate's class `Mixer`. Raises ImportError, or whatever its module raises."""
    spec = importlib.util.spec_from_file_location("candidate", candidate_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {candidate_path}")
    module = sys.modules["candidate"] = importlib.util.module_from_spec(
        spec
    )  # dataclasses and torch.compile look there
    spec.loader.exec_module(module)
    found: MakeMixer = module.Mixer
    return found


def unpack(text: str) -> bytes:
    """The bytes that were sent as text."""
    return base64.b64decode(text)
