"""A step's result that is damaged on disk: the step runs again and somebody is told; a sound one is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

from flows.results import set_aside_if_damaged
from tests.flows.test_campaign import _archive, _calls, _run, _settings

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "not text": lambda content: b"\x00\xff" * 50,
    "another object": lambda content: content.replace(b'\\"type\\"', b'\\"kind\\"'),
}


def test_a_damaged_result_is_set_aside_and_its_step_runs_again(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fault = tmp_path / "fault"
    settings = _settings("damaged", tmp_path, rounds=1, workers=1, options={"fault_file": str(fault)})
    _run(settings.model_copy(update={"rounds": 0}))
    fault.touch()
    assert _run(settings).is_failure  # in train: what the steps before it gave is stored
    fault.unlink()
    (stored,) = get_current_settings().results.local_storage_path.glob("damaged-0001.propose.*")
    whole = stored.read_bytes()
    assert set_aside_if_damaged(stored.name) is None
    assert set_aside_if_damaged("no-such-key") is None
    for damage in DAMAGES.values():
        stored.write_bytes(damage(whole))
        aside = set_aside_if_damaged(stored.name)
        assert aside is not None
        assert (aside.read_bytes(), stored.exists()) == (damage(whole), False)

    stored.write_bytes(whole[:-20])
    caplog.clear()
    before = _calls(tmp_path)["check"]
    assert _run(settings).ending == "finished"
    assert f"{stored.name} is damaged" in caplog.text
    assert _calls(tmp_path)["check"] == before  # the same proposal again, whose check was stored
    with _archive() as archive:
        assert archive.recorded_rounds("damaged") == {0, 1}
