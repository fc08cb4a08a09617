"""Where pairs come from: a file, a URL that is fetched once, and what is said when neither will do."""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.registry import UnknownProblem, load
from problems.drug_target import proxy, source
from problems.drug_target.domain import REPORT, DrugTarget
from tasks.artefacts import UriWorkspace

CSV = "SMILES,Protein,Y\nCCO,MKV,1\nCCN,MKV,0\nC((,MKV,0\nCCN,,1\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture
def url(file: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(file.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_without_data_it_is_the_proxy() -> None:
    assert source.load("", "own") is proxy.pairs()


def test_a_file_is_read_again_after_it_changed(file: Path) -> None:
    assert len(source.load(str(file), "own")) == 2
    file.write_text(CSV + "CCC,MKV,1\n", encoding="utf-8")
    assert len(source.load(str(file), "own")) == 3


def test_a_url_is_fetched_once(url: str, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    assert len(source.load(f"{url}/pairs.csv", "own")) == 2
    file.unlink()
    assert len(source.load(f"{url}/pairs.csv", "own")) == 2


def test_a_url_without_a_file_is_an_error_with_its_reason(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    with pytest.raises(source.NoData, match="404"):
        source.load(f"{url}/nothing.csv", "own")
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_a_file_that_is_not_there_is_refused_in_one_line() -> None:
    with pytest.raises(UnknownProblem, match=r"drug_target: data: there is no file no\.csv"):
        load("drug_target", {"data": "no.csv"})


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(source.NoData, match="expected columns SMILES, Protein, Y"):
        DrugTarget(DrugTarget.Options(data=str(path))).outlook("laptop")


def test_what_was_left_out_is_said_before_a_campaign_and_kept_beside_it(file: Path, tmp_path: Path) -> None:
    domain = DrugTarget(DrugTarget.Options(data=str(file)))
    assert "2 rows left out: 1 bad SMILES (row 4: 'C((': " in domain.outlook("laptop")
    workspace = UriWorkspace((tmp_path / "work").as_uri())
    domain.prepare(workspace)
    kept = json.loads(workspace.read(REPORT))
    assert [row[:2] for row in kept["rejected"]] == [[4, "bad SMILES"], [5, "empty protein"]]


def test_rdkit_is_asked_for_by_name_where_it_is_missing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("rdkit") or "rdkit_reader" in (rest[2] if len(rest) > 2 and rest[2] else ()):
            raise ImportError("No module named 'rdkit'")
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(source.NoData, match=r"pip install 'nightshift\[rdkit\]'"):
        source.load(str(file), "rdkit")
