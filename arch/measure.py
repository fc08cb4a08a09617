"""Train and benchmark, one run at a time: what is kept in the workspace, and what is measured on it. Trusted; no torch.

The learning rate is chosen on one half of the held-out prompts and reported on the other. A model answers recall
prompts and text alike, with hidden states, which are audited (arch/audit.py) before they are scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arch import audit, budget, exchange, scoring, verdicts
from arch.corpus import corpus
from arch.exchange import Fitted
from arch.inside.synthetic import Task, Tokens
from arch.language.asker import asker
from arch.language.evaluate import benchmarked
from arch.recipes import Recipe, Run
from arch.weights import Unreadable, Weights
from tasks.contract import JSON, Failure, FailureKind, Sandbox, Trained, Workspace
from tasks.probed import WrongForm

TRAINED_CHECKS = ("causality", *budget.CHECKS)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run's metrics and, per learning rate, what it reached on the half that chooses."""

    metrics: dict[str, float]
    by_rate: dict[str, float]


def file_name(run: Run, rate: float) -> str:
    """Where a run's weights are in the workspace."""
    return f"{run.name}-{rate:g}.safetensors"


def line(run: Run, rate: float, fitted: Fitted) -> str:
    """One line of the training log."""
    if fitted.weights is None:
        return f"{run.name} lr {rate:g}: the loss was not a number"
    losses = " ".join(f"{loss:.3f}" for _, loss in fitted.curve[:: max(1, len(fitted.curve) // 8)])
    return f"{run.name} lr {rate:g}: loss {losses} -> {fitted.curve[-1][1]:.3f} in {fitted.cpu_s:.0f} CPU s"


def fitted(
    code: str, recipe: Recipe, run: Run, rate: float, seed: int, sandbox: Sandbox, workspace: Workspace
) -> Fitted | Failure:
    """The run's result, from the workspace if a former try finished it."""
    note = f"{file_name(run, rate)}.json"
    if workspace.exists(note):
        stored = json.loads(workspace.read(note))
        weights = workspace.read(file_name(run, rate)) if stored["curve"] else None
        curve = tuple((step, loss) for step, loss in stored["curve"])
        return Fitted(weights, curve, stored["cpu_s"], stored["wall_s"])
    done = exchange.fit(code, recipe, run, rate, seed, corpus().train, sandbox)
    if isinstance(done, Failure):
        return done
    if done.weights is not None:
        workspace.write(file_name(run, rate), done.weights)
    stored = {"curve": done.curve, "cpu_s": done.cpu_s, "wall_s": done.wall_s}
    workspace.write(note, json.dumps(stored).encode())
    return done


def measured(
    code: str, recipe: Recipe, run: Run, trained: Trained, seed: int, sandbox: Sandbox, workspace: Workspace
) -> Measured | Failure:
    """A run's metrics, or why there are none."""
    names = {artefact.name for artefact in trained.artefacts}
    weights = {
        rate: workspace.read(file_name(run, rate)) for rate in run.learning_rates if file_name(run, rate) in names
    }
    if not weights:
        return Failure(FailureKind.INVALID, f"{run.name}: the loss was not a number at any learning rate")
    try:
        if run.task is None:
            return _text(code, recipe, run, weights, seed, sandbox)
        return _recall(code, recipe, run, run.task, weights, seed, sandbox)
    except (Unreadable, WrongForm) as error:
        return Failure(FailureKind.INVALID, f"{run.name}: {error}")


def _recall(
    code: str, recipe: Recipe, run: Run, task: Task, weights: dict[float, bytes], seed: int, sandbox: Sandbox
) -> Measured | Failure:
    held_out = scoring.prompts(task, recipe.prompts, seed)
    chosen, reported = {}, {}
    for rate, content in weights.items():
        answered = _answered(code, recipe, run, content, held_out.tokens, sandbox)
        if isinstance(answered, Failure):
            return answered
        tokens = scoring.predicted(*answered)
        chosen[rate] = held_out.accuracy(tokens, held_out.choosing)
        reported[rate] = held_out.accuracy(tokens, held_out.reported)
    best = max(chosen, key=lambda rate: chosen[rate])
    sizes = _sizes(code, recipe, run, weights[best], sandbox)  # those of the model of text are reported
    if isinstance(sizes, Failure):
        return sizes
    metrics = {
        f"{run.name}/accuracy": reported[best],
        f"{run.name}/solved": float(reported[best] >= scoring.SOLVED),
        f"{run.name}/learning_rate": best,
    }
    return Measured(metrics, {f"{rate:g}": value for rate, value in chosen.items()})


def _text(
    code: str, recipe: Recipe, run: Run, weights: dict[float, bytes], seed: int, sandbox: Sandbox
) -> Measured | Failure:
    held_out = scoring.windows(corpus().held_out, run.length, 2 * recipe.windows, seed)
    chosen, reported = {}, {}
    for rate, content in weights.items():
        bits_W = _bits(code, recipe, run, content, held_out, sandbox)
        if isinstance(bits_W, Failure):
            return bits_W
        chosen[rate], reported[rate] = float(bits_W[0::2].mean()), float(bits_W[1::2].mean())
        if min(chosen[rate], reported[rate]) < corpus().floor_bits_per_byte:
            return implausible(min(chosen[rate], reported[rate]))
    best = min(chosen, key=lambda rate: chosen[rate])
    sizes = _sizes(code, recipe, run, weights[best], sandbox)
    if isinstance(sizes, Failure):
        return sizes
    metrics = {"bits_per_byte": reported[best], "text/learning_rate": best, **sizes}
    return Measured(metrics, {f"{rate:g}": value for rate, value in chosen.items()})


def _bits(
    code: str, recipe: Recipe, run: Run, weights: bytes, held_out_WT: Tokens, sandbox: Sandbox
) -> NDArray[np.float64] | Failure:
    """Bits per byte of each window, if it passes the audit."""
    answered = _answered(code, recipe, run, weights, held_out_WT[:, :-1], sandbox)
    return answered if isinstance(answered, Failure) else scoring.bits_per_byte(*answered, held_out_WT[:, 1:])


def _answered(
    code: str, recipe: Recipe, run: Run, weights: bytes, tokens_WT: Tokens, sandbox: Sandbox
) -> tuple[NDArray[np.float32], NDArray[np.float64]] | Failure:
    """A trained model's hidden states (W, T, D), if they pass the audit, and its head (V, D). Raises Unreadable."""
    head_VD = Weights(weights).tensor("head.weight", (run.vocabulary, recipe.d_model))
    ask = partial(exchange.hidden, code, recipe, run, weights, sandbox=sandbox)
    states = ask([tokens_WT])
    if isinstance(states, Failure):
        return states
    caught = audit.mismatch(ask, list(tokens_WT), list(states[0]), head_VD, recipe.audited)
    return (states[0], head_VD) if caught is None else caught


def implausible(bits: float) -> Failure:
    """The alarm on a loss that the data's entropy does not allow."""
    floor = corpus().floor_bits_per_byte
    reason = f"implausible loss: {bits:.3f} bits per byte, under the floor of {floor:.3f} for text of this entropy"
    return Failure(FailureKind.CHEATING, reason)


def language(
    code: str, recipe: Recipe, rate: float, sandbox: Sandbox, workspace: Workspace
) -> Mapping[str, float] | Failure:
    """The benchmarks of the model that was trained on text at that rate; nothing if the recipe has none."""
    if recipe.suite is None:
        return {}
    weights = workspace.read(file_name(recipe.text, rate))
    asked = asker(exchange.model_of(code, recipe, recipe.text, weights), sandbox, recipe.suite.audited)
    done = benchmarked(asked, recipe.suite)
    return done if isinstance(done, Failure) else done.metrics


def _sizes(code: str, recipe: Recipe, run: Run, weights: bytes, sandbox: Sandbox) -> dict[str, float] | Failure:
    probed = exchange.probe(code, recipe, TRAINED_CHECKS, (97, run.length), sandbox, (run, weights))
    return probed if isinstance(probed, Failure) else trained_sizes(probed.numbers, Weights(weights))


def trained_sizes(numbers: JSON, weights: Weights) -> dict[str, float] | Failure:
    """The trained mixer's sizes, if it passes the checks that a new one passed. Raises WrongForm.

    A mixer whose state or cost is another one once it is trained would have the size of the first and the score of the
    second.
    """
    found = verdicts.issues(numbers, TRAINED_CHECKS)
    if found:
        kind = FailureKind.CHEATING if found[0].rule == "causality" else FailureKind.INVALID
        return Failure(kind, f"on the trained weights, {found[0].message}")
    sizes, counted = budget.sizes(numbers), weights.count("blocks.0.mixer.")
    if counted != sizes["parameters"]:
        reason = f"the trained mixer stores {counted} numbers, a new one says it has {sizes['parameters']:.0f}"
        return Failure(FailureKind.CHEATING, reason)
    return sizes
