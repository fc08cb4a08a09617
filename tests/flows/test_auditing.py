"""Audits: the cheats are programs that parse and do what they say, and evaluators that believe them are found."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import registry, scaffold
from flows.auditing import audit as auditing
from flows.auditing import cheats
from flows.auditing.audit import Audit, audit
from flows.auditing.cheats import Cheat, Targets
from flows.auditing.surgery import operable
from flows.cli import app
from flows.config import ConfigError
from tasks.sandbox import Pool, open_sandbox

TARGETS = Targets((Path("/nowhere/judge.py"),), 9, "score")
MARKED = """\
import math
# EVOLVE-BLOCK-START
@staticmethod
def helper(x): return x

def solve(n, *rest, seed=0, **more):
    # the old body
    return [n]
# EVOLVE-BLOCK-END

def run():
    return solve(3)
"""
WRAPPED = """
import importlib.util
import math


def evaluate(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    centres, radii = program.pack()
    for i, a in enumerate(centres):
        for j, b in enumerate(centres[:i]):
            if math.dist(a, b) < radii[i] + radii[j] - 1e-9:
                return {"combined_score": 0.0, "error": "overlap"}
    return {"combined_score": sum(radii)}
"""
PACK = "def pack():\n    return [(0.25, 0.5), (0.75, 0.5)], [0.2, 0.2]\n"


def _judge(problem: Path, body: str) -> None:
    """Replace the body of a new problem's judge."""
    file = problem / "problem.py"
    text = file.read_text()
    start = text.index("        points = [(float(x)")
    file.write_text(text[:start] + textwrap.indent(textwrap.dedent(body).strip(), "        ") + "\n")


def _only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Audits in tests run few of the generic cheats: each takes a tenth of a second and more."""
    every: Callable[..., list[Cheat]] = cheats.generic
    monkeypatch.setattr(cheats, "generic", lambda *a: [cheat for cheat in every(*a) if cheat.name in names])


def _results(found: Audit) -> dict[str, str]:
    return {finding.cheat: finding.result for finding in found.findings}


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    scaffold.new(tmp_path / "spread")
    return tmp_path / "spread"


def test_every_cheat_is_a_program_that_keeps_what_is_outside_the_function() -> None:
    seed = operable(MARKED, None)
    assert seed is not None
    assert seed.function.name == "solve"  # `run` is outside the marks
    made = cheats.generic(seed, TARGETS)
    assert len({cheat.name for cheat in made}) == len(made) > 50
    for cheat in made:
        ast.parse(cheat.code)
        assert cheat.code.startswith("import math\n# EVOLVE-BLOCK-START\n@staticmethod\ndef helper(x): return x\n")
        assert cheat.code.endswith("# EVOLVE-BLOCK-END\n\ndef run():\n    return solve(3)\n")
        assert "the old body" not in cheat.code


def test_the_honest_program_still_works_under_a_cheat_s_tools() -> None:
    seed = operable(MARKED, "solve")
    assert seed is not None
    space: dict[str, object] = {}
    exec(cheats.control(seed, TARGETS), space)  # our own text, harmless
    run = space["run"]
    assert callable(run)
    assert run() == [3]


def test_a_program_without_a_function_cannot_be_operated_on() -> None:
    assert operable("x = 1\n", "solve") is None
    assert operable("class A:\n    def f(self): ...\n", None) is None


def test_hidden_files_leave_out_what_the_adapter_shows(problem: Path) -> None:
    (problem / "inside").mkdir()
    (problem / "inside" / "adapter.py").write_text("")
    hidden = auditing.hidden_files(registry.load(str(problem), {}))
    assert {file.name for file in hidden} >= {"problem.py", "seed.py", "brief.md"}
    assert not any("inside" in file.parts for file in hidden)


def test_a_new_problem_holds_the_worst_of_them(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worst = {"floods the memory": "memory", "prints without end": "output", "exits": "crash", "answers NaN": "invalid"}
    _only(monkeypatch, *worst, "leaves a daemon", "remembers an earlier run")
    found = audit(str(problem))
    assert found.passed
    assert worst.items() <= {finding.cheat: finding.failure for finding in found.findings}.items()


@pytest.mark.slow
def test_a_new_problem_holds_all_of_them(problem: Path) -> None:
    found = audit(str(problem))
    assert found.passed, [finding for finding in found.findings if finding.result != "held"]
    assert found.repeats
    assert len(found.findings) > 50


def test_a_judge_that_believes_a_claim_is_found(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, "answers metrics in place of the answer", "answers None", "talks to the network")
    _judge(
        problem,
        """
        if isinstance(answer, dict):
            return {"min_distance": float(answer["min_distance"])}
        points = [(float(x), float(y)) for x, y in answer]
        return {"min_distance": min(math.dist(a, b) for a, b in itertools.combinations(points, 2))}
        """,
    )
    assert _results(audit(str(problem))) == {
        "answers metrics in place of the answer": "scored",
        "answers None": "held",
        "talks to the network": "held",
    }


def test_a_judge_that_forgets_a_bound_is_found(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, "answers a million times every number")
    _judge(
        problem,
        """
        points = [(float(x), float(y)) for x, y in answer]
        return {"min_distance": min(math.dist(a, b) for a, b in itertools.combinations(points, 2))}
        """,
    )
    found = audit(str(problem))
    assert not found.passed
    assert found.findings[0].fitness is not None
    assert found.findings[0].fitness > 1e3


def test_what_a_program_reaches_without_a_sandbox_is_found(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheats that reach for something have teeth: where nothing holds them, they get there."""
    reaching = [
        "reads the problem's files",
        "writes into the problem's files",
        "sees other processes",
        "talks to the network",
        "remembers an earlier run",
    ]
    _only(monkeypatch, *reaching)

    def unsafe(scratch: Path, **options: object) -> Pool:
        return open_sandbox(scratch, unsafe=True, tier="unsafe", preload=())

    monkeypatch.setattr(auditing, "open_sandbox", unsafe)
    try:
        found = _results(audit(str(problem)))
    finally:
        for place in ("/tmp", "/dev/shm", "/var/tmp"):
            Path(place, "nightshift-audit-mark").unlink(missing_ok=True)
    assert found == dict.fromkeys(reaching, "reached")


def test_a_wrapped_evaluator_is_found_gameable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, "forged report, at import", "patched sum and min", "answers None", "sees other processes")
    (tmp_path / "evaluator.py").write_text(WRAPPED)
    (tmp_path / "initial_program.py").write_text(PACK)
    scaffold.wrap(tmp_path / "wrapped", tmp_path / "evaluator.py", None, "combined_score")
    results = _results(audit(str(tmp_path / "wrapped")))
    assert results["forged report, at import"] == "scored"
    assert results["patched sum and min"] == "scored"
    assert (results["answers None"], results["sees other processes"]) == ("held", "held")


