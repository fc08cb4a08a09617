"""A person's morning: Retry is clicked in the Prefect UI, in a real browser, and a worker does only what was missing.

With NIGHTSHIFT_SCREENSHOTS=docs the pages are kept as pictures there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cognition.archive import Archive
from flows import services
from flows.local_server import MLFLOW
from tasks.tracking import open_tracker
from tests.flows import prefect_api
from tests.flows.fleet import Fleet, wait_for
from tests.flows.test_campaign import _run, _settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
SCREENSHOTS = os.environ.get("NIGHTSHIFT_SCREENSHOTS")

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """One page of a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def _keep(page: Any, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_timeout(2_500)  # the page draws its timeline
        page.screenshot(path=Path(SCREENSHOTS) / name)


def _click_retry(page: Any, fleet: Fleet, name: str) -> None:
    page.goto(f"{fleet.server.ui_url}/runs/flow-run/{fleet.flow_run(name)['id']}")
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()


def _mlflow_runs(fleet: Fleet, round_id: str) -> list[Any]:
    client = open_tracker(f"sqlite:///{fleet.home.root / 'mlflow.db'}", fleet.home.mlflow_artefacts).client
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.`nightshift.round_id` = '{round_id}'"))


@needs_chromium
def test_a_failed_round_has_a_retry_button(home: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The short form of the tests below, without a worker."""
    fault = tmp_path / "fault"
    settings = _settings("button", tmp_path, rounds=1, workers=1, options={"fault_file": str(fault)})
    _run(settings.model_copy(update={"rounds": 0}))
    fault.touch()
    assert _run(settings).is_failure
    api = os.environ["PREFECT_API_URL"]
    wanted = {"flow_runs": {"name": {"any_": ["button-0001"]}}}
    (failed,) = prefect_api.post(f"{api}/flow_runs/filter", wanted)
    page = request.getfixturevalue("page")  # not before: where it is open, no campaign can have an event loop
    page.goto(f"{api.removesuffix('/api')}/runs/flow-run/{failed['id']}")
    page.get_by_role("button", name="Retry").wait_for()


@needs_chromium
@pytest.mark.browser
def test_retry_of_a_failed_round_runs_what_failed_and_what_comes_after(fleet: Fleet, page: Any) -> None:
    campaign = fleet.toml("morning", rounds=2, workers=1)
    fleet.nightshift("run", str(campaign), "--rounds", "1")
    fleet.fault.touch()
    assert fleet.nightshift("run", str(campaign)).returncode == 1
    fleet.fault.unlink()
    assert fleet.flow_run("morning-0002")["state_name"] == "Failed"
    (failed,) = _mlflow_runs(fleet, "morning-0002")
    assert failed.data.tags["nightshift.outcome"] == "machine_fault"
    before = fleet.calls()

    _click_retry(page, fleet, "morning-0002")
    wait_for(lambda: fleet.flow_run("morning-0002")["state_name"] == "Completed", "the retry", 90)
    _keep(page, "prefect-retry.png")

    again = fleet.calls() - before
    assert (again["check"], again["train"], again["benchmark"]) == (0, 1, 1)
    assert fleet.recorded("morning") == {0, 1, 2}
    with Archive.open(fleet.home.archive_url) as archive:
        assert [c.id for c in archive.recent("morning", 9)] == ["morning-0002", "morning-0001", "morning-0000"]
    wait_for(lambda: _mlflow_runs(fleet, "morning-0002")[0].info.status == "FINISHED", "MLflow", 60)
    (resumed,) = _mlflow_runs(fleet, "morning-0002")
    assert resumed.info.run_id == failed.info.run_id
    assert resumed.data.tags["nightshift.outcome"] == "scored"


@needs_chromium
@pytest.mark.browser
def test_retry_of_a_failed_campaign_repeats_no_finished_round(fleet: Fleet, page: Any) -> None:
    campaign = fleet.toml("evening", rounds=4, workers=1)
    fleet.nightshift("run", str(campaign), "--rounds", "2")
    fleet.fault.touch()
    assert fleet.nightshift("run", str(campaign)).returncode == 1
    fleet.fault.unlink()
    before = fleet.calls()
    (failed,) = [run for run in fleet.flow_runs("evening") if run["state_name"] == "Failed"]

    page.goto(f"{fleet.server.ui_url}/runs/flow-run/{failed['id']}")
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    wait_for(lambda: fleet.recorded("evening") == set(range(5)), "the campaign", 120)

    again = fleet.calls() - before
    assert again["train"] == 2  # rounds 3 and 4
    assert {name: count for name, count in again.items() if name.startswith("trained:")} == {
        "trained:evening-0003": 1,
        "trained:evening-0004": 1,
    }


@needs_chromium
@pytest.mark.browser
def test_mlflow_shows_the_candidates_side_by_side(fleet: Fleet, page: Any) -> None:
    server = services.find(fleet.home, MLFLOW)
    assert server is not None
    client = open_tracker(f"sqlite:///{fleet.home.root / 'mlflow.db'}", fleet.home.mlflow_artefacts).client
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    # Sorted by a metric, candidates are shown side by side and not under their campaign.
    order = f"orderByKey={quote('metrics.`fitness`')}&orderByAsc=false"
    search = "searchFilter=" + quote("tags.`nightshift.kind` = 'candidate'") + "&" + order
    page.goto(f"{server.ui_url}/#/experiments/{experiment.experiment_id}/runs?{search}")
    for index in range(3):
        page.get_by_role("link", name=f"morning-000{index}").wait_for()
    page.get_by_role("button", name="Close").last.click()  # the assistant, which hides half the table
    _keep(page, "mlflow-runs.png")
