"""A study of the toy problem, and curves made by hand."""

from __future__ import annotations

from typing import Any

from flows.study.ledger import Curve, Point
from flows.study.settings import StudySettings, validate

TOY = "tests.toy_domain:Toy"
LADDER = [{"guess": {"block": "constant", "value": value}} for value in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)]


def values(**more: Any) -> dict[str, Any]:
    """A study's file as TOML gives it."""
    return {
        "name": "toys",
        "campaign": {"problem": TOY, "propose": {"kind": "recombine"}, "tracking": {"enabled": False}},
        "arms": [{"name": "recombine"}, {"name": "random", "proposer": "random"}],
        "seeds": 2,
        "budget": {"rounds": 3},
        "cells_at_once": 2,
        **more,
    }


def scripted_values(**more: Any) -> dict[str, Any]:
    """A self-test on the toy problem."""
    base = values(campaign={"problem": TOY, "analyze": {"kind": "model"}, "tracking": {"enabled": False}})
    arms = [{"name": "full"}, {"name": "blind", "cognition": False, "expected": "worse"}]
    return {**base, "name": "scripted-toys", "arms": arms, "scripted": {"ladder": LADDER}, **more}


def study(**more: Any) -> StudySettings:
    return validate(values(**more), "toys.toml")


def curve(arm: str, seed: int, fitnesses: list[float | None], *, cpu_s: float = 2.0, complete: bool = True) -> Curve:
    points = tuple(
        Point(k, cpu_s * k, 100 * k, k, "crash" if fitness is None else "scored", fitness)
        for k, fitness in enumerate(fitnesses, start=1)
    )
    return Curve(arm, seed, f"{arm}-{seed}", 0.0, points, cpu_s * len(points), complete)
