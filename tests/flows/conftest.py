"""A running fleet for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.fleet import Fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """`nightshift up`, and `down` at the end."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    try:
        started = fleet.nightshift("up", "--json", timeout_s=300)
        assert started.returncode == 0, started.stderr
        yield fleet
    finally:
        fleet.nightshift("down")
