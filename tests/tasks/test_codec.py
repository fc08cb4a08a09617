import subprocess
import sys

import pytest

from cognition.records import Artefact, Cost, Failure, FailureKind, Measurements, Provenance, Score
from tasks.check import Checked
from tasks.codec import UndecodableResult, decode, encode, fingerprint
from tasks.contract import Trained
from tasks.propose import Proposed
from tasks.retrieve import Retrieved
from tasks.settings import EvaluateSettings

STEP_RESULTS = [
    Retrieved(("a", "b"), "slow"),
    Proposed(
        "x = 1",
        "why",
        Provenance("openai", "diff", "m", ("a",), {"slots": [1]}),
        (Failure(FailureKind.DUPLICATE, "d"),),
    ),
    Failure(FailureKind.CRASH, "boom", "trace"),
    Checked("x = 1", 2),
    Trained((Artefact("p.json", "file:///p.json"),), {"n": 26}, "log", Cost(1.5, 2.5, 0.0, 100.0)),
    Measurements({"sum": 2.5}, {"radii": [0.1]}, "log", Cost(1.0), (Artefact("f.png", "file:///f.png"),)),
]


@pytest.mark.parametrize("record", STEP_RESULTS, ids=lambda record: type(record).__name__)
def test_every_step_result_survives_storage(record: object) -> None:
    import json

    stored = json.loads(json.dumps(encode(record), allow_nan=False))
    assert decode(stored, type(record)) == record


def test_a_union_is_kept_apart_by_its_type_name() -> None:
    failure = Failure(FailureKind.CPU_TIME, "too slow")
    assert decode(encode(failure), Trained, Failure) == failure


def test_a_result_of_another_type_is_refused() -> None:
    with pytest.raises(UndecodableResult, match="expected a stored Trained, found 'Failure'"):
        decode(encode(Failure(FailureKind.CRASH, "")), Trained)


def test_a_result_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UndecodableResult, match="does not fit"):
        decode({"type": "Checked", "data": {"repairs": "many"}}, Checked)


def test_fingerprints_see_content_type_and_settings() -> None:
    prints = {
        fingerprint(Checked("x")),
        fingerprint(Checked("y")),
        fingerprint(Score(1.0)),
        fingerprint(EvaluateSettings()),
        fingerprint(EvaluateSettings(replicates=2)),
        fingerprint("a", "b"),
        fingerprint("ab"),
        fingerprint(1),
        fingerprint("1"),
    }
    assert len(prints) == 9


def test_fingerprints_are_the_same_in_another_process() -> None:
    code = (
        "from tasks.codec import fingerprint; from tasks.check import Checked; print(fingerprint('s', 3, Checked('x')))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == fingerprint("s", 3, Checked("x"))
