"""Wrapped evaluators: the same values as without the sandbox, tagged, for three kinds of script."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cognition.records import Failure, FailureKind
from flows import config, registry, scaffold
from flows.cli import app
from flows.trying import attempt
from problems.evaluator.domain import protected

PACKING = """
# EVOLVE-BLOCK-START
def radii():
    return [0.25] * 4
# EVOLVE-BLOCK-END


def pack():
    return [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)], radii()
"""
IN_PROCESS = """
import importlib.util
import math


def _load(path):
    spec = importlib.util.spec_from_file_location("program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evaluate(program_path):
    centres, radii = _load(program_path).pack()
    for i, a in enumerate(centres):
        for j, b in enumerate(centres[:i]):
            if math.dist(a, b) < radii[i] + radii[j] - 1e-9:
                return {"combined_score": 0.0, "error": "overlap"}
    return {"combined_score": sum(radii) / 2.635, "sum_radii": sum(radii), "valid": True}
"""
IN_A_CHILD = """
import json
import subprocess
import sys
import tempfile

PROGRAM = "import json, runpy, sys; print(json.dumps(sum(runpy.run_path(sys.argv[1])['radii']())))"


def evaluate(program_path):
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(PROGRAM)
        script.flush()
        done = subprocess.run([sys.executable, script.name, program_path], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return {"combined_score": float("nan"), "stderr": done.stderr[-500:]}
    return {"combined_score": json.loads(done.stdout)}
"""
STAGED = """
from openevolve.evaluation_result import EvaluationResult


def evaluate_stage1(path):
    score = 0.2 if "0.1" in open(path).read() else 0.8
    return EvaluationResult(metrics={"combined_score": score}, artifacts={"at": "1"})


def evaluate_stage2(path):
    return {"combined_score": 0.9, "second": 2}


def evaluate(path):
    raise AssertionError("the stages come instead")
"""
WRITES_FILES = """
import json, os, runpy


def main(program_path, results_dir):
    radii = runpy.run_path(program_path)["radii"]()
    correct = max(radii) <= 0.25
    with open(os.path.join(results_dir, "metrics.json"), "w") as f:
        json.dump({"combined_score": sum(radii), "public": {"n": 4}}, f)
    with open(os.path.join(results_dir, "correct.json"), "w") as f:
        json.dump({"correct": correct, "error": None if correct else "too large"}, f)
"""
SCRIPT = """
import json, runpy, sys

radii = runpy.run_path(sys.argv[1])["radii"]()
json.dump({"combined_score": sum(radii)}, open("results.json", "w"))
"""


@pytest.fixture
def wrapped(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The problem around an evaluator and the packing program."""
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "evaluator.py").write_text(request.param)
    (tmp_path / "peer" / "initial_program.py").write_text(PACKING)
    scaffold.wrap(tmp_path / "packed", tmp_path / "peer" / "evaluator.py", None, "combined_score")
    return str(tmp_path / "packed")


@pytest.mark.parametrize("wrapped", [IN_PROCESS], indirect=True)
@pytest.mark.parametrize("radius", ["0.25", "0.2", "0.1 + 0.1"])
def test_values_are_those_of_the_evaluator_itself(wrapped: str, radius: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PACKING.replace("0.25] * 4", f"{radius}] * 4"))
    spec = importlib.util.spec_from_file_location("peer", tmp_path / "peer" / "evaluator.py")
    assert spec is not None
    assert spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    expected = peer.evaluate(str(program))
    tried = attempt(wrapped, program.read_text())
    assert tried.fitness == expected["combined_score"]
    assert tried.metrics == {f"self_reported/{name}": expected[name] for name in ("combined_score", "sum_radii")}


@pytest.mark.parametrize("wrapped", [IN_A_CHILD, WRITES_FILES, SCRIPT], indirect=True)
def test_other_kinds_of_script_are_understood(wrapped: str) -> None:
    tried = attempt(wrapped)
    assert tried.fitness == 1.0, tried.outcome


@pytest.mark.parametrize("wrapped", [STAGED], indirect=True)
def test_stages_stop_below_their_threshold(wrapped: str) -> None:
    assert attempt(wrapped).metrics == {"self_reported/combined_score": 0.9, "self_reported/second": 2.0}
    assert attempt(wrapped, PACKING.replace("0.25] * 4", "0.1] * 4")).metrics == {"self_reported/combined_score": 0.2}


@pytest.mark.parametrize("wrapped", [WRITES_FILES], indirect=True)
def test_what_the_evaluator_calls_wrong_gets_no_score(wrapped: str) -> None:
    tried = attempt(wrapped, PACKING.replace("0.25] * 4", "0.3] * 4"))
    assert isinstance(tried.outcome, Failure)
    assert "too large" in tried.outcome.reason


@pytest.mark.parametrize(
    ("wrapped", "kind", "said"),
    [
        (
            "def evaluate(path):\n    return {'combined_score': float('nan')}\n",
            FailureKind.INVALID,
            "not a finite number",
        ),
        ("def evaluate(path):\n    return 'very good'\n", FailureKind.CRASH, "AttributeError"),
        ("def evaluate(path):\n    return {'other': 1.0}\n", FailureKind.INVALID, "gave no combined_score"),
        ("print('done')\n", FailureKind.CRASH, "neither metrics.json nor results.json"),
    ],
    indirect=["wrapped"],
)
def test_garbage_is_a_typed_failure(wrapped: str, kind: FailureKind, said: str) -> None:
    tried = attempt(wrapped)
    assert isinstance(tried.outcome, Failure)
    assert tried.outcome.kind == kind, tried.outcome
    assert said in tried.outcome.reason


@pytest.mark.parametrize("wrapped", [IN_PROCESS], indirect=True)
def test_what_lies_outside_the_marks_stays(wrapped: str) -> None:
    tried = attempt(wrapped, PACKING.replace("0.75, 0.75", "0.7, 0.7"))
    assert isinstance(tried.outcome, Failure)
    assert tried.outcome.kind == FailureKind.CHECK
    assert attempt(wrapped, PACKING.replace("# EVOLVE-BLOCK-START\n", "")).fitness is None


def test_a_program_without_marks_may_change_everywhere() -> None:
    assert protected("x = 1\n") is None


@pytest.mark.parametrize("wrapped", [IN_PROCESS], indirect=True)
def test_its_domain_says_on_every_board_that_it_is_self_reported(wrapped: str) -> None:
    domain = registry.load(wrapped, {})
    assert domain.brief().metric == "self_reported/combined_score"
    assert domain.rungs == ("explore",)


def test_a_missing_evaluator_or_seed_is_named(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="there is no file"):
        scaffold.wrap(tmp_path / "one", tmp_path / "evaluator.py", None, "combined_score")
    (tmp_path / "evaluator.py").write_text(IN_PROCESS)
    with pytest.raises(config.ConfigError, match="name it with --seed-program"):
        scaffold.wrap(tmp_path / "one", tmp_path / "evaluator.py", None, "combined_score")
    assert not (tmp_path / "one").exists()


def test_the_command_makes_it(tmp_path: Path) -> None:
    (tmp_path / "evaluate.py").write_text(IN_PROCESS)
    (tmp_path / "mine.py").write_text(PACKING)
    words = ["new", str(tmp_path / "two"), "--from-evaluator", str(tmp_path / "evaluate.py")]
    made = CliRunner().invoke(app, [*words, "--seed-program", str(tmp_path / "mine.py"), "--metric", "sum_radii"])
    assert made.exit_code == 0, made.output
    assert attempt(str(tmp_path / "two")).fitness == 1.0
