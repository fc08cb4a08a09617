"""Problems as folders: what `nightshift new` makes runs as it is, and incomplete ones are named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from cognition.records import Failure, FailureKind, MachineFault, Score
from flows import config, registry, scaffold
from flows.cli import app
from flows.trying import attempt
from tasks.contract import Domain
from tests.contract_suite import BadProgram, DomainContract


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    scaffold.new(tmp_path / "spread_points")
    return tmp_path / "spread_points"


class TestNewProblemContract(DomainContract):
    """The problem that `new` makes keeps the contract of every domain."""

    ceiling = 0.4212796
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "raises": BadProgram("def solve(n, seed):\n    return 1 / 0\n", frozenset({FailureKind.CRASH})),
        "no function": BadProgram("x = 1\n", frozenset({FailureKind.CHECK})),
        "too few": BadProgram("def solve(n, seed):\n    return [(0, 0)]\n", frozenset({FailureKind.INVALID})),
        "text": BadProgram("def solve(n, seed):\n    return 'far apart'\n", frozenset({FailureKind.INVALID})),
        "NaN": BadProgram("def solve(n, seed):\n    return [(float('nan'), i) for i in range(n)]\n",
                          frozenset({FailureKind.INVALID})),
    }  # fmt: skip
    liars: ClassVar[Mapping[str, str]] = {
        "a number": "def solve(n, seed):\n    return 0.42\n",
        "a dictionary": "def solve(n, seed):\n    return {'min_distance': 0.42}\n",
        "outside": "def solve(n, seed):\n    return [(i, i) for i in range(n)]\n",
    }

    @pytest.fixture
    def domain(self, problem: Path) -> Domain:
        return registry.load(str(problem), {})

    @pytest.mark.skip("the module is a user's file, found by its folder")
    def test_the_module_imports_nothing_heavy(self, domain: Domain) -> None: ...


def test_the_folder_is_found_from_anywhere(problem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(problem.parent)
    settings = config.load("spread_points", {})
    assert settings.problem == str(problem)
    assert settings.name == "spread-points-s0"
    monkeypatch.chdir("/")
    assert registry.load(settings.problem, settings.options).name == "spread_points"


@pytest.mark.slow
def test_its_own_tests_pass(problem: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(problem)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=problem, env={"PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stdout[-2_000:]


def test_try_prints_the_score_and_says_why_there_is_none(problem: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    tried = runner.invoke(app, ["try", str(problem), "--json"])
    assert tried.exit_code == 0, tried.output
    assert 0 < json.loads(tried.output)["fitness"] < 0.43
    program = tmp_path / "wrong.py"
    program.write_text("def solve(n, seed):\n    return [(2, 2)] * n\n")
    tried = runner.invoke(app, ["try", str(problem), str(program)])
    assert tried.exit_code == 1
    assert "no score (invalid): a point lies outside the unit square" in tried.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "seed.py").unlink(), r"seed\.py cannot be read"),
        (lambda folder: (folder / "brief.md").write_text("# Goal\nwin\n"), "has no section # Program contract"),
        (lambda folder: (folder / "cognition.jsonl").write_text("{}\n"), r"cognition\.jsonl, line 1: triggers"),
        (lambda folder: (folder / "blocks" / "frame.py").unlink(), r"frame\.py is missing"),
        (lambda folder: (folder / "problem.py").write_text("1 / 0\n"), "cannot be imported: ZeroDivisionError"),
        (lambda folder: (folder / "problem.py").write_text("x = 1\n"), r"one class with `Options`.*found: none"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(problem: Path, change: Any, said: str) -> None:
    change(problem)
    with pytest.raises(registry.UnknownProblem, match=said):
        registry.load(str(problem), {})


def test_a_judge_that_stumbles_makes_the_answer_invalid_and_keeps_the_trace_for_people(problem: Path) -> None:
    tried = attempt(str(problem), "def solve(n, seed):\n    return [(None, 0)] * n\n")
    assert isinstance(tried.outcome, Failure)
    assert (tried.outcome.kind, "TypeError" in tried.outcome.reason) == (FailureKind.INVALID, True)
    assert tried.outcome.trace == ""  # the Researcher and the Analyzer read it
    assert "in judge" in tried.logs


def test_what_a_judges_error_shows_of_hidden_data_stays_out_of_the_outcome(problem: Path) -> None:
    (problem / "answers.csv").write_text("0.1732\n")
    body = "raise ValueError(f\"cannot compare with {self.folder / 'answers.csv'}\\nexpected 0.1732\")"
    tried = attempt(_judging(problem, body))
    assert isinstance(tried.outcome, Failure)
    said = tried.outcome.reason + tried.outcome.trace
    assert said == "the judge cannot read the answer: ValueError: cannot compare with answers.csv"
    assert "expected 0.1732" in tried.logs
    assert str(problem) in tried.logs


def test_a_long_error_of_a_judge_is_cut(problem: Path) -> None:
    tried = attempt(_judging(problem, "raise ValueError('x' * 10_000)"))
    assert isinstance(tried.outcome, Failure)
    assert len(tried.outcome.reason) < 300


def test_a_judge_without_its_metric_is_the_problems_fault(problem: Path) -> None:
    text = (problem / "problem.py").read_text()
    (problem / "problem.py").write_text(text.replace('{"min_distance": min(distances), ', "{"))
    with pytest.raises(MachineFault, match=r"judge gave .'mean_distance'., and not its metric 'min_distance'"):
        attempt(str(problem))


OBJECTIVES = """
    objectives: ClassVar = (Objective("min_distance"), Objective("mean_distance", "min"))
    scalarisation: ClassVar[str] = "the smallest distance"
