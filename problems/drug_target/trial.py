"""One training run and what is measured on it: kept in the workspace, answered, audited, scored. Trusted; no torch.

The audit sends some reported pairs again, in another order and another process. A model that answers them otherwise
looks at what else it was sent, which the contract forbids: it would learn from the test set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from problems.drug_target import exchange, scoring, splits
from problems.drug_target.exchange import Fitted, Logits
from problems.drug_target.pairs import Integers, Pairs
from problems.drug_target.recipes import Recipe
from problems.drug_target.splits import Kind, Split
from tasks.contract import JSON, Failure, FailureKind, Issue, Sandbox, Workspace

PROBED = {"parameters", "learns", "finite", "difference", "spread", "largest"}
#: What rounding may change in batches of another size: a share of the largest logit; and what changes no ranking: a
#: share of the logits' standard deviation.
ROUNDING, HARMLESS = 1e-5, 1e-2


@dataclass(frozen=True, slots=True)
class Measured:
    """One split's metrics, its noise ceilings, and which checkpoint was chosen."""

    metrics: dict[str, float]
    ceiling: dict[str, float]
    checkpoint: int


def file_name(kind: Kind, number: int) -> str:
    """Where a checkpoint is in the workspace."""
    return f"{kind}-{exchange.weights_name(number)}"


def line(kind: Kind, fitted: Fitted) -> str:
    """One line of the training log."""
    losses = " ".join(f"{loss:.3f}" for loss in fitted.losses[:: max(1, len(fitted.losses) // 8)])
    return f"{kind}: loss {losses} -> {fitted.losses[-1]:.3f} in {fitted.cpu_s:.0f} CPU s"


def issues(answer: JSON, most_parameters: int) -> list[Issue]:
    """What the probe's numbers say. They are claims of the candidate's process: what counts is measured again."""
    if isinstance(answer, dict) and set(answer) == {"shape", "expected"}:
        return [Issue("shape", f"expected logits of shape ({answer['expected']},), got {answer['shape']}")]
    if not isinstance(answer, dict) or set(answer) != PROBED:
        return [Issue("probe", "the probe's answer is not usable")]
    found = []
    if not answer["learns"]:
        found.append(Issue("gradients", "no parameter has a gradient"))
    if not answer["finite"]:
        found.append(Issue("finite", "a logit or a gradient is not finite after one step"))
    if not isinstance(answer["parameters"], int) or answer["parameters"] > most_parameters:
        found.append(Issue("size", f"the model holds {answer['parameters']} numbers, more than {most_parameters}"))
    if not all(isinstance(answer[name], float | int) for name in ("difference", "spread", "largest")):
        return [Issue("probe", "the probe's answer is not usable")]
    if answer["difference"] > tolerance(answer["spread"], answer["largest"]):
        message = f"in eval mode a pair's logit changes by {answer['difference']} with what else is in the batch"
        found.append(Issue("batch", message))
    return found


def fitted(
    code: str, pairs: Pairs, kind: Kind, recipe: Recipe, seed: int, sandbox: Sandbox, workspace: Workspace
) -> Fitted | Failure:
    """The run's result, from the workspace if a former try finished it."""
    note = f"{kind}.json"
    names = [file_name(kind, number) for number in range(len(recipe.kept_epochs))]
    if workspace.exists(note):
        stored = json.loads(workspace.read(note))
        contents = tuple(workspace.read(name) for name in names)
        return Fitted(contents, tuple(stored["losses"]), stored["cpu_s"], stored["wall_s"])
    split = splits.derive(pairs, kind, seed, recipe.most_training)
    done = exchange.fit(code, pairs, split.train, recipe, seed, sandbox)
    if isinstance(done, Failure):
        return done
    for name, content in zip(names, done.checkpoints, strict=True):
        workspace.write(name, content)
    stored = {"losses": done.losses, "cpu_s": done.cpu_s, "wall_s": done.wall_s}
    workspace.write(note, json.dumps(stored).encode())
    return done


def measured(
    code: str, pairs: Pairs, kind: Kind, recipe: Recipe, weights: Sequence[bytes], seed: int, sandbox: Sandbox
) -> Measured | Failure:
    """The split's metrics, or why there are none."""
    split = splits.derive(pairs, kind, seed, recipe.most_training)
    held = np.unique(np.concatenate([part for each in split.held.values() for part in (each.choose, each.report)]))
    answers = exchange.answered(code, pairs, held, recipe, weights, sandbox)
    if isinstance(answers, Failure):
        return answers
    logits_CP = np.full((len(weights), len(pairs)), np.nan)
    logits_CP[:, held] = answers
    best = scoring.chosen(pairs, split, logits_CP)
    differs = _audit(code, pairs, split, recipe, weights[best], logits_CP[best], sandbox)
    if differs is not None:
        return differs
    return Measured(scoring.measured(pairs, split, logits_CP[best]), scoring.ceilings(pairs, split), best)


def _audit(
    code: str, pairs: Pairs, split: Split, recipe: Recipe, weights: bytes, logits_P: Logits, sandbox: Sandbox
) -> Failure | None:
    """Another process gets some reported pairs in another order; None if it answers the same."""
    places = audited(split, recipe.audited)
    again = exchange.answered(code, pairs, places, recipe, [weights], sandbox)
    if isinstance(again, Failure):
        return again
    gap = float(np.abs(again[0] - logits_P[places]).max())
    known_P = logits_P[np.isfinite(logits_P)]
    if gap > tolerance(float(known_P.std()), float(np.abs(known_P).max())):
        reason = f"a pair's logit changed by {gap:.3g} when other pairs were beside it (sd {known_P.std():.3g})"
        return Failure(FailureKind.CHEATING, reason)
    return None


def tolerance(spread: float, largest: float) -> float:
    """How far two answers to one pair may be apart, for logits of this standard deviation and size.

    >>> tolerance(1.0, 5.0)
    0.01005
    """
    return HARMLESS * spread + ROUNDING * largest


def audited(split: Split, share: float) -> Integers:
    """Places of reported pairs, in no order; at random, so that nobody can know which."""
    reported = np.unique(np.concatenate([held.report for held in split.held.values()]))
    rng = np.random.default_rng()  # not seeded: what is audited must not be predictable
    places: Integers = rng.choice(reported, max(2, round(share * len(reported))), replace=False)
    return places
