"""What goes into the sandbox and comes out: requests, and answers checked for form. Trusted; no torch.

Weights and arrays leave as files beside the answer (`Limits.files_mb`). What goes in is JSON, so there bytes travel as
base64, up to a few megabytes. Larger weights are a file that is bound read-only (`Job.data`), at the price of a cold
start of the sandbox.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arch.inside.synthetic import Tokens
from arch.recipes import Recipe, Run
from arch.weights import Weights
from tasks.contract import JSON, Failure, FailureKind, Finished, Job, Limits, Profile, Sandbox

INSIDE = Path(__file__).parent / "inside"
LONGEST_CURVE = 1000
WEIGHTS = "weights.safetensors"  # the file that a training run hands out
WEIGHTS_MB = 64  # at most; the laptop's are below 1 MB
MEMORY_MB = 2048
ANSWERS = "answers"  # the file that a trained model hands out: every batch's answer, one after the other
START_UP_CPU_S = 6.0  # importing torch costs a few seconds where the sandbox has not done it before


@dataclass(frozen=True, slots=True)
class Fitted:
    """What one training run left: the weights, and (step, loss) pairs. No weights: the loss was not a number."""

    weights: bytes | None
    curve: tuple[tuple[float, float], ...]
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model as it is asked: program, sizes, weights (a file is bound), and what an answer may take."""

    code: str
    shape: Mapping[str, int]
    weights: bytes | Path
    cpu_s: float
    wall_s: float
    memory_mb: int = MEMORY_MB
    gpus: int = 0

    def read(self) -> Weights:
        """The weights as numpy sees them. Raises Unreadable."""
        return Weights(self.weights) if isinstance(self.weights, bytes) else Weights.mapped(self.weights)

    @property
    def given(self) -> JSON:
        """The weights as a request holds them."""
        return _pack(self.weights) if isinstance(self.weights, bytes) else {"file": str(self.weights)}

    @property
    def bound(self) -> tuple[Path, ...]:
        """The weights as a job binds them."""
        return () if isinstance(self.weights, bytes) else (self.weights,)


@dataclass(frozen=True, slots=True)
class Probed:
    """The numbers of the dynamic checks, still unread, and the job's CPU time."""

    numbers: JSON
    cpu_s: float


def shape(recipe: Recipe, run: Run) -> dict[str, int]:
    """The model's sizes, as arch/inside/mixers/trunk.py wants them."""
    return {
        "d_model": recipe.d_model,
        "n_heads": recipe.n_heads,
        "head_dim": recipe.head_dim,
        "n_layers": run.n_layers,
        "vocabulary": run.vocabulary,
    }


def model_of(code: str, recipe: Recipe, run: Run, weights: bytes) -> Model:
    """A model that was trained on a rung on a CPU."""
    return Model(code, shape(recipe, run), weights, recipe.cpu_s, recipe.wall_s)


def probe(
    code: str,
    recipe: Recipe,
    checks: Sequence[str],
    lengths: Sequence[int],
    sandbox: Sandbox,
    trained: tuple[Run, bytes] | None = None,
) -> Probed | Failure:
    """The numbers of the named checks, on a new mixer, or on the first block's of a trained model.

    `lengths` are those of the causality check; the first one serves the checks that need one.
    """
    run, weights = trained or (recipe.runs[0], b"")
    model = replace(model_of(code, recipe, run, weights), cpu_s=60.0, wall_s=240.0)
    return probe_model(model, checks, lengths, sandbox, is_trained=trained is not None)


def probe_model(
    model: Model, checks: Sequence[str], lengths: Sequence[int], sandbox: Sandbox, *, is_trained: bool = True
) -> Probed | Failure:
    """The same for a model of any size, on a CPU."""
    request = {
        "shape": dict(model.shape),
        "lengths": list(lengths),
        "seed": 1,
        "weights": model.given if is_trained else None,
        "checks": list(checks),
    }
    data = model.bound if is_trained else ()
    done = _run(model.code, "probe", request, _limits(model.cpu_s, model.wall_s, 0, model.memory_mb), sandbox, data)
    if isinstance(done, Failure):
        return done
    numbers = done.answer["numbers"] if isinstance(done.answer, dict) and "numbers" in done.answer else None
    return Probed(numbers, done.cost.cpu_s)


