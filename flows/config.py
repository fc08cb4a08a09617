"""A campaign's settings: one frozen model, read from TOML, overridable on the command line, shown as a form in Prefect.

Every section is defined beside its owner (tasks/settings.py, cognition/samplers, tasks/llm.py) and has its defaults
there. Unknown keys are errors with a suggestion.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from cognition.records import JSON
from cognition.samplers import SamplerSettings
from flows import registry
from flows.alerts import AlertsSettings
from flows.approval import ApprovalSettings
from flows.trust_settings import AuditSettings, CassetteSettings
from tasks.llm import ModelSettings, RateSettings, Role
from tasks.recombine import RecombineSettings
from tasks.researcher import ResearcherSettings
from tasks.settings import (
    AnalyzeSettings,
    CheckSettings,
    EvaluateSettings,
    Frozen,
    ProposeSettings,
    RetrieveSettings,
    SandboxSettings,
)

CAMPAIGNS = Path("campaigns")


class ConfigError(ValueError):
    """The settings cannot be used; the message says which key and what to do."""


class LimitsSettings(Frozen):
    """When a campaign ends before its last round (docs/budgets.md). None: no limit."""

    machine_failures: int = Field(3, ge=1, description="Stop after this many rounds in a row failed by our own fault")
    max_usd: float | None = Field(None, gt=0, description="Stop before spending more than this on model calls")
    max_gpu_h: float | None = Field(None, gt=0, description="Stop before using more GPU-hours than this")
    max_wall_h: float | None = Field(None, gt=0, description="Start no round after this many hours of one run")
    max_total_wall_h: float | None = Field(None, gt=0, description="The same for all runs of the campaign together")


class TrackingSettings(Frozen):
    """MLflow. Off: results stay in the archive and can be published later with `nightshift sync`."""

    enabled: bool = True


class Settings(Frozen):
    """Everything a campaign depends on."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")] = Field(
        description="The campaign's name: lower-case letters, digits, - and _"
    )
    problem: str = Field(description="A problem's name, e.g. circle_packing, or the folder of one")
    options: dict[str, JSON] = Field(default_factory=dict, description="The problem's own options")
    rounds: int = Field(40, ge=0, le=100_000, description="Evolution rounds after the baseline, in total")
    seed: int = Field(0, ge=0, lt=2**63, description="All randomness of the campaign derives from it")
    workers: int = Field(4, ge=1, le=256, description="Rounds in flight (App. A: 4)")
    lease_s: float = Field(60.0, ge=5, description="How long a silent round keeps its claim")
    retrieve: RetrieveSettings = RetrieveSettings()
    sampler: SamplerSettings = SamplerSettings()
    propose: ProposeSettings = ProposeSettings()
    researcher: ResearcherSettings = ResearcherSettings()
    recombine: RecombineSettings = RecombineSettings()
    models: dict[Role, ModelSettings] = Field(
        default_factory=dict, description="Which model serves which role: [models.researcher] and so on"
    )
    more_researchers: tuple[ModelSettings, ...] = Field(
        (), description="Further models for the Researcher, [[more_researchers]]; a bandit shares the rounds out"
    )
    check: CheckSettings = CheckSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    analyze: AnalyzeSettings = AnalyzeSettings()
    sandbox: SandboxSettings = SandboxSettings()
    limits: LimitsSettings = LimitsSettings()
    rate: RateSettings = RateSettings()
    tracking: TrackingSettings = TrackingSettings()
    alerts: AlertsSettings = AlertsSettings()
    approval: ApprovalSettings = ApprovalSettings()
    audit: AuditSettings = AuditSettings()
    cassette: CassetteSettings = CassetteSettings()

    @property
    def researchers(self) -> tuple[ModelSettings, ...]:
        """Every model that may be the Researcher, that of [models.researcher] first."""
        first = (self.models["researcher"],) if "researcher" in self.models else ()
        return (*first, *self.more_researchers)

    @property
    def all_models(self) -> dict[str, ModelSettings]:
        """Every model, by the key that sets it."""
        more = {f"more_researchers.{number}": model for number, model in enumerate(self.more_researchers)}
        return {**{f"models.{role}": model for role, model in self.models.items()}, **more}

    @model_validator(mode="after")
    def _tell_researchers_apart(self) -> Self:
        names = [model.model for model in self.researchers]
        if self.more_researchers and "researcher" not in self.models:
            raise ValueError("more_researchers: set the first one as [models.researcher]")
        if len(set(names)) < len(names):
            raise ValueError(
                f"more_researchers: the models' names have to differ, the bandit tells them apart: {names}"
            )
        return self


def load(source: str, overrides: dict[str, JSON]) -> Settings:
    """Settings from a TOML file, or the defaults of a problem named plainly, with overrides. Raises ConfigError."""
    values = read_toml(Path(source)) if source.endswith(".toml") else {"problem": source}
    values = merge(values, overrides)
    if isinstance(values.get("problem"), str):
        values["problem"] = registry.resolved(values["problem"])
    values.setdefault("name", _default_name(values))
    return validate(values, source)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content. Raises ConfigError with the line."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        close = difflib.get_close_matches(str(path), [str(p) for p in CAMPAIGNS.glob("*.toml")], n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"there is no file {path}{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def validate(values: dict[str, Any], source: str) -> Settings:
    """Checked settings. Raises ConfigError for the first thing that is wrong."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")
    allowed = _fields_at(Settings, first["loc"][:-1])
    close = difflib.get_close_matches(str(first["loc"][-1]), allowed, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(allowed)}"
    return f"unknown key {place}; {hint}"


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for part in place:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return sorted(model.model_fields)


def merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Overrides laid over base, section by section.

    >>> merge({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    merged = dict(base)
    for key, value in overrides.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _default_name(values: dict[str, Any]) -> str:
    problem = re.split("[:/]", str(values.get("problem", "campaign")))[-1].lower()
    return f"{problem.replace('_', '-')}-s{values.get('seed', 0)}"


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """`--set a.b=1` as nested overrides; values are TOML, or plain text if they are not. Raises ConfigError.

    >>> parse_assignments(["sampler.kind=greedy", "options.n=32"])
    {'sampler': {'kind': 'greedy'}, 'options': {'n': 32}}
    """
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        place, equals, text = assignment.partition("=")
        if not equals or not place.strip():
            raise ConfigError(f"--set {assignment}: expected KEY=VALUE, e.g. sampler.kind=greedy")
        nested: Any = _value(text.strip())
        for part in reversed(place.strip().split(".")):
            nested = {part: nested}
        overrides = merge(overrides, nested)
    return overrides


def _value(text: str) -> JSON:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"--set: {text} is not a finite number")
    return value
