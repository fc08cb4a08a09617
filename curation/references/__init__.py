"""Strategies that people wrote, to compare with: read as text and run like any candidate, never imported.

`c4`, `gopher` and `fineweb` are heuristic filters only, built from Datatrove's stock steps: not the data sets of those
names, which were also selected by language, by model classifiers and by deduplication. FineWeb-Edu, DCLM and
Ultra-FineWeb select documents by a classifier that has to be downloaded: named in the table, and skipped with the
reason (classifiers.py runs FineWeb-Edu's where it is on this machine).
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
#: Worst first, as measured by benchmarks/curation_proxy.py on the offline corpus.
NAMES = ("drop", "over_delete", "keep_half", "raw", "html_only", "sensible")
HEURISTIC_FILTERS = ("c4", "gopher", "fineweb")
LABELS = {name: f"{name} (heuristic filters)" for name in HEURISTIC_FILTERS}
NOT_HERE = {
    "FineWeb-Edu": "its classifier has to be downloaded; --fineweb-edu FOLDER runs it",
    "DCLM": "its fastText classifier has to be downloaded, and nothing here loads one",
    "Ultra-FineWeb": "its fastText classifier has to be downloaded, and nothing here loads one",
}


def code(name: str) -> str:
    """The program of a reference."""
    return (HERE / f"{name}.py").read_text(encoding="utf-8")