def fit(code: str, recipe: Recipe, run: Run, rate: float, seed: int, text: bytes, sandbox: Sandbox) -> Fitted | Failure:
    """One training run."""
    request = {
        "shape": shape(recipe, run),
        "task": None if run.task is None else dataclasses.asdict(run.task),
        "text": _pack(text if run.task is None else b""),
        "run": {
            "length": run.length,
            "batch": run.batch,
            "steps": run.steps,
            "learning_rate": rate,
            "seed": seed % 2**32,
        },
    }
    done = _run(code, "train", request, _limits(recipe.cpu_s, recipe.wall_s, WEIGHTS_MB), sandbox)
    return done if isinstance(done, Failure) else _fitted(done)


def _fitted(done: Finished) -> Fitted | Failure:
    answer, cost = done.answer, done.cost
    if isinstance(answer, dict) and set(answer) == {"diverged"}:
        return Fitted(None, (), cost.cpu_s, cost.wall_s)
    if not isinstance(answer, dict) or set(answer) != {"curve"} or set(done.files) != {WEIGHTS}:
        return Failure(FailureKind.INVALID, "training did not answer with a curve and one file of weights")
    try:
        curve = tuple((float(step), float(loss)) for step, loss in answer["curve"])
    except (TypeError, ValueError, OverflowError):
        return Failure(FailureKind.INVALID, "the training curve cannot be read")
    if not 1 <= len(curve) <= LONGEST_CURVE or not all(math.isfinite(value) for pair in curve for value in pair):
        return Failure(FailureKind.INVALID, "the training curve is empty, too long or not finite")
    return Fitted(done.files[WEIGHTS], curve, cost.cpu_s, cost.wall_s)


def hidden(
    code: str, recipe: Recipe, run: Run, weights: bytes, batches: Sequence[Tokens], sandbox: Sandbox
) -> list[NDArray[np.float32]] | Failure:
    """The final hidden states of a trained model for each batch, (B, T, D), finite."""
    return states(model_of(code, recipe, run, weights), batches, sandbox)


def states(model: Model, batches: Sequence[Tokens], sandbox: Sandbox) -> list[NDArray[np.float32]] | Failure:
    """The same for a model of any size."""
    d_model = model.shape["d_model"]
    answers = _answers(model, batches, sandbox)
    if isinstance(answers, Failure):
        return answers
    found = [
        np.frombuffer(content, dtype="<f4").reshape(*tokens_BT.shape, d_model)
        for tokens_BT, content in zip(batches, answers, strict=True)
    ]
    if not all(np.isfinite(state).all() for state in found):
        return Failure(FailureKind.INVALID, "the hidden states are not finite")
    return found


def _answers(model: Model, batches: Sequence[Tokens], sandbox: Sandbox) -> list[bytes] | Failure:
    """The bytes of each batch's answer."""
    request = {
        "shape": dict(model.shape),
        "weights": model.given,
        "device": "cuda" if model.gpus else "cpu",
        "batches": [{"tokens": _pack(part.astype("<i4").tobytes()), "size": list(part.shape)} for part in batches],
    }
    ends = np.cumsum([0, *(4 * model.shape["d_model"] * part.size for part in batches)]).tolist()
    limits = _limits(model.cpu_s, model.wall_s, math.ceil(ends[-1] / 2**20), model.memory_mb)
    done = _run(model.code, "answer", request, limits, sandbox, model.bound, model.gpus)
    if isinstance(done, Failure):
        return done
    if set(done.files) != {ANSWERS}:
        return Failure(FailureKind.INVALID, f"expected one file of answers, got {len(done.files)}")
    content = done.files[ANSWERS]
    if len(content) != ends[-1]:
        return Failure(FailureKind.INVALID, f"expected {ends[-1]} bytes of hidden states, got {len(content)}")
    return [content[start:end] for start, end in pairwise(ends)]


def _run(
    code: str,
    entry: str,
    request: JSON,
    limits: Limits,
    sandbox: Sandbox,
    data: tuple[Path, ...] = (),
    gpus: int = 0,
) -> Finished | Failure:
    profile: Profile = "gpu-train" if gpus else "cpu-train"
    return sandbox.run(Job(code, INSIDE, f"adapter:{entry}", request, limits, profile, data, gpus))


def _limits(cpu_s: float, wall_s: float, files_mb: int = 0, memory_mb: int = MEMORY_MB) -> Limits:
    return Limits(cpu_s=cpu_s + START_UP_CPU_S, wall_s=wall_s, memory_mb=memory_mb, processes=32, files_mb=files_mb)


def _pack(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
