"""The base job templates of flows/work_pools against those that Prefect ships for the same workers, and rendered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import jsonschema
import prefect.server.api.collections_data as collections
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.workers.base import BaseJobConfiguration
from pydantic import ConfigDict

FOLDER = Path(__file__).parents[2] / "flows" / "work_pools"
POOLS = {"kubernetes": "prefect-kubernetes", "docker": "prefect-docker"}


class Job(BaseJobConfiguration):
    """Takes whatever the template says; the real ones are in prefect-kubernetes and prefect-docker."""

    model_config = ConfigDict(extra="allow")


def ours(pool: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{pool}.json").read_text())
    return found


def prefects(pool: str) -> dict[str, Any]:
    views = Path(next(iter(collections.__path__))) / "views"
    known = json.loads((views / "aggregate-worker-metadata.json").read_text())
    found: dict[str, Any] = known[POOLS[pool]][pool]["default_base_job_configuration"]
    return found


async def rendered(pool: str, **values: Any) -> dict[str, Any]:
    secret = AsyncMock(spec=PrefectClient)
    secret.read_block_document_by_name.return_value.data = {"value": "kept"}
    given = {"name": "round", "command": "run", **values}
    job: Any = await Job.from_template_and_values(ours(pool), given, client=secret)
    found: dict[str, Any] = job.model_dump(mode="json")
    return found


@pytest.mark.parametrize("pool", POOLS)
def test_a_template_has_all_that_its_worker_reads(pool: str) -> None:
    template, shipped = ours(pool), prefects(pool)
    assert set(template["job_configuration"]) == set(shipped["job_configuration"])
    assert set(template["variables"]["properties"]) >= set(shipped["variables"]["properties"])
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert used <= set(template["variables"]["properties"])


@pytest.mark.parametrize("pool", POOLS)
def test_defaults_fit_their_own_schema(pool: str) -> None:
    variables = ours(pool)["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    defaults = {name: field["default"] for name, field in variables["properties"].items() if "default" in field}
    jsonschema.validate(defaults, variables)


async def test_a_kubernetes_job_gets_its_secrets_from_a_secret_and_no_rights() -> None:
    job = await rendered("kubernetes", gpus=1, secret="ours")
    (container,) = job["job_manifest"]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "ours"}}]
    assert container["image"] == "nightshift:local"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert job["env"]["NIGHTSHIFT_HOME"] == "/state"
    assert "{{" not in json.dumps(job)


async def test_a_docker_job_gets_its_secrets_from_blocks_of_the_prefect_server() -> None:
    written = ours("docker")["variables"]["properties"]["env"]["default"]
    secrets = {"NIGHTSHIFT_ARCHIVE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert {name for name, value in written.items() if value.startswith("{{ prefect.blocks.secret.")} == secrets
    job = await rendered("docker")
    assert {job["env"][name] for name in secrets} == {"kept"}
    assert job["networks"] == ["nightshift_default"]