"""


def _with_objectives(problem: Path, more: str) -> str:
    text = (problem / "problem.py").read_text().replace("Limits, Slot", "Limits, Objective, Slot")
    place = text.index("    def request")
    (problem / "problem.py").write_text(text[:place] + more + "\n" + text[place:])
    return str(problem)


def test_a_folder_may_name_several_objectives(problem: Path) -> None:
    domain = registry.load(_with_objectives(problem, OBJECTIVES), {})
    assert [(each.metric, each.goal) for each in domain.objectives] == [
        ("min_distance", "max"),
        ("mean_distance", "min"),
    ]
    assert attempt(str(problem)).fitness is not None


def test_objectives_need_a_word_on_how_the_score_is_made_of_them(problem: Path) -> None:
    silent = "\n".join(OBJECTIVES.splitlines()[:2])
    with pytest.raises(registry.UnknownProblem, match="say in `scalarisation` how min_distance is made of them"):
        registry.load(_with_objectives(problem, silent), {})


def test_an_objective_that_the_judge_leaves_out_is_the_problems_fault(problem: Path) -> None:
    folder = _with_objectives(problem, OBJECTIVES.replace("mean_distance", "seconds"))
    with pytest.raises(MachineFault, match="and not its metric 'seconds'"):
        attempt(folder)


def _judging(problem: Path, body: str) -> str:
    """The problem with another judge."""
    text = (problem / "problem.py").read_text()
    (problem / "problem.py").write_text(text[: text.index("        points = ")] + f"        {body}\n")
    return str(problem)


@pytest.mark.parametrize("answer", ["[10**400]", "[[]]", "[None]"])
def test_an_answer_whose_metric_is_no_number_is_invalid_and_stops_nothing(problem: Path, answer: str) -> None:
    passed_on = _judging(problem, 'return {"min_distance": answer[0]}')
    tried = attempt(passed_on, f"def solve(n, seed):\n    return {answer}\n")
    assert isinstance(tried.outcome, Failure)
    assert tried.outcome.kind == FailureKind.INVALID


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "judge gave NoneType"),
        ("from problems.folder.domain import MachineFault as M; raise M('disk')", "disk"),
    ],
)
def test_what_is_not_the_answers_doing_is_not_blamed_on_it(problem: Path, body: str, said: str) -> None:
    with pytest.raises(MachineFault, match=said):
        attempt(_judging(problem, body))


@pytest.mark.parametrize("name", ["circle_packing", "curation"])
def test_a_name_that_means_another_problem_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(config.ConfigError, match="is a problem already"):
        scaffold.new(tmp_path / name)


@pytest.mark.parametrize("name", ["My-Problem", "1st", "x" * 60, "true"])
def test_a_name_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(config.ConfigError, match="is no problem's name"):
        scaffold.new(tmp_path / name)


def test_nothing_is_overwritten(problem: Path) -> None:
    with pytest.raises(config.ConfigError, match="exists already; nothing was changed"):
        scaffold.new(problem)


def test_a_program_of_blocks_runs(problem: Path) -> None:
    from tasks.recombine import genome as genomes
    from tasks.recombine.render import render
    from tests.contract_suite import default_gene

    brief = registry.load(str(problem), {}).brief()
    assert brief.template is not None
    blocks = genomes.catalogue(brief.template, brief.items)
    genome = genomes.Genome(
        (
            ("start", default_gene(blocks, "start", "uniform")),
            ("improve", default_gene(blocks, "improve", "push_apart")),
        )
    )
    tried = attempt(str(problem), render(genome, brief.template, blocks))
    assert isinstance(tried.outcome, Score), tried.outcome
    assert tried.outcome.fitness > (attempt(str(problem)).fitness or 1.0)