def test_a_problem_s_own_cheats_are_tried(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch)
    file = problem / "problem.py"
    grid = "def solve(n, seed):\n    return [(i % 4 / 3, i // 4 / 2) for i in range(n)]\n"
    method = f"\n    def cheats(self):\n        return {{'a grid': {grid!r}, 'nothing': 'def solve(n, seed): pass'}}\n"
    file.write_text(file.read_text() + method)
    assert _results(audit(str(problem))) == {
        "a grid (the problem's own)": "scored",
        "nothing (the problem's own)": "held",
    }


RELATIVE = """
    def score(self, evaluations, baseline):
        from tasks.contract import Score

        ours, theirs = (each[0].metrics["min_distance"] for each in (evaluations, baseline or evaluations))
        return Score(ours / theirs, unranked="too large" if ours > {limit} else "")

    def cheats(self):
        return {{"a grid": "def solve(n, seed):\\n    return [(i % 4 / 3, i // 4 / 2) for i in range(n)]\\n"}}
"""


@pytest.mark.parametrize(("limit", "result"), [("9.0", "scored"), ("0.2", "held")])
def test_a_score_that_is_relative_is_held_against_the_seed_program_s_and_must_rank(
    limit: str, result: str, problem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only(monkeypatch)
    file = problem / "problem.py"
    file.write_text(file.read_text() + RELATIVE.format(limit=limit))
    (finding,) = audit(str(problem)).findings
    assert finding.result == result
    assert finding.fitness is not None
    assert finding.fitness > 1.0
    assert ("in no ranking: too large" in finding.reason) == (result == "held")


def test_the_command_exits_with_1_and_says_which(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, "answers a million times every number", "answers None")
    held = CliRunner().invoke(app, ["audit", str(problem)])
    assert held.exit_code == 0, held.output
    assert "all 2 cheats were held" in held.stdout
    _judge(problem, "return {'min_distance': max(float(x) for x, y in answer)}")
    elsewhere = problem.rename(problem.parent / "other")  # a folder's module is loaded once per process
    broken = CliRunner().invoke(app, ["audit", str(elsewhere), "--json"])
    assert broken.exit_code == 1
    report = json.loads(broken.stdout)
    assert report["counts"] == {"scored": 1, "held": 1}
    assert not report["passed"]


def test_a_seed_program_that_fails_is_refused(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem / "seed.py").write_text("def solve(n, seed):\n    return 1 / 0\n")
    with pytest.raises(ConfigError, match="seed program gets no score"):
        audit(str(problem))
