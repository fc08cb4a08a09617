"""The deployments that a Prefect worker serves, from prefect.yaml or from a campaign's TOML: read, checked, applied.

What can be wrong (a cron, a time zone, an entry point, a campaign's settings) is found before anything is sent.
Importing this file imports Prefect; the command line does so only when it has to.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, ParameterTypeError, SignatureMismatchError
from prefect.flows import Flow
from prefect.types.entrypoint import EntrypointType
from pydantic import Field, ValidationError, field_validator, model_validator

from flows import automations, budgets, config, registry, stores, versions
from flows.config import ConfigError, Settings
from flows.fleet import POOL
from flows.home import open_home
from tasks.settings import Frozen

OWN_FILE = Path(__file__).parents[1] / "prefect.yaml"
#: Without these nothing can be retried or taken up.
ENGINES_OWN = ("evolution-round", "campaign", "reconcile")
NOT_RUNNABLE = (ConfigError, registry.UnknownProblem)


#: A night that lasts into the next one is not joined by it.
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


class Schedule(Frozen):
    """When a deployment runs by itself."""

    cron: str = Field(description="Five fields: minute hour day month weekday")
    timezone: str = Field(description="A name such as Europe/Berlin; summer time is followed")
    active: bool = True

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, cron: str) -> str:
        try:
            CronSchedule(cron=cron, timezone="UTC")
        except ValidationError:
            known = False
        else:
            known = len(cron.split()) == 5
        if not known:
            raise ValueError(f"{cron!r} is no schedule: five fields, e.g. '0 22 * * *' for ten in the evening")
        return cron

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, timezone: str) -> str:
        if timezone not in available_timezones():
            raise ValueError(f"{timezone!r} is not a time zone; they look like UTC or Europe/Berlin")
        return timezone

    def as_prefect(self) -> DeploymentScheduleCreate:
        """The same for Prefect."""
        return DeploymentScheduleCreate(
            schedule=CronSchedule(cron=self.cron, timezone=self.timezone), active=self.active
        )


class Deployment(Frozen):
    """One deployment as it stands in prefect.yaml."""

    name: str = Field(min_length=1)
    entrypoint: str = Field(description="Dotted: module and flow, e.g. flows.nightly.nightly")
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()

    @model_validator(mode="after")
    def _fits_its_flow(self) -> Deployment:
        flow = self.flow()
        try:
            if self.parameters:
                with _silent(logging.getLogger("prefect.flows")):  # what it logs at length is raised as well
                    flow.validate_parameters(self.parameters)
            _refuse_what_cannot_run(self.parameters)
        except (ValidationError, ParameterTypeError, SignatureMismatchError, TypeError, *NOT_RUNNABLE) as error:
            raise ValueError(f"{self.name}: {_one_line(error)}") from None
        return self

    @property
    def full_name(self) -> str:
        """As Prefect shows it: flow/deployment."""
        return f"{self.flow().name}/{self.name}"

    def flow(self) -> Flow[..., Any]:
        """The flow behind the entry point. Raises ValueError."""
        module, _, name = self.entrypoint.rpartition(".")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"{self.name}: no flow at {self.entrypoint!r}: {error}") from None
        if not isinstance(found, Flow):
            raise ValueError(f"{self.name}: {self.entrypoint!r} is not a flow")
        return found


class _File(Frozen):
    """prefect.yaml as a whole."""

    name: str = "nightshift"
    deployments: tuple[Deployment, ...] = ()


@contextmanager
def _silent(noisy: logging.Logger) -> Iterator[None]:
    before, noisy.disabled = noisy.disabled, True
    try:
        yield
    finally:
        noisy.disabled = before


def _refuse_what_cannot_run(parameters: dict[str, Any]) -> None:
    """What would only show at ten in the evening. Raises one of NOT_RUNNABLE."""
    if (settings := settings_in(parameters)) is None:
        return
    domain = registry.load(settings.problem, settings.options)
    if settings.evaluate.rung not in domain.rungs:
        raise ConfigError(f"evaluate.rung: {settings.problem} has {', '.join(domain.rungs)}")
    budgets.refuse(settings, domain)


def from_file(path: Path) -> tuple[Deployment, ...]:
    """The deployments of a prefect.yaml. Raises ConfigError with the first thing that is wrong."""
    try:
        return _File.model_validate(yaml.safe_load(path.read_text()) or {}).deployments
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explained(error)}") from None


def of_this_folder() -> tuple[Deployment, ...]:
    """Those of the prefect.yaml in the working directory, else of the one beside the code."""
    here = Path(OWN_FILE.name)
    own = from_file(OWN_FILE)
    if not here.exists() or here.resolve() == OWN_FILE.resolve() or not _is_ours(here):
        return own
    theirs = from_file(here)
    return (*(d for d in own if d.name in ENGINES_OWN and d.name not in {t.name for t in theirs}), *theirs)


def _is_ours(path: Path) -> bool:
    """Whether a prefect.yaml is one of ours; any Prefect project may have one."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return True  # reading it in earnest says what is wrong
    return isinstance(content, dict) and content.get("name") == "nightshift"


