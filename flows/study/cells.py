"""The cells of a study: one campaign for each arm and seed, under a derived name. Pure.

The name is the study's, a letter for the arm and the seed: candidates' ids stand in prompts, and a model should not
read there which arm it is in. Seeds are the outer loop and the arms of a seed come in a drawn order, so that a machine
that drifts drifts for all arms alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from flows import config, registry
from flows.config import ConfigError, Settings
from flows.study.settings import Arm, StudySettings

LETTERS = "abcdefghijkl"
#: A scripted server is on this machine: waiting long for it is of no use.
_SCRIPTED_MODEL = {
    "model": "scripted",
    "backoff_s": 0.02,
    "max_wait_s": 0.2,
    "retries": 20,
    "timeout_s": 30.0,
    "structured": "json_schema",
}
NO_ADDRESS = "http://127.0.0.1:9/v1"


@dataclass(frozen=True, slots=True)
class Cell:
    """One campaign of the study."""

    arm: str
    seed: int
    settings: Settings

    @property
    def campaign(self) -> str:
        """Its name in the archive."""
        return self.settings.name


def cell_name(study: StudySettings, place: int, seed: int) -> str:
    """The campaign's name; `place` is the arm's among the arms."""
    return f"{study.name}-{LETTERS[place]}{seed:02d}"


def cells(study: StudySettings, scripted_url: str = NO_ADDRESS) -> list[Cell]:
    """All cells in the order in which they are started. Raises ConfigError."""
    places = {arm.name: place for place, arm in enumerate(study.arms)}
    ordered = []
    for seed in study.seeds:
        arms = list(study.arms)
        Random(f"{study.order_seed}/{seed}").shuffle(arms)
        ordered += [Cell(arm.name, seed, _settings(study, arm, places[arm.name], seed, scripted_url)) for arm in arms]
    return ordered


def _settings(study: StudySettings, arm: Arm, place: int, seed: int, scripted_url: str) -> Settings:
    values = config.merge(_base(study, scripted_url), overrides(arm))
    if isinstance(values.get("problem"), str):
        values["problem"] = registry.resolved(values["problem"])
    rounds = study.budget.rounds or study.budget.most_rounds
    values |= {"name": cell_name(study, place, seed), "seed": seed, "rounds": rounds}
    values["retrieve"] = {**values.get("retrieve", {}), "cognition": "own"}
    settings = config.validate(values, f"study {study.name}, arm {arm.name}")
    _refuse_unequal_tokens(study, arm, settings)
    _refuse_what_changes_nothing(study, arm, settings)
    return settings


def _base(study: StudySettings, scripted_url: str) -> dict[str, Any]:
    base: dict[str, Any] = {"workers": 1, **study.campaign}
    if study.scripted is None:
        return base
    model = {**_SCRIPTED_MODEL, "base_url": scripted_url}
    return config.merge({"propose": {"kind": "openai"}}, base) | {"models": {"researcher": model, "analyzer": model}}


def overrides(arm: Arm) -> dict[str, Any]:
    """The settings that make the arm.

    >>> overrides(Arm(name="blind", cognition=False, sampler="greedy"))
    {'sampler': {'kind': 'greedy'}, 'retrieve': {'top_k': 0}}
    """
    found: dict[str, Any] = {}
    if arm.best_of_n:
        found |= {"sampler": {"kind": "baseline"}, "retrieve": {"top_k": 0, "not_run": 0}, "analyze": {"kind": "off"}}
    if arm.sampler is not None:
        found["sampler"] = {"kind": arm.sampler}
    if not arm.cognition:
        found["retrieve"] = {**found.get("retrieve", {}), "top_k": 0}
    if not arm.analyzer:
        found["analyze"] = {"kind": "off"}
    if arm.proposer is not None:
        found["propose"] = {"kind": "openai" if arm.proposer == "model" else arm.proposer}
    if arm.form is not None:
        found["researcher"] = {"mode": arm.form}
    return config.merge(found, arm.set)


def _refuse_unequal_tokens(study: StudySettings, arm: Arm, settings: Settings) -> None:
    """Equal rounds are no equal budget where a model is paid by tokens: prompts of different arms differ. ConfigError.

    A scripted researcher costs nothing, and its study is a self-test.
    """
    if study.budget.unit == "rounds" and study.scripted is None and asks_models(settings):
        raise ConfigError(
            f"arm {arm.name}: it asks a model, and arms with the same number of rounds spend different amounts of "
            "tokens: set budget.tokens in place of budget.rounds"
        )


def asks_models(settings: Settings) -> bool:
    """Whether rounds of these settings ask a model anything."""
    check, analyze = settings.check, settings.analyze
    kinds = (check.reviewer, check.debugger, check.novelty, analyze.kind, analyze.judge)
    return settings.propose.kind == "openai" or "model" in kinds


def _refuse_what_changes_nothing(study: StudySettings, arm: Arm, settings: Settings) -> None:
    """An arm that differs in a setting which its proposer does not read would be a second first arm. ConfigError."""
    if settings.propose.kind == "openai":
        return
    if study.budget.unit == "tokens":
        raise ConfigError(f"arm {arm.name}: {settings.propose.kind} uses no tokens, its budget never ends: use cpu_s")
    unread = [
        name
        for name, is_asked in (
            ("cognition", not arm.cognition),
            ("analyzer", not arm.analyzer),
            ("form", arm.form is not None),
            ("best_of_n", arm.best_of_n and settings.propose.kind == "recombine"),
        )
        if is_asked
    ]
    if unread:
        raise ConfigError(
            f"arm {arm.name}: {settings.propose.kind} does not read what {', '.join(unread)} changes "
            '(its control is proposer = "random"); it takes a model, or [scripted]'
        )
