"""What goes into the sandbox and comes out: requests, and answers checked for form. Trusted; no torch.

Weights leave as files beside the answer; what goes in is JSON, so there bytes travel as base64.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rl.inside.sorting import COMPLETION
from rl.recipes import Recipe
from tasks.contract import JSON, Cost, Failure, FailureKind, Finished, Job, Limits, Sandbox

INSIDE = Path(__file__).parent / "inside"
WEIGHTS_MB = 8  # at most, together; the laptop's are 0.5 MB for each learning rate
START_UP_CPU_S = 12.0  # torch is imported in the candidate's own process, and in the trainer's where it is not warm
PROBE_CPU_S, PROBE_WALL_S = 60.0, 300.0
CURVES = ("rewards", "losses", "moved")


@dataclass(frozen=True, slots=True)
class Curve:
    """What a run at one learning rate left; `weights` None: it was given up at generation `aborted_at`."""

    rewards: tuple[float, ...]
    losses: tuple[float, ...]
    moved: tuple[float, ...]
    kl_nats: float
    aborted_at: int | None
    weights: bytes | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """Every learning rate that was tried, by name."""

    curves: Mapping[str, Curve]
    cost: Cost


def fit(code: str, recipe: Recipe, base: bytes, seed: int, uses_reference: bool, sandbox: Sandbox) -> Fitted | Failure:
    """Train at every learning rate. A candidate that raises or answers wrongly in training is a Failure."""
    request = {
        "shape": dataclasses.asdict(recipe.base.shape),
        "base": base64.b64encode(base).decode("ascii"),
        "rates": list(recipe.rates),
        "settings": settings(recipe, uses_reference),
        "run": {
            "seed": seed % 2**31,
            "generations": recipe.generations,
            "iterations": recipe.iterations,
            "prompts": recipe.prompts,
            "group_size": recipe.group_size,
            "reward": recipe.reward,
            "uses_reference": uses_reference,
            "abort_at": recipe.abort_at,
            "abort_below": recipe.abort_below,
        },
    }
    limits = _limits(recipe.cpu_s + START_UP_CPU_S, recipe.wall_s, WEIGHTS_MB)
    done = sandbox.run(Job(code, INSIDE, "adapter:train", request, limits, profile="cpu-train"))
    return done if isinstance(done, Failure) else _fitted(done, {f"{rate:g}" for rate in recipe.rates})


def settings(recipe: Recipe, uses_reference: bool) -> dict[str, JSON]:
    """The constants of a loss's context."""
    return {
        "group_size": recipe.group_size,
        "epsilon_low": recipe.epsilon_low,
        "epsilon_high": recipe.epsilon_high,
        "beta": recipe.beta if uses_reference else 0.0,
        "longest": COMPLETION,
    }


def probe(code: str, uses_reference: bool, sandbox: Sandbox) -> JSON | Failure:
    """The numbers of the dynamic checks, still unread."""
    request = {"seed": 1, "uses_reference": uses_reference}
    done = sandbox.run(
        Job(code, INSIDE, "adapter:probe", request, _limits(PROBE_CPU_S, PROBE_WALL_S), profile="cpu-train")
    )
    if isinstance(done, Failure):
        return done
    return done.answer["numbers"] if isinstance(done.answer, dict) and "numbers" in done.answer else None


def _limits(cpu_s: float, wall_s: float, files_mb: int = 0) -> Limits:
    return Limits(cpu_s=cpu_s, wall_s=wall_s, memory_mb=2048, processes=32, files_mb=files_mb)


def _fitted(done: Finished, rates: set[str]) -> Fitted | Failure:
    answer = done.answer
    if isinstance(answer, dict) and set(answer) == {"wrong", "raised"}:
        kind = FailureKind.CRASH if answer["raised"] else FailureKind.INVALID
        return Failure(kind, str(answer["wrong"])[:1000])
    if not isinstance(answer, dict) or set(answer) != {"curves"} or not isinstance(answer["curves"], dict):
        return Failure(FailureKind.INVALID, "training did not answer with curves")
    try:
        curves = {name: _curve(given, done.files.get(name)) for name, given in answer["curves"].items()}
    except (KeyError, TypeError, ValueError, OverflowError):
        return Failure(FailureKind.INVALID, "the training curves cannot be read")
    if not curves or set(curves) - rates or set(done.files) - set(curves):
        return Failure(FailureKind.INVALID, "training left something else than a run for each learning rate")
    return Fitted(curves, done.cost)


def _curve(given: JSON, weights: bytes | None) -> Curve:
    series = {name: tuple(float(value) for value in given[name]) for name in CURVES}
    kl, stop = float(given["kl_nats"]), given["aborted_at"]
    if not all(math.isfinite(value) for values in series.values() for value in (*values, kl)):
        raise ValueError("not finite")
    if (weights is None) != (stop is not None):
        raise ValueError("weights are there exactly if the run was not given up")
    return Curve(**series, kl_nats=kl, aborted_at=None if stop is None else int(stop), weights=weights)