def named(name: str) -> Deployment:
    """One of the deployments that the engine itself needs, from the prefect.yaml beside the code."""
    entries = yaml.safe_load(OWN_FILE.read_text())["deployments"]
    return Deployment.model_validate(next(entry for entry in entries if entry["name"] == name))


def nightly_of(source: str, cron: str, timezone: str, rounds_per_night: int) -> Deployment:
    """A nightly deployment of a campaign's TOML (or a problem's name). Raises ConfigError."""
    settings = config.load(source, {})
    try:
        return Deployment(
            name=f"nightly-{settings.name}",
            entrypoint="flows.nightly.nightly",
            description=f"Goes on with {settings.name} every night, within its limits.",
            parameters={"settings": settings.model_dump(mode="json"), "rounds_per_night": rounds_per_night},
            schedules=(Schedule(cron=cron, timezone=timezone),),
        )
    except ValidationError as error:
        raise ConfigError(explained(error)) from None


def explained(error: ValidationError) -> str:
    """The first problem, with its place.

    >>> try: Schedule(cron="soon", timezone="UTC")
    ... except ValidationError as error: explained(error)[:26]
    "cron: 'soon' is no schedul"
    """
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


async def apply(deployment: Deployment) -> UUID:
    """Create or update a deployment on the server, in the pool of the workers of this project."""
    made = await deployment.flow().ato_deployment(
        deployment.name,
        description=deployment.description or None,
        parameters=deployment.parameters or None,
        version=versions.current(),
        entrypoint_type=EntrypointType.MODULE_PATH,
        work_pool_name=POOL,
        job_variables={"working_dir": str(Path.cwd()), "env": _environment()},
        concurrency_limit=ONE_AT_A_TIME if deployment.schedules else None,
    )
    made.schedules = [schedule.as_prefect() for schedule in deployment.schedules]
    made.enforce_parameter_schema = False  # the flow validates, with better words
    return UUID(str(await made.aapply()))


async def apply_all(wanted: Sequence[Deployment], *, keep: bool = False) -> list[str]:
    """Pool, deployments and automations; returns the deployments' full names.

    `keep`: what is on the server in this version stays as it is there, a schedule that somebody switched included.
    """
    async with get_client() as client:
        await ensure_pool(client)
        ids = {d.full_name: (await _known(client, d) if keep else None) or await apply(d) for d in wanted}
        await automations.ensure(client, automations.silent_runs())
        if (reconcile := ids.get("reconcile/reconcile")) is not None:
            await automations.ensure(client, automations.crashed_runs(reconcile))
    return list(ids)


async def _known(client: PrefectClient, deployment: Deployment) -> UUID | None:
    """The deployment on the server, if this version made it for this place."""
    try:
        found = await client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        return None
    same_place = (found.job_variables or {}).get("env") == _environment()
    return found.id if found.version == versions.current() and same_place else None


def _environment() -> dict[str, str]:
    """What a run must find wherever its worker was started."""
    home = open_home()
    return {"NIGHTSHIFT_HOME": str(home.root), "NIGHTSHIFT_PLACE": stores.place(home)}


async def ensure_pool(client: PrefectClient) -> None:
    """The work pool, created when it is not there."""
    try:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", description="Runs of Nightshift"))
    except ObjectAlreadyExists:
        return


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return explained(error)
    return " ".join(str(error).split()) or type(error).__name__


def settings_in(parameters: dict[str, Any]) -> Settings | None:
    """The campaign's settings among a flow run's parameters, None if they are of another version."""
    try:
        return Settings.model_validate(parameters.get("settings"))
    except ValidationError:
        return None


def report(wanted: Sequence[Deployment], dry_run: bool) -> dict[str, Any]:
    """What is, or would be, on the server."""
    listed = [
        {
            "name": deployment.full_name,
            "entrypoint": deployment.entrypoint,
            "schedules": [schedule.model_dump() for schedule in deployment.schedules],
            "campaign": (deployment.parameters.get("settings") or {}).get("name"),
        }
        for deployment in wanted
    ]
    return {"applied": not dry_run, "version": versions.current(), "work_pool": POOL, "deployments": listed}
