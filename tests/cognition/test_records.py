"""Every record survives a round trip through JSON, by pydantic and by the archive's own encoding."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cognition.records import (
    Artefact,
    Candidate,
    CodeBlock,
    Cost,
    Evaluation,
    Failure,
    FailureKind,
    Grid,
    Item,
    Lesson,
    Measurements,
    ModelCall,
    Outcome,
    Provenance,
    Recall,
    Sample,
    Score,
    Tunable,
    round_id,
)
from cognition.schema import from_json, to_json

BLOCK = CodeBlock("local", "slsqp", "def slsqp(): ...", (Tunable("step", 0.1, 0.01, 1.0, log=True), Tunable("n", 3)))
MEASURED = Measurements(
    {"sum": 2.635}, {"radii": [0.1, 0.2]}, "log", Cost(1, 2, 3, 4), (Artefact("f.png", "file:///f.png"),)
)
FAILURE = Failure(FailureKind.CPU_TIME, "used 30 s", "trace")
PROVENANCE = Provenance("openai", "diff", "a-model", ("item-1",), {"slots": {"start": ["grid", {"n": 2}]}})
RECORDS: list[tuple[Any, object]] = [
    (Failure, FAILURE),
    (Score, Score(2.6, 0.1, 3)),
    (Cost, Cost(1.5)),
    (Artefact, Artefact("a", "s3://b/c")),
    (Measurements, MEASURED),
    (Evaluation, Evaluation("explore", 2**40, "1", MEASURED)),
    (Provenance, PROVENANCE),
    (Tunable, Tunable("kind", "fast", choices=("fast", "slow", True, 3))),
    (CodeBlock, BLOCK),
    (Lesson, Lesson("d", "corners first", "many circles", False, "1.2 against 1.1", "m", "k", "i")),
    (Recall, Recall("i", 2, False, 0.1)),
    (Item, Item("i", "circle_packing", "Use corners", ("gaps", "edges"), block=BLOCK, evidence=("packing-0001",))),
    (Sample, Sample("packing-0001", ("packing-0002",), 17, "map_elites", 3, Grid(5, 10, 10, 0.1))),
    (ModelCall, ModelCall("packing-0007", "researcher", 1, "h", "m", "p", "größe", 1, 2, None, 0.1)),
    (
        Candidate,
        Candidate("c", 1, "p", 0, "x = 1", "h", "why", ("a",), PROVENANCE, FAILURE, {"m": 1.0}, {"f": 0.5}, "report"),
    ),
]


@pytest.mark.parametrize(("kind", "record"), RECORDS, ids=[kind.__name__ for kind, _ in RECORDS])
def test_a_record_survives_json(kind: Any, record: object) -> None:
    adapter = TypeAdapter(kind)
    assert adapter.validate_json(adapter.dump_json(record)) == record
    assert from_json(kind, to_json(kind, record)) == record


def test_every_record_is_tried() -> None:
    import cognition.records as module

    records = {
        name for name, value in vars(module).items() if isinstance(value, type) and hasattr(value, "__slots__")
        and value.__module__ == module.__name__ and hasattr(value, "__dataclass_fields__")
    }  # fmt: skip
    assert records == {kind.__name__ for kind, _ in RECORDS} | {"Grid"}  # Grid is tried within Sample


@pytest.mark.parametrize("outcome", [Score(1.0), FAILURE])
def test_an_outcome_comes_back_as_what_it_was(outcome: Outcome) -> None:
    assert from_json(Outcome, to_json(Outcome, outcome)) == outcome


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_stored_in_a_record(words: str) -> None:
    failure = Failure(FailureKind.CRASH, words)
    stored = to_json(Failure, failure)
    assert stored.isascii()
    assert from_json(Failure, stored) == failure


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_or_a_measurement_is_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Score(value)
    with pytest.raises(ValueError, match="finite"):
        Measurements({"loss": value})


def test_a_proposal_s_failures_are_those_with_nothing_to_run() -> None:
    expected = {FailureKind.UNUSABLE, FailureKind.DUPLICATE, FailureKind.NOVELTY, FailureKind.REVIEW}
    assert {kind for kind in FailureKind if kind.is_proposal} == expected


def test_round_ids_sort_by_index() -> None:
    assert [round_id("a", 2), round_id("a", 10), round_id("a", 12345)] == ["a-0002", "a-0010", "a-12345"]
    assert json.loads(to_json(Sample, Sample(None, (), 0, "none")))["parent"] is None
