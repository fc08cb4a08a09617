"""One sandbox with torch for all of arch's tests that do not bring their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arch.domain import PRELOAD
from tasks.contract import Sandbox
from tasks.sandbox import open_sandbox


@pytest.fixture(scope="session")
def torch_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True, preload=PRELOAD) as sandbox:
        yield sandbox
