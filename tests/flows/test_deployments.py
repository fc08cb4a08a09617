"""Deployments: what can be wrong in prefect.yaml or on the command line is one line before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import deployments, versions
from flows.config import ConfigError

TOY = "tests.toy_domain:Toy"
ENTRY = """
name: nightshift
deployments:
  - name: nightly-x
    entrypoint: {entrypoint}
    parameters: {{settings: {{name: x, problem: "{problem}"}}, rounds_per_night: {rounds}}}
    schedules: [{{cron: "{cron}", timezone: {timezone}}}]
"""
GOOD = {
    "entrypoint": "flows.nightly.nightly",
    "problem": TOY,
    "rounds": "4",
    "cron": "0 22 * * *",
    "timezone": "Europe/Berlin",
}


def _file(folder: Path, **changes: str) -> Path:
    path = folder / "prefect.yaml"
    path.write_text(ENTRY.format(**{**GOOD, **changes}))
    return path


def test_the_projects_own_file_has_the_deployments_that_the_engine_needs() -> None:
    found = {d.name: d.full_name for d in deployments.from_file(deployments.OWN_FILE)}
    assert set(deployments.ENGINES_OWN) <= set(found)
    assert found["nightly-circle-packing"] == "nightly/nightly-circle-packing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cron": "61 22 * * *"}, "is no schedule"),
        ({"cron": "@daily"}, "is no schedule"),
        ({"timezone": "Berlin"}, "is not a time zone"),
        ({"entrypoint": "flows.nightly.daily"}, "no flow at 'flows.nightly.daily'"),
        ({"entrypoint": "flows.nightly.began"}, "is not a flow"),
        ({"problem": "circle_paking"}, "did you mean circle_packing"),
        ({"rounds": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    assert len(deployments.from_file(_file(tmp_path))) == 1
    with pytest.raises(ConfigError, match=message) as raised:
        deployments.from_file(_file(tmp_path, **changes))
    assert "\n" not in str(raised.value)


def test_a_night_that_could_not_run_is_refused_now(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'name = "c"\nproblem = "{TOY}"\n[evaluate]\nrung = "scale"\n')
    with pytest.raises(ConfigError, match=r"evaluate\.rung"):
        deployments.nightly_of(str(path), "0 22 * * *", "UTC", 10)


def test_another_projects_prefect_yaml_is_left_alone_and_ours_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = deployments.from_file(deployments.OWN_FILE)
    Path("prefect.yaml").write_text("name: shop\ndeployments: [{name: x, work_pool: {name: y}}]\n")
    assert deployments.of_this_folder() == own
    _file(tmp_path)
    assert {d.name for d in deployments.of_this_folder()} == {*deployments.ENGINES_OWN, "nightly-x"}


def test_a_run_of_another_version_is_refused() -> None:
    versions.refuse_other(None, "nightly-x")
    versions.refuse_other(versions.current(), "nightly-x")
    with pytest.raises(ConfigError, match=r"nightly-x was made by version 0\.0\.1-abc, this is .*nightshift deploy"):
        versions.refuse_other("0.0.1-abc", "nightly-x")


def test_a_run_with_another_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import stores
    from flows.home import open_home

    home = open_home(tmp_path)
    stores.refuse_other(home)
    monkeypatch.setenv("NIGHTSHIFT_PLACE", stores.place(home))
    stores.refuse_other(home)
    monkeypatch.setenv("NIGHTSHIFT_ARCHIVE", "postgresql+psycopg://me:hunter2@db/archive")
    with pytest.raises(ConfigError, match="another archive") as raised:
        stores.refuse_other(home)
    assert "hunter2" not in str(raised.value)


async def test_applied_again_a_deployment_stays_as_somebody_switched_it(home: Path) -> None:
    from prefect import get_client

    wanted = deployments.nightly_of(TOY, "0 22 * * *", "UTC", 10)
    async with get_client() as client:
        await deployments.apply_all([wanted])
        made = await client.read_deployment_by_name(wanted.full_name)
        assert [schedule.active for schedule in made.schedules] == [True]
        await client.update_deployment_schedule(made.id, made.schedules[0].id, active=False)
        await deployments.apply_all([wanted], keep=True)
        kept = await client.read_deployment_by_name(wanted.full_name)
        assert [schedule.active for schedule in kept.schedules] == [False]
        await deployments.apply_all([wanted])
        again = await client.read_deployment_by_name(wanted.full_name)
        assert [schedule.active for schedule in again.schedules] == [True]
        assert len(await client.read_automations_by_name("nightshift-silent")) == 1
