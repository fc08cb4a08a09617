"""Problems whose candidate is a folder: the contract, the sandbox, and what is wrong with one in a line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from cognition import tree
from cognition.records import Failure, FailureKind
from flows import registry, scaffold
from flows.asking import to_read
from flows.auditing.surgery import operable_in
from flows.cli import app
from flows.trying import attempt
from tasks.contract import Domain, TreeRules
from tests.contract_suite import BadProgram, DomainContract
from tests.problems.tree_problem import SEED, make


def with_files(**changes: str) -> str:
    """The seed with other files: `pkg__core` is pkg/core.py."""
    return tree.write(SEED | {f"{name.replace('__', '/')}.py": text for name, text in changes.items()})


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    return make(tmp_path / "sums")


class TestTreeContract(DomainContract):
    """A folder as the candidate keeps the contract of every domain."""

    ceiling = 3.0
    bad_programs: ClassVar[Mapping[str, BadProgram]] = {
        "raises in a second file": BadProgram(with_files(pkg__helper="def scaled(values):\n    return 1 / 0\n"),
                                              frozenset({FailureKind.CRASH})),
        "no function": BadProgram(with_files(pkg__core="x = 1\n"), frozenset({FailureKind.CHECK})),
        "protected": BadProgram(with_files(pkg__fixed="def table():\n    return [1, 1, 1]\n"),
                                frozenset({FailureKind.CHECK})),
        "hides a module": BadProgram(with_files(json="x = 1\n"), frozenset({FailureKind.CHECK})),
        "one file": BadProgram("def solve(seed):\n    return [1, 1, 1]\n", frozenset({FailureKind.CHECK})),
        "too many": BadProgram(with_files(pkg__helper="def scaled(values):\n    return [1] * 4\n"),
                               frozenset({FailureKind.INVALID})),
    }  # fmt: skip
    liars: ClassVar[Mapping[str, str]] = {
        "a number": with_files(pkg__helper="def scaled(values):\n    return 3.0\n"),
        "a dictionary": with_files(pkg__helper="def scaled(values):\n    return {'sum': 3.0}\n"),
    }

    @pytest.fixture
    def domain(self, problem: Path) -> Domain:
        return registry.load(str(problem), {})

    @pytest.mark.skip("the module is a user's file, found by its folder")
    def test_the_module_imports_nothing_heavy(self, domain: Domain) -> None: ...


def test_new_makes_a_problem_of_files_that_runs_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "far_apart"
    made = CliRunner().invoke(app, ["new", str(folder), "--files"])
    assert made.exit_code == 0, made.output
    domain = registry.load(str(folder), {})
    assert domain.brief().tree == TreeRules(("spread/geometry.py",))
    assert attempt(str(folder)).fitness is not None
    both = CliRunner().invoke(app, ["new", str(tmp_path / "x"), "--files", "--from-evaluator", "e.py"])
    assert "do not go together" in str(both.exception)


@pytest.mark.slow
def test_its_own_tests_pass(tmp_path: Path) -> None:
    scaffold.new(tmp_path / "far_apart", of_files=True)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "far_apart")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stdout[-2_000:]


def test_the_seed_folder_scores_and_another_folder_can_be_tried(problem: Path, tmp_path: Path) -> None:
    assert attempt(str(problem)).fitness == pytest.approx(0.6)
    other = make(tmp_path / "other") / "seed"
    (other / "pkg" / "helper.py").write_text("def scaled(values):\n    return [value * 2 for value in values]\n")
    tried = CliRunner().invoke(app, ["try", str(problem), str(other), "--json"])
    assert tried.exit_code == 0, tried.output
    assert json.loads(tried.output)["fitness"] == pytest.approx(1.2)
    (other / "link.py").symlink_to("/etc/hosts")
    refused = CliRunner().invoke(app, ["try", str(problem), str(other)])
    assert "link.py is a link" in str(refused.exception)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (with_files(pkg__helper="def scaled(values:\n"), FailureKind.SYNTAX, "pkg/helper.py: line 1"),
        (with_files(pkg__late="x = " + "-" * 180 + "1\n"), FailureKind.SYNTAX, "pkg/late.py: "),
        ("def solve(seed):\n    return [1, 1, 1]\n", FailureKind.SYNTAX, "begins with the line"),
        (f"{tree.MAGIC}\n=== file: ../x.py\n", FailureKind.SYNTAX, "must not lead out"),
        (with_files(pkg__fixed="def table():\n    return [1, 1, 1]\n"), FailureKind.CHECK, "pkg/fixed.py (changed)"),
    ],
)
def test_what_is_wrong_with_a_candidate_names_the_file(problem: Path, code: str, kind: FailureKind, said: str) -> None:
    outcome = attempt(str(problem), code).outcome
    assert isinstance(outcome, Failure)
    assert outcome.kind is kind
    assert said in outcome.reason


def _protect(problem: Path, patterns: str) -> None:
    text = (problem / "problem.py").read_text()
    (problem / "problem.py").write_text(text.replace('("data/", "pkg/fixed.py")', patterns))


def _entry(problem: Path, entry: str) -> None:
    text = (problem / "problem.py").read_text()
    (problem / "problem.py").write_text(text.replace("pkg.core:solve", entry))


def _write(path: str, text: str) -> Any:
    return lambda problem: (problem / path).write_text(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda problem: (problem / "seed").rename(problem / "seeds"), "seed.py cannot be read"),
        (_write("seed.py", "x = 1\n"), "has both seed.py and seed/"),
        (_write("seed/pkg/core.py", "def solve(:\n"), "the seed does not parse: seed/pkg/core.py, line 1"),
        (_write("seed/pkg/core.py", "x = 1\n"), "the seed fails the problem's own check: entry: define `solve`"),
        (_write("seed/random.py", "x = 1\n"), "own check: names: random at the top of the tree hides"),
        (lambda problem: (problem / "seed/a b.py").write_text(""), "'a b.py': a name is made of"),
        (lambda problem: (problem / "seed/l.py").symlink_to("/etc/hosts"), "l.py is a link"),
        (lambda problem: _protect(problem, '("dta/",)'), "protected: no file of .* matches 'dta/'"),
        (lambda problem: _entry(problem, "solve"), "it is `package.module:function`"),
        (lambda problem: _entry(problem, "pkg.none:solve"), "there is no module pkg.none"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(problem: Path, change: Any, said: str) -> None:
    change(problem)
    with pytest.raises(registry.UnknownProblem, match=said) as error:
        registry.load(str(problem), {})
    assert "\n" not in str(error.value)


def test_an_evaluator_of_another_tool_takes_no_folder(problem: Path) -> None:
    text = "from problems.evaluator import EvaluatorProblem\n\n\nclass Sums(EvaluatorProblem):\n"
    (problem / "problem.py").write_text(f'{text}    name = "sums"\n    entry = "pkg.core:solve"\n')
    with pytest.raises(registry.UnknownProblem, match="an evaluator takes one program file"):
        registry.load(str(problem), {})


def test_a_single_seed_that_does_not_parse_or_keep_the_check_is_named(tmp_path: Path) -> None:
    problem = make(tmp_path / "sums")
    (problem / "seed").rename(problem / "old")
    (problem / "seed.py").write_text("def solve(:\n")
    with pytest.raises(registry.UnknownProblem, match="has protected files, but no folder seed/"):
        registry.load(str(problem), {})
    _protect(problem, "()")
    _entry(problem, "solve")
    text = (problem / "problem.py").read_text()
    for name, seed, said in (
        ("one", "def solve(:\n", "the seed does not parse: seed.py, line 1"),
        ("two", "x = 1\n", "the seed fails the problem's own check: entry: define `solve`"),
    ):
        folder = tmp_path / name  # a module is read once
        problem.rename(folder)
        (folder / "seed.py").write_text(seed)
        (folder / "problem.py").write_text(text)
        with pytest.raises(registry.UnknownProblem, match=said):
            registry.load(str(folder), {})
        problem = folder


def test_a_module_may_be_called_like_one_of_the_sandboxs_own(problem: Path) -> None:
    helper = "def scaled(values):\n    from adapter import ones\n\n    return ones()\n"
    tried = attempt(str(problem), with_files(pkg__helper=helper, adapter="def ones():\n    return [1, 1, 1]\n"))
    assert tried.fitness == 3.0, tried.outcome


def test_a_person_who_is_asked_reads_the_changed_files() -> None:
    before, after = tree.write(SEED), with_files(pkg__helper="def scaled(values):\n    return values\n")
    text, language = to_read(after, before, "seed", "sums-0001")
    assert language == "diff"
    assert text.startswith("--- seed/pkg/helper.py\n+++ sums-0001/pkg/helper.py\n")
    assert to_read("x = 2\n", "x = 1\n", "seed", "sums-0001") == ("x = 2\n", "python")


def test_rules_of_the_problem_see_every_python_file(problem: Path) -> None:
    rule = (
        "\n    def check_file(self, name, code):\n        from tasks.contract import Issue\n\n"
        '        return [Issue("eval", f"no eval in {name}")] if "eval(" in code else []\n'
    )
    (problem / "problem.py").write_text((problem / "problem.py").read_text() + rule)
    domain = registry.load(str(problem), {})
    found = domain.check(with_files(pkg__helper="def scaled(values):\n    return eval('values')\n"))
    assert [issue.message for issue in found] == ["no eval in pkg/helper.py"]


def test_an_audit_puts_its_cheats_into_the_entrys_file(problem: Path) -> None:
    domain = registry.load(str(problem), {})
    seed, whole = operable_in(domain.brief(), "pkg.core:solve")
    assert seed is not None
    cheat = tree.read(whole(seed.operated("return [1, 1, 1]")))
    assert cheat["pkg/core.py"].endswith("def solve(seed):\n    return [1, 1, 1]\n")
    assert {name: text for name, text in cheat.items() if name != "pkg/core.py"} == {
        name: text for name, text in SEED.items() if name != "pkg/core.py"
    }
    assert operable_in(domain.brief(), "pkg.fixed:table")[0] is None
