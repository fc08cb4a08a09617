"""Prefect's in-process server that does not come up: one line, as of any service."""

from __future__ import annotations

import prefect
import pytest

from flows import runtime
from flows.services import ServerError


def test_a_server_that_does_not_start_in_time_is_our_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def late() -> None:
        raise RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server.")

    monkeypatch.setattr(prefect, "get_client", late)
    with pytest.raises(ServerError, match="did not start: Timed out"):
        runtime._connected()
