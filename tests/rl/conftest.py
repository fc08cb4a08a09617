"""One sandbox with torch for all of rl's tests, and a state folder that keeps the tiny base model between tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rl import base
from rl.domain import PRELOAD
from rl.exchange import INSIDE
from tasks.contract import Sandbox
from tasks.sandbox import open_sandbox


@pytest.fixture(scope="session")
def torch_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path_factory.mktemp("scratch"), unsafe=True, preload=PRELOAD) as sandbox:
        yield sandbox


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(folder))
        base.weights.cache_clear()
        yield folder
        base.weights.cache_clear()


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules of rl/inside by the names that they have in the sandbox."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(INSIDE))
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(INSIDE) in str(sys.modules[name].__file__):
            del sys.modules[name]
