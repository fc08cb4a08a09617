"""One sandbox for each tier that works here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cognition.records import JSON, Failure
from tasks.sandbox import Finished, Job, Limits, Pool, open_sandbox
from tests.tasks.sandbox.jail import ADAPTER, FAST, PROCESS_NAME, TIERS, Run


@pytest.fixture(scope="session", params=TIERS)
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with open_sandbox(
        tmp_path_factory.mktemp("scratch"), tier=request.param, preload=("numpy", "numpy.random")
    ) as pool:
        yield pool


@pytest.fixture
def run(sandbox: Pool) -> Run:
    """Run `code` with small limits; its `main(request)` is called."""

    def run_code(code: str, limits: Limits = FAST, request: JSON = None) -> Finished | Failure:
        return sandbox.run(Job(code, ADAPTER, "call:named", [PROCESS_NAME, request], limits))

    return run_code
