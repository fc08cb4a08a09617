"""The settings of a replay, made from those of the recorded campaign. No Prefect here: its environment is not set."""

from __future__ import annotations

from flows.config import Settings
from flows.replaying.records import Cassette


def settings_of(cassette: Cassette, problem: str | None) -> Settings:
    """The campaign's settings without what a replay has no use for: limits, people, MLflow, rounds in flight."""
    recorded = Settings.model_validate(cassette.header.settings)
    plain = Settings(name=recorded.name, problem=problem or recorded.problem)
    changes = {"problem": plain.problem, "workers": 1}
    changes |= {name: getattr(plain, name) for name in ("limits", "approval", "alerts", "rate", "audit")}
    return recorded.model_copy(update=changes)


def with_sampler(settings: Settings, kind: str) -> Settings:
    """The settings with another sampler. Raises pydantic's ValidationError for a name that is none."""
    values = settings.model_dump(mode="json")
    values["sampler"]["kind"] = kind
    return Settings.model_validate(values | {"tracking": {"enabled": False}})
