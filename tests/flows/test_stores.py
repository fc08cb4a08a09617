"""A campaign whose artefacts and step results are on S3: another machine goes on where the first one stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.s3 import S3, s3_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


def nightshift(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


def files(s3: S3, place: str) -> list[str]:
    options = {"endpoint_url": s3.endpoint, "key": "anybody", "secret": "secret", "use_listings_cache": False}
    store = fsspec.filesystem("s3", skip_instance_cache=True, **options)
    return sorted(store.find(place))


@pytest.mark.slow
def test_another_machine_runs_only_what_the_first_one_left(prefect_home: Path, s3: S3, tmp_path: Path) -> None:
    fsspec.filesystem("s3", endpoint_url=s3.endpoint, key="anybody", secret="secret").mkdir("far-nights")
    archive = {"NIGHTSHIFT_ARCHIVE": f"sqlite:///{tmp_path / 'shared.db'}", **s3.environment}
    shared = {
        **archive,
        "NIGHTSHIFT_ARTEFACTS": "s3://far-nights/toy",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/m.db",
    }
    fault, calls = tmp_path / "fault", tmp_path / "calls"
    run = ["run", "tests.toy_domain:Toy", "--name", "far", "--set", "propose.kind=random", "--set", "workers=1"]
    run += ["--set", f"options.log={calls}", "--set", f"options.fault_file={fault}", "--json"]
    first = nightshift({**shared, "NIGHTSHIFT_HOME": str(tmp_path / "first")}, *run, "--rounds", "0")
    assert first.returncode == 0, first.stderr
    fault.touch()
    failed = nightshift({**shared, "NIGHTSHIFT_HOME": str(tmp_path / "first")}, *run, "--rounds", "1")
    assert failed.returncode == 1
    assert "out of order" in failed.stderr
    fault.unlink()
    before = calls.read_text().split()
    second = nightshift({**shared, "NIGHTSHIFT_HOME": str(tmp_path / "second")}, *run, "--rounds", "1")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["rounds_recorded"] == 1
    again = calls.read_text().split()[len(before) :]
    assert (again.count("check"), again.count("train"), again.count("benchmark")) == (0, 1, 1)
    found = files(s3, "far-nights/toy")
    assert [name for name in found if "/results/far-0001.train." in name]
    assert [name for name in found if "/rounds/far-0001/" in name and name.endswith("x.txt")]
    for machine in ("first", "second"):  # nothing that another machine would miss stayed here
        assert [path for path in (tmp_path / machine / "artefacts").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NIGHTSHIFT_ARTEFACTS", "s3://nowhere/toy", "cannot write s3://nowhere/toy/probe-"),
        (
            "NIGHTSHIFT_ARCHIVE",
            "postgresql+psycopg://me:hunter2@127.0.0.1:9/db",
            "the archive at 127.0.0.1:9/db cannot",
        ),
    ],
)
def test_a_store_that_is_missing_is_one_line_before_anything_starts(
    s3: S3, tmp_path: Path, name: str, value: str, said: str
) -> None:
    environment = {**s3.environment, name: value, "NIGHTSHIFT_HOME": str(tmp_path)}
    done = nightshift(environment, "run", "tests.toy_domain:Toy", "--rounds", "1")
    assert done.returncode == 2
    assert done.stderr.startswith(f"nightshift: {said}")
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
    assert not (tmp_path / "prefect" / "server.json").exists()
