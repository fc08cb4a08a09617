"""mlflow/README.md is what people search by; this keeps it and the code saying the same."""

import re
from dataclasses import replace
from pathlib import Path

from cognition.records import ModelCall
from tasks import publish

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "tasks" / "publish.py",
    ROOT / "tasks" / "tracking.py",
    ROOT / "flows" / "summary.py",
    ROOT / "flows" / "report" / "deliver.py",
]
README = (ROOT / "mlflow" / "README.md").read_text()


def _in_code(pattern: str) -> set[str]:
    return {name for source in SOURCES for name in re.findall(pattern, source.read_text())}


def test_every_tag_is_documented_and_every_documented_tag_is_written() -> None:
    documented = set(re.findall(r"^\| `(nightshift\.\w+)`", README, re.MULTILINE))
    assert _in_code(r"nightshift\.[a-z_]+") == documented


def test_every_text_artefact_is_documented() -> None:
    written = _in_code(r'"([a-z_]+\.(?:py|md|log|diff|jsonl|html|json|svg))"')
    assert written
    assert {name for name in written if f"`{name}`" not in README} == set()


def test_every_amount_in_the_metrics_is_documented() -> None:
    written = _in_code(r'"(?:[a-z_]+/)?([a-z]+(?:_[a-z]+)*_(?:usd|s|h|mb|fitness))"') | {"calls"}
    assert {"spend_usd", "gpu_s", "gpu_h", "wall_h"} <= written
    assert {name for name in written if not re.search(rf"`(?:[A-Za-z]+/)*{name}`", README)} == set()


def test_calls_and_dollars_are_shown_by_role_and_an_unknown_price_is_not_zero() -> None:
    call = ModelCall("c-0001", "researcher", 0, "h", "m", "p", "a", 10, 5, 0.5, 1.0)
    free = replace(call, role="analyzer", price_usd=None)
    assert publish.spend_metrics([call, call, free]) == {
        "model/calls": 3.0,
        "model/spend_usd": 1.0,
        "model/researcher/calls": 2.0,
        "model/researcher/spend_usd": 1.0,
        "model/analyzer/calls": 1.0,
    }


def test_every_figure_of_the_report_is_documented() -> None:
    from flows.report import figures

    assert [name for name in figures.NAMES if f"`{name}.png`" not in README] == []
