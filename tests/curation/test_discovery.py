"""What `prepare` discovers is in the cognition base before round 1, once, and is found by its symptom."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cognition.archive import Archive
from cognition.items import ItemStore
from curation.domain import Curation
from flows import turns


def test_discovered_issues_reach_the_cognition_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    with Archive.open(f"sqlite:///{tmp_path / 'archive.db'}") as archive:
        items = ItemStore(archive)
        engine: Any = SimpleNamespace(
            archive=archive,
            items=items,
            domain=Curation(Curation.Options(documents=60)),
            artefact_root=(tmp_path / "artefacts").as_uri(),
            campaign="c",
        )
        turns.prepare(engine)
        found = items.all("curation")
        turns.prepare(engine)
        assert items.all("curation") == found
        assert {item.provenance for item in found} == {"data"}
        hits = items.search("curation", "markup is left in mathematics documents of low quality", k=3)
        assert any(hit.item.id.startswith("curation-issue-markup") for hit in hits)
