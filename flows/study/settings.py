"""A study's TOML file: one campaign, the arms that differ from it, the seeds, and one budget for all.

The budget stands in one place and no arm can change it, nor anything else that decides what a score or a second is
worth: problem, options, rung, replicates, workers, limits, sandbox. Whatever is wrong is refused in one line.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from cognition.records import JSON
from flows import config
from flows.config import ConfigError
from flows.study.scripted.settings import Scripted
from tasks.settings import Frozen

#: What an arm may set; everything else is the same for all.
ARM_SECTIONS = ("sampler", "retrieve", "propose", "researcher", "recombine", "models", "check", "analyze")
#: Words that somebody might try to give an arm its own budget with.
_BUDGET_WORDS = ("budget", "rounds", "limits", "cpu_s", "tokens", "max_rounds")
#: The study sets these in every cell.
_STUDY_SETS = ("name", "seed", "rounds")
MOST_ARMS = 12

Unit = Literal["cpu_s", "tokens", "rounds"]
UNIT_NAMES: dict[Unit, str] = {"cpu_s": "CPU-seconds of candidates", "tokens": "tokens", "rounds": "rounds"}


class BudgetSettings(Frozen):
    """What every cell may spend after its baseline: exactly one of cpu_s, tokens and rounds."""

    cpu_s: float | None = Field(None, gt=0, description="CPU-seconds of candidates")
    tokens: int | None = Field(None, gt=0, description="Prompt and completion tokens of all roles")
    rounds: int | None = Field(None, gt=0, description="Rounds; refused where a model is asked")
    failed_cpu_s: float | None = Field(
        None, ge=0, description="CPU-seconds charged for a candidate that failed while it ran, whose use nobody knows"
    )
    most_rounds: int = Field(1_000, ge=1, le=100_000, description="A cell that spends nothing ends here, unfinished")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        given = [unit for unit in UNIT_NAMES if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of cpu_s, tokens, rounds (given: {', '.join(given) or 'none'})")
        if (self.cpu_s is None) != (self.failed_cpu_s is None):
            raise ValueError("cpu_s and failed_cpu_s go together: a failed candidate spends CPU time too")
        return self

    @property
    def unit(self) -> Unit:
        """What is counted."""
        return "cpu_s" if self.cpu_s is not None else "tokens" if self.tokens is not None else "rounds"

    @property
    def amount(self) -> float:
        """How much of it."""
        return float(getattr(self, self.unit))


class Arm(Frozen):
    """One way of running the campaign. What is left out is as in the campaign."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.+-]{0,29}$")]
    sampler: Literal["ucb1", "greedy", "random", "map_elites", "top_k", "baseline"] | None = None
    cognition: bool = Field(True, description="False: no knowledge is retrieved (Fig. 5)")
    analyzer: bool = Field(True, description="False: no report and no lessons (Fig. 5)")
    proposer: Literal["recombine", "random", "model"] | None = None
    form: Literal["program", "diff", "auto"] | None = Field(None, description="Whole programs or edits, of a model")
    best_of_n: bool = Field(False, description="Control: every round starts from the seed program, knowing nothing")
    set: dict[str, JSON] = Field(default_factory=dict, description="Any further settings of the allowed sections")
    expected: Literal["worse", "none", "better"] | None = Field(
        None, description="Scripted researcher only: what was planted, against the first arm"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_budget_of_its_own(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        inner = values.get("set")
        given = set(values) | (set(inner) if isinstance(inner, dict) else set())
        if words := sorted(given & set(_BUDGET_WORDS)):
            raise ValueError(
                f"{', '.join(words)} in an arm: arms at unequal budgets cannot be compared; [budget] holds for all"
            )
        return values

    @field_validator("set")
    @classmethod
    def _allowed(cls, values: dict[str, JSON]) -> dict[str, JSON]:
        if others := sorted(set(values) - set(ARM_SECTIONS)):
            raise ValueError(
                f"{', '.join(others)} must be the same in all arms; an arm may set {', '.join(ARM_SECTIONS)}"
            )
        if odd := [name for name, value in values.items() if not isinstance(value, dict)]:
            raise ValueError(f"{odd[0]} is a section: give it settings, as in set.{odd[0]}.NAME = VALUE")
        if "cognition" in values.get("retrieve", {}):
            raise ValueError("retrieve.cognition is 'own' in every cell, or arms would teach each other")
        return values


class StudySettings(Frozen):
    """Everything a study depends on."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    campaign: dict[str, JSON] = Field(description="Settings of a campaign, or a file of campaigns/")
    arms: tuple[Arm, ...] = Field(min_length=2, max_length=MOST_ARMS)
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(min_length=2, description="A list, or how many")
    budget: BudgetSettings
    levels: tuple[float, ...] = Field((), description="Fitnesses whose first reaching is counted")
    primary: Literal["final", "area"] = Field("final", description="Which number a planted effect is looked for in")
    alpha: float = Field(0.05, gt=0, lt=0.5)
    order_seed: int = Field(0, ge=0, description="Of the order of arms within a seed")
    cells_at_once: int | None = Field(None, ge=1, le=64, description="None: as many as this process has cores")
    scripted: Scripted | None = Field(None, description="A researcher with planted effects: the study is a self-test")

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, seeds: Any) -> Any:
        return list(range(seeds)) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds

    @field_validator("campaign")
    @classmethod
    def _without_what_the_study_sets(cls, values: dict[str, JSON]) -> dict[str, JSON]:
        if given := [key for key in _STUDY_SETS if key in values]:
            raise ValueError(f"{', '.join(given)}: set by the study for each cell ([budget], seeds); leave it out")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_twice("arms", [arm.name for arm in self.arms])
        _refuse_twice("seeds", [str(seed) for seed in self.seeds])
        if self.scripted is None and any(arm.expected for arm in self.arms):
            raise ValueError("arms.expected: nobody knows the truth of a real study; only with [scripted]")
        return self

    @property
    def at_once(self) -> int:
        """How many cells run at the same time."""
        return self.cells_at_once or len(os.sched_getaffinity(0))

    @property
    def is_self_test(self) -> bool:
        """Whether the researcher is scripted."""
        return self.scripted is not None


def _refuse_twice(what: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{what}: {', '.join(twice)} given twice")


def load(path: Path) -> StudySettings:
    """A study's file. Raises ConfigError."""
    values = config.read_toml(path)
    base = values.get("campaign")
    if isinstance(base, str):
        # A campaign's file is complete; what a study decides for each cell is taken out of it.
        values["campaign"] = {k: v for k, v in config.read_toml(Path(base)).items() if k not in _STUDY_SETS}
    return validate(values, str(path))


def validate(values: dict[str, Any], source: str) -> StudySettings:
    """Checked settings of a study. Raises ConfigError for the first thing that is wrong."""
    try:
        return StudySettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        text = re.sub(r"^Value error, ", "", first["msg"])
        if first["type"] == "extra_forbidden":
            text = f"unknown key; see docs/study.md (known here: {', '.join(_known(first['loc'][:-1]))})"
        raise ConfigError(f"{source}: {place}: {text}" if place else f"{source}: {text}") from None


def _known(place: tuple[int | str, ...]) -> list[str]:
    sections: dict[str, type[Frozen]] = {"arms": Arm, "budget": BudgetSettings, "scripted": Scripted}
    return sorted((sections.get(str(place[0]), StudySettings) if place else StudySettings).model_fields)
