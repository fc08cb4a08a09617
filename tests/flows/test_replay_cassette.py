"""What a cassette may ask for, before anything of it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.config import ConfigError, Settings
from flows.home import open_home
from flows.replaying import command, tape
from flows.replaying.command import Wanted
from flows.replaying.records import Cassette, Header, Picture


def _written(folder: Path, **settings: object) -> Path:
    """A cassette as a stranger may have made it."""
    plain = {"name": "packing", "problem": "circle_packing", **settings}
    header = Header(
        1, "packing", "circle_packing", "s", "1", 0, Settings.model_validate(plain).model_dump(mode="json"), "full", "0"
    )
    file = folder / "foreign.jsonl"
    tape.write(Cassette(header, (), {}, (), (), (), (), Picture({}, (), ())), file)
    return file


def test_a_foreign_cassette_cannot_have_its_programs_run_without_a_sandbox(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    unsafe = _written(tmp_path, sandbox={"unsafe_no_sandbox": True})
    with pytest.raises(ConfigError, match="not run without one"):
        command.cassette_of(home, Wanted("packing", unsafe))
    assert command.cassette_of(home, Wanted("packing", _written(tmp_path))).header.campaign == "packing"
