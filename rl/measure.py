"""Train and benchmark: what is kept in the workspace, and what is measured on it. Trusted; no torch."""

from __future__ import annotations

import json
from dataclasses import asdict

from rl import base, exchange, scoring
from rl.exchange import Curve, Fitted
from rl.inside.sorting import Part
from rl.recipes import Recipe
from rl.scoring import Answers
from rl.weights import Unreadable, read
from tasks.contract import Artefact, Cost, Failure, FailureKind, Measurements, Sandbox, Trained, Workspace

NOTE = "runs.json"


def file_name(rate: str) -> str:
    """Where a learning rate's weights are in the workspace."""
    return f"rate-{rate}.safetensors"


def answers(weights: bytes, recipe: Recipe, part: Part) -> Answers:
    """How a model with these weights answers a part's prompts. Raises Unreadable."""
    shape = recipe.base.shape
    arrays = read(weights, shape.tensors())
    if part == "choose":
        return scoring.answers(arrays, shape, part, recipe.choosing, ("right",))
    return scoring.answers(arrays, shape, part, recipe.reported)


def trained(
    code: str, recipe: Recipe, seed: int, uses_reference: bool, sandbox: Sandbox, workspace: Workspace
) -> Trained | Failure:
    """Every learning rate in one job; what a former try has finished is not trained again."""
    if workspace.exists(NOTE):
        stored = json.loads(workspace.read(NOTE))
        artefacts = tuple(workspace.write(name, workspace.read(name)) for name in stored["files"])
        return Trained(artefacts, stored["summary"], stored["logs"], Cost(**stored["cost"]))
    fitted = exchange.fit(code, recipe, base.weights(recipe.base), seed, uses_reference, sandbox)
    if isinstance(fitted, Failure):
        return fitted
    first = next(iter(fitted.curves.values()))
    if first.aborted_at is not None:
        return Failure(FailureKind.INVALID, given_up(first, recipe))
    if recipe.iterations > 1 and not any(max(curve.moved, default=0.0) > 0.0 for curve in fitted.curves.values()):
        return Failure(FailureKind.INVALID, "the policy did not move between two passes: the loss trains nothing")
    artefacts = kept(fitted, workspace)
    rates = {rate: summary(curve) for rate, curve in fitted.curves.items()}
    logs = "\n".join(line(rate, curve) for rate, curve in fitted.curves.items())
    stored = {"files": [each.name for each in artefacts], "summary": {"rates": rates}, "logs": logs}
    workspace.write(NOTE, json.dumps({**stored, "cost": asdict(fitted.cost)}).encode())
    return Trained(artefacts, {"rates": rates}, logs, fitted.cost)


def kept(fitted: Fitted, workspace: Workspace) -> tuple[Artefact, ...]:
    """The weights of every run that was not given up, in the workspace."""
    return tuple(
        workspace.write(file_name(rate), curve.weights) for rate, curve in fitted.curves.items() if curve.weights
    )


def given_up(curve: Curve, recipe: Recipe) -> str:
    """Why a run was aborted."""
    last = " ".join(f"{reward:.2f}" for reward in curve.rewards)
    return (
        f"given up after {curve.aborted_at} of {recipe.generations} generations: the mean reward went {last}, "
        f"under {recipe.abort_below:g}, which is less than the untrained base has"
    )


def summary(curve: Curve) -> dict[str, float]:
    """A run in a few numbers."""
    middle = len(curve.rewards) // 2
    return {
        "early_reward": sum(curve.rewards[:middle]) / max(1, middle),
        "final_reward": curve.rewards[-1],
        "kl_nats": curve.kl_nats,
        "moved": max(curve.moved, default=0.0),
    }


def line(rate: str, curve: Curve) -> str:
    """One line of the training log."""
    rewards = " ".join(f"{reward:.2f}" for reward in curve.rewards[::2])
    end = f"given up at {curve.aborted_at}" if curve.aborted_at else f"{curve.kl_nats:.2f} nats from the base"
    moved = max(curve.moved, default=0.0)
    return f"lr {rate}: reward {rewards} -> {curve.rewards[-1]:.2f}, |log ratio| up to {moved:.3f}, {end}"


def measured(trained: Trained, recipe: Recipe, workspace: Workspace) -> Measurements | Failure:
    """The metrics at the learning rate that the choosing prompts prefer."""
    rates = {file_name(rate): rate for rate in trained.summary["rates"]}
    contents = {rates[each.name]: workspace.read(each.name) for each in trained.artefacts if each.name in rates}
    try:
        chosen = {rate: answers(content, recipe, "choose").accuracy for rate, content in contents.items()}
        best = max(chosen, key=lambda rate: chosen[rate])
        reported = answers(contents[best], recipe, "report")
    except Unreadable as error:
        return Failure(FailureKind.INVALID, str(error))
    metrics = {
        "accuracy": reported.accuracy,
        "learning_rate": float(best),
        **{f"share/{name}": value for name, value in reported.by_behaviour.items()},
        **trained.summary["rates"][best],
    }
    breakdown = {"chosen_on_other_prompts": chosen, "rates": trained.summary["rates"]}
    return Measurements(metrics, breakdown, trained.logs, trained.cost, trained.artefacts)
