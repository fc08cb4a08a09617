"""What the sandbox's tests share: small limits, the test adapter, and how to find processes left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from cognition.records import Failure
from tasks.sandbox import Finished, Limits, describe_tiers

ADAPTER = Path(__file__).parent / "adapters"
PROCESS_NAME = f"hostile{os.getpid()}"  # at most 15 characters; other test runs have other names
FAST = Limits(cpu_s=0.3, wall_s=10.0, memory_mb=64, disk_mb=2, output_kb=16, answer_kb=16)
TIERS = [report.name for report in describe_tiers() if report.works and report.name != "unsafe"]

Run = Callable[..., Finished | Failure]


def cases(table: dict[str, str], *quick: str) -> list[ParameterSet]:
    """Test parameters from named programs; all but the `quick` ones are left to the full test run."""
    assert set(quick) <= set(table)
    return [
        pytest.param(body, id=name, marks=() if name in quick else pytest.mark.slow) for name, body in table.items()
    ]


def leftovers() -> list[int]:
    """Living processes that a candidate made: they carry the name that the test adapter gave them."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, command = status.read_text(), (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        named = f"Name:\t{PROCESS_NAME}\n" in text or PROCESS_NAME.encode() in command
        if named and "State:\tZ" not in text:
            found.append(int(status.parent.name))
    return found
