"""The team's compose file: what it promises in its first lines. Docker itself is asked where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "mlflow" / "compose.yaml"
EXAMPLE = ROOT / "mlflow" / "env.example"
DOCKERFILE = ROOT / "mlflow" / "nightshift.Dockerfile"
ENDS = {"buckets", "worker"}


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return found


def example() -> dict[str, str]:
    lines = [line.partition("=") for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize("name", services())
def test_a_service_is_pinned_watched_and_private(name: str) -> None:
    service = services()[name]
    image, _, tag = service["image"].partition(":")
    assert image == "nightshift" or re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag)
    assert tag != "latest"
    assert ("healthcheck" in service) != (name in ENDS)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for needed, condition in service.get("depends_on", {}).items():
        assert condition["condition"] == ("service_completed_successfully" if needed in ENDS else "service_healthy")


def test_every_variable_is_in_the_example_and_no_secret_in_a_file() -> None:
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert used == set(example())
    assert [name for name, value in example().items() if value and name != "NIGHTSHIFT_CAMPAIGN"] == []
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|API_KEY", name) or value.startswith("${")


def test_the_databases_that_are_used_are_made() -> None:
    made = set(re.findall(r"CREATE DATABASE (\w+)", (FILE.parent / "databases.sql").read_text()))
    assert set(re.findall(r"@postgres/(\w+)", FILE.read_text())) == made


def test_the_image_has_every_package_and_only_what_is_needed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    packages = packages - {"evo_kernels"} | {"kernels"}  # a source root that holds one package
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE.read_text(), re.MULTILINE))
    allowed = (DOCKERFILE.parent / f"{DOCKERFILE.name}.dockerignore").read_text().splitlines()
    assert copied == packages | {"campaigns"}
    assert copied <= {line.removeprefix("!") for line in allowed}
    assert allowed[0] == "*"


def test_docker_takes_the_file(tmp_path: Path) -> None:
    compose = ["docker", "compose"]
    if not shutil.which("docker") or subprocess.run([*compose, "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    filled = tmp_path / ".env"
    filled.write_text("".join(f"{name}={value or 'chosen1234'}\n" for name, value in example().items()))
    done = subprocess.run([*compose, "-f", FILE, "--env-file", filled, "config", "-q"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_passwords_have_no_default() -> None:
    required = re.findall(r"\$\{(\w+):\?", FILE.read_text())
    assert set(required) == {"POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
