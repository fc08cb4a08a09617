"""`nightshift export`: branches with a change and its evidence, and a repository that is otherwise left alone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cognition import tree
from cognition.archive import Archive
from cognition.records import Failure, FailureKind, Score
from flows.cli import app
from flows.config import ConfigError
from flows.exporting import evidence, place
from tests.flows.report.scenes import HOSTILE, add_campaign, play

SEED = {"pkg/__init__.py": "", "pkg/core.py": "x = 1\n", "pkg/old.py": "y = 1\n"}
BETTER = {"pkg/__init__.py": "", "pkg/core.py": "x = 2\n", "pkg/new.py": "z = 1\n"}


def git(folder: Path, *arguments: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {
        f"GIT_{role}_{what}": "somebody@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, env={**plain, **who}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_campaign: Path) -> Path:
    """A state folder with a campaign of one file and one of trees."""
    root = tmp_path / "home"
    root.mkdir()
    (root / "nightshift.db").write_bytes(empty_campaign.read_bytes())
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(root))
    with Archive.open(f"sqlite:///{root / 'nightshift.db'}") as archive:
        play(archive, 0, 1.0, code="x = 0\n")
        play(archive, 1, Score(2.0, 0.1, 4), "packing-0000", code="x = 1\n", metrics=(1.9, 2.1, 2.0, 2.0))
        play(archive, 2, Failure(FailureKind.CRASH, "it fell"), "packing-0001", code="x = 2\n", motivation=HOSTILE)
        add_campaign(archive, "trees")
        play(archive, 0, 1.0, name="trees", code=tree.write(SEED))
        play(archive, 1, 2.0, "trees-0000", name="trees", code=tree.write(BETTER))
        play(archive, 2, 2.0, "trees-0000", name="trees", code=tree.write({**SEED, "EVIDENCE.md": "mine\n"}))
    return root


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's, with a file that is changed, one that is staged and one that git does not know."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "README").write_text("theirs\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    (folder / "README").write_text("changed\n")
    (folder / "staged").write_text("staged\n")
    git(folder, "add", "staged")
    (folder / "unknown").write_text("unknown\n")
    hook = folder / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {folder}/hooked\n")
    hook.chmod(0o755)
    return folder


def export(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", *arguments])


def done(*arguments: str) -> dict[str, Any]:
    result = export(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return dict(json.loads(result.output))


def refused(*arguments: str) -> str:
    result = export(*arguments)
    assert isinstance(result.exception, ConfigError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def state(folder: Path) -> tuple[str, ...]:
    files = sorted(
        (str(p.relative_to(folder)), p.read_text()) for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts
    )
    index = (folder / ".git" / "index").read_bytes()
    return (
        git(folder, "status", "--porcelain=v2", "--branch"),
        repr(files),
        repr(index),
        git(folder, "rev-parse", "HEAD"),
    )


def test_a_new_repository_holds_the_seed_the_change_and_the_evidence(home: Path, tmp_path: Path) -> None:
    report = done("trees-0001", "--git", str(tmp_path / "out"))
    out = tmp_path / "out"
    assert report["branch"] == git(out, "symbolic-ref", "--short", "HEAD").strip() == "nightshift/trees-0001"
    assert git(out, "status", "--porcelain") == ""
    changed = git(out, "diff", "--name-status", "--no-renames", "seed", "HEAD").split("\n")[:-1]
    assert changed == ["A\tEVIDENCE.md", "A\tevidence.json", "M\tpkg/core.py", "A\tpkg/new.py", "D\tpkg/old.py"]
    assert (out / "pkg" / "core.py").read_text() == "x = 2\n"
    assert git(out, "log", "--format=%an %ae %cn %ce").split("\n")[0] == " ".join(
        ["Nightshift nightshift@localhost"] * 2
    )
    facts = json.loads((out / "evidence.json").read_text())
    assert (facts["candidate"], facts["sandbox_tier"], facts["contract_versions"]) == (
        "trees-0001",
        "bubblewrap",
        ["1"],
    )
    assert [each["candidate"] for each in facts["lineage"]] == ["trees-0001", "trees-0000"]
    assert [(each["name"], each["change"]) for each in facts["files"]] == [
        ("pkg/core.py", "changed"),
        ("pkg/new.py", "added"),
        ("pkg/old.py", "removed"),
    ]


def test_a_program_of_one_file_is_exported_with_its_interval(home: Path, tmp_path: Path) -> None:
    done("packing-0001", "--git", str(tmp_path / "out"))
    assert git(tmp_path / "out", "diff", "--stat", "seed", "HEAD", "--", "program.py").startswith(" program.py | 2 +-")
    text = (tmp_path / "out" / "EVIDENCE.md").read_text()
    assert "| score | 2, 4 evaluations |" in text
    assert "| 95% interval | 1.6817554 to 2.3182446 |" in text
    assert "| explore | 0 | 1 | sum 1.9 | 2 |" in text


def test_a_branch_leaves_somebodys_repository_as_it_was(home: Path, repository: Path) -> None:
    before = state(repository)
    report = done("trees-0001", "--repo", str(repository))
    assert state(repository) == before
    assert not (repository / "hooked").exists()
    assert git(repository, "branch", "--format=%(refname:short)").split() == ["main", "nightshift/trees-0001"]
    names = git(repository, "ls-tree", "-r", "--name-only", report["branch"]).split()
    folder = "nightshift/trees-0001"
    assert names == [
        "README", f"{folder}/EVIDENCE.md", f"{folder}/evidence.json", f"{folder}/pkg/__init__.py",
        f"{folder}/pkg/core.py", f"{folder}/pkg/new.py",
    ]  # fmt: skip
    assert git(repository, "show", f"{report['branch']}:README") == "theirs\n"
    assert git(repository, "merge-base", "main", report["branch"]) == git(repository, "rev-parse", "main")
    again = done("trees-0001", "--repo", str(repository))
    assert (again["commit"], again["is_new"]) == (report["commit"], False)


def test_a_seed_that_is_in_the_repository_is_changed_in_place(home: Path, repository: Path) -> None:
    for name, text in SEED.items():
        (repository / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / "lib" / name).write_text(text)
    git(repository, "add", "lib")
    git(repository, "commit", "--quiet", "-m", "seed", "--", "lib")
    report = done("trees-0001", "--repo", str(repository), "--into", "lib", "--branch", "better")
    assert report["seed_commit"] == git(repository, "rev-parse", "main").strip()
    assert git(repository, "diff", "--name-only", "main", "better", "--", "lib").split() == [
        "lib/pkg/core.py", "lib/pkg/new.py", "lib/pkg/old.py",
    ]  # fmt: skip
    git(repository, "checkout", "--quiet", "-b", "other")
    (repository / "lib/pkg/core.py").write_text("x = 7\n")
    git(repository, "commit", "--quiet", "-m", "theirs", "--", "lib")
    said = refused("trees-0001", "--repo", str(repository), "--into", "lib", "--branch", "third")
    assert "lib/pkg/core.py" in said
    assert "is something else at HEAD than the seed" in said
    assert done("trees-0001", "--repo", str(repository), "--into", "lib", "--base", "main", "--branch", "third")[
        "is_new"
    ]


def test_an_empty_and_a_bare_repository_take_a_branch(home: Path, tmp_path: Path) -> None:
    for name, how in (("empty", ()), ("bare.git", ("--bare",))):
        git(tmp_path, "init", "--quiet", *how, name)
        report = done("packing-0001", "--repo", str(tmp_path / name))
        folder = "nightshift/packing-0001"
        assert git(tmp_path / name, "show", f"{report['branch']}:{folder}/program.py") == "x = 1\n"
        assert git(tmp_path / name, "show", f"{report['branch']}~1:{folder}/program.py") == "x = 0\n"


def test_what_cannot_be_exported_is_said_in_one_line(
    home: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    git(repository, "branch", "taken")
    (repository / "lib" / "pkg").mkdir(parents=True)
    (repository / "lib" / "pkg" / "new.py").write_text("theirs\n")
    git(repository, "add", "lib")
    git(repository, "commit", "--quiet", "-m", "theirs", "--", "lib")
    new, old = ("--git", str(tmp_path / "out")), ("--repo", str(repository))
    for arguments, said in (
        ((), "either --git DIR"),
        ((*new, *old), "either --git DIR"),
        ((*new, "--into", "x"), "go with --repo"),
        (("--git", str(tmp_path / "full")), "is not empty"),
        (("--repo", str(tmp_path / "none")), "there is no folder"),
        (("--repo", str(tmp_path / "full")), "is no git repository"),
        ((*old, "--branch", "taken"), "there is a branch taken already, with something else in it"),
        ((*old, "--branch", "taken/below"), "git refused: "),
        ((*old, "--branch", "a..b"), "can be no branch's name"),
        ((*old, "--branch", "-d"), "can be no branch's name"),
        ((*old, "--base", "nothing"), "has no revision 'nothing'"),
        ((*old, "--into", "../x"), "must not lead out"),
        ((*old, "--into", ".git"), "a name is made of"),
        ((*old, "--into", "/etc"), "not absolute"),
        ((*old, "--into", "README"), "README in "),
        ((*old, "--into", "lib"), "lib/pkg/new.py in "),
    ):
        assert said in refused("trees-0001", *arguments), arguments
    assert "the same as the seed" in refused("trees-0000", *new)
    assert "has a file EVIDENCE.md of its own" in refused("trees-0002", *new)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".nightshift")] == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in refused("trees-0001", *new)


def test_text_of_models_stays_text_in_the_evidence(home: Path, tmp_path: Path) -> None:
    done("packing-0002", "--git", str(tmp_path / "out"))
    text = (tmp_path / "out" / "EVIDENCE.md").read_text()
    assert "| score | none (crash): it fell |" in text
    outside = text[: text.index("## Motivation")]
    assert "<script>" not in outside
    assert text.count("\n# ") == 1 == text.count("\n# title")  # inside the fence, where it is no heading
    assert "\x1b" not in text
    assert "\x1b" not in git(tmp_path / "out", "log", "--format=%B")


def test_a_problem_inside_the_repository_has_its_own_place(tmp_path: Path) -> None:
    problem = tmp_path / "problems" / "mine"
    (problem / "seed").mkdir(parents=True)
    assert place.of_problem(str(problem), tmp_path, "c-1", None).folder == "problems/mine/seed"
    (problem / "seed").rmdir()
    one = place.of_problem(str(problem), tmp_path, "c-1", None)
    assert one.files("x = 1\n") == {"problems/mine/seed.py": "x = 1\n"}
    assert place.of_problem("circle_packing", tmp_path, "c-1", None).folder == "nightshift/c-1"
    assert place.of_problem(str(problem), tmp_path / "elsewhere", "c-1", None).folder == "nightshift/c-1"
    assert place.of_problem(str(problem), tmp_path, "c-1", "lib/x/").folder == "lib/x"


def test_an_interval_needs_a_standard_error() -> None:
    assert evidence.interval(Score(1.0)) is None
    assert evidence.interval(Score(1.0, 0.1, 1)) is None


def test_show_tells_the_changed_files_and_writes_all(home: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["show", "trees-0001", "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, (shown.output, shown.exception)
    assert "against trees-0000; 1 as they were" in shown.output
    assert "+++ trees-0001/pkg/core.py" in shown.output
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.py")}
    assert written == {f"program/{name}" for name in BETTER}
    compared = CliRunner().invoke(app, ["compare", "trees-0000", "trees-0001", "--json"])
    assert "--- trees-0000/pkg/old.py\n+++ /dev/null\n" in json.loads(compared.output)["diff"]
