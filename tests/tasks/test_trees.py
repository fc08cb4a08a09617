"""Candidates of several files: folders, protected files, answers of models, diffs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cognition import tree
from cognition.records import Failure, FailureKind
from cognition.tree import TreeError
from tasks import trees
from tasks.contract import TreeRules
from tasks.publication import unified_diff
from tasks.tree_edits import apply_patch, whole_tree
from tests.tasks.agent_examples import BRIEF

FILES = {
    "data/table.txt": "1 2 3\n",
    "pkg/__init__.py": "",
    "pkg/core.py": "STEP = 0.5\n\n\ndef run(n):\n    return [STEP * k for k in range(n)]\n",
    "pkg/extra.py": "GAIN = 1\n",
}
BASE = tree.write(FILES)
RULES = TreeRules(("data/",))
TREE_BRIEF = replace(BRIEF, seed_program=BASE, tree=RULES)
EDIT = "<<<<<<< SEARCH\nSTEP = 0.5\n=======\nSTEP = 0.25\n>>>>>>> REPLACE\n"


def files_after(text: str) -> dict[str, str]:
    changed = apply_patch(BASE, text)
    assert isinstance(changed, str), changed
    return tree.read(changed)


def reason(outcome: str | Failure) -> str:
    assert isinstance(outcome, Failure), outcome
    assert outcome.kind is FailureKind.UNUSABLE
    return outcome.reason


# Patches


def test_a_patch_edits_adds_replaces_and_removes_files() -> None:
    patch = (
        "I make the step smaller.\n"
        f"=== file: pkg/core.py\n{EDIT}"
        "=== whole file: pkg/new.py\n```python\ndef twice(x):\n    return 2 * x\n```\n\n"
        "=== remove file: pkg/extra.py\n"
    )
    after = files_after(patch)
    assert after == {
        "data/table.txt": "1 2 3\n",
        "pkg/__init__.py": "",
        "pkg/core.py": FILES["pkg/core.py"].replace("0.5", "0.25"),
        "pkg/new.py": "def twice(x):\n    return 2 * x\n",
    }


def test_lines_that_look_like_headers_can_be_written_and_edited() -> None:
    added = apply_patch(BASE, "=== whole file: a.txt\n\\=== file: b.txt\nx\n")
    assert isinstance(added, str)
    assert tree.read(added)["a.txt"] == "=== file: b.txt\nx\n"
    search = "=== file: a.txt\n<<<<<<< SEARCH\n\\=== file: b.txt\n=======\ny\n>>>>>>> REPLACE\n"
    edited = apply_patch(added, search)
    assert isinstance(edited, str)
    assert tree.read(edited)["a.txt"] == "y\nx\n"


def test_windows_line_ends_of_an_answer_do_not_matter() -> None:
    assert files_after(f"=== file: pkg/core.py\n{EDIT}".replace("\n", "\r\n"))["pkg/core.py"].startswith(
        "STEP = 0.25\n"
    )


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("STEP = 0.25", "expected lines `=== file: NAME`"),
        (f"=== file: pkg/none.py\n{EDIT}", "there is no file pkg/none.py"),
        ("=== remove file: pkg/none.py\n", "there is no file pkg/none.py"),
        ("=== file: pkg/core.py\nSTEP = 0.25\n", "pkg/core.py: expected edits in blocks"),
        ("=== file: pkg/core.py\n" + EDIT.replace("0.5", "0.7"), "pkg/core.py: the SEARCH of edit 1 is not in"),
        ("=== move file: pkg/core.py\n", "expected file, whole file or remove file"),
        ("=== whole file: ../x.py\nx = 1\n", "must not lead out"),
        ("=== whole file: /tmp/x.py\nx = 1\n", "not absolute"),
        ("=== whole file: pkg/core/__init__.py\nx = 1\n", "would import only one"),
        ("=== whole file: pkg/extra.py\nGAIN = 1\n\n", "changes nothing"),
        (f"=== file: pkg/core.py\n{EDIT}=== remove file: pkg/core.py\n", "named more than once"),
        ("=== whole file: a.txt\na\0b\n", "null character"),
    ],
)
def test_a_patch_that_cannot_be_used_says_why(patch: str, said: str) -> None:
    assert said in reason(apply_patch(BASE, patch))


def test_a_whole_answer_keeps_protected_files_and_drops_others() -> None:
    answer = "=== file: pkg/__init__.py\n=== file: pkg/core.py\n\ndef run(n):\n    return []\n\n"
    made = whole_tree(BASE, f"{tree.MAGIC}\n{answer}", RULES)
    assert isinstance(made, str)
    assert tree.read(made) == {
        "data/table.txt": "1 2 3\n",
        "pkg/__init__.py": "",
        "pkg/core.py": "\ndef run(n):\n    return []\n",
    }


def test_a_whole_answer_may_repeat_protected_files_as_the_prompt_marks_them() -> None:
    answer = "=== file: data/table.txt (protected)\n1 2 3\n\n=== file: pkg/core.py\nx = 1\n"
    made = whole_tree(BASE, answer, RULES)
    assert isinstance(made, str)
    assert trees.refusal(TREE_BRIEF, made) is None


def test_a_whole_answer_with_a_patchs_headers_is_refused() -> None:
    assert "give all files" in reason(whole_tree(BASE, "=== remove file: pkg/core.py\n", RULES))


# Protected files


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("=== whole file: data/table.txt\n9 9 9\n", "data/table.txt (changed)"),
        ("=== remove file: data/table.txt\n", "data/table.txt (removed)"),
        ("=== whole file: data/more.txt\n4\n", "data/more.txt (added)"),
    ],
)
def test_touching_a_protected_file_is_refused_by_name(patch: str, said: str) -> None:
    changed = apply_patch(BASE, patch)
    assert isinstance(changed, str)
    refused = trees.refusal(TREE_BRIEF, changed)
    assert refused is not None
    assert refused.kind is FailureKind.CHECK
    assert said in refused.reason


def test_a_text_that_is_no_tree_is_refused_and_one_file_problems_have_no_such_rule() -> None:
    refused = trees.refusal(TREE_BRIEF, "x = 1\n")
    assert refused is not None
    assert "begins with the line" in refused.reason
    assert trees.refusal(BRIEF, "x = 1\n") is None


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.py", "a.py", True),
        ("a.py", "b/a.py", False),
        ("**/a.py", "b/c/a.py", True),
        ("**/a.py", "a.py", True),
        ("*.py", "b/a.py", False),
        ("b/**", "b/c/a.py", True),
        ("b/", "b/c/a.py", True),
        ("b/", "bc/a.py", False),
        ("?.py", "ab.py", False),
        ("a.py", "axpy", False),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    assert trees.is_protected(TreeRules((pattern,)), path) is matches


# Prompts


def test_a_prompt_shows_what_may_change_first_when_there_is_not_room_for_all() -> None:
    big = tree.write(FILES | {"data/big.txt": "0\n" * 2_000})
    shown = trees.shown(big, TREE_BRIEF, 600)
    assert "=== file: pkg/core.py\nSTEP = 0.5" in shown
    assert "0\n0\n" not in shown
    assert shown.endswith("[left out here, and part of it all the same: data/big.txt (protected)]")
    assert len(shown) <= 600


def test_a_prompt_may_leave_protected_files_away_and_one_file_is_shown_as_it_is() -> None:
    assert "table" not in trees.shown(BASE, TREE_BRIEF, 10_000, with_protected=False)
    assert "=== file: data/table.txt (protected)\n1 2 3\n" in trees.shown(BASE, TREE_BRIEF, 10_000)
    assert trees.shown("x = 1\n", BRIEF, 10) == "x = 1\n"


# Folders


def test_a_folder_becomes_a_tree_and_comes_back(tmp_path: Path) -> None:
    files = FILES | {"pkg/odd.txt": "a\r\nb\x0cc"}
    assert trees.to_folder(tree.write(files), tmp_path / "one") == sorted(files)
    (tmp_path / "one" / ".hidden").write_text("x")
    (tmp_path / "one" / "pkg" / "__pycache__").mkdir()
    (tmp_path / "one" / "pkg" / "__pycache__" / "core.pyc").write_bytes(b"\xff\0")
    assert trees.of_folder(tmp_path / "one") == tree.write(files)


def test_links_binaries_and_hostile_names_in_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    cases: tuple[tuple[str, Callable[[Path], object], str], ...] = (
        ("link.py", lambda path: path.symlink_to(tmp_path / "a.py"), "link.py is a link"),
        ("folder", lambda path: path.symlink_to("/etc"), "folder is a link"),
        ("b.bin", lambda path: path.write_bytes(b"\xff\xfe"), "b.bin is no text"),
        ("big.txt", lambda path: path.write_text("x" * 600_000), "big.txt has 586 KB"),
        ("a b.py", lambda path: path.write_text(""), "made of"),
    )
    for name, make, said in cases:
        make(tmp_path / name)
        with pytest.raises(TreeError, match=said):
            trees.of_folder(tmp_path)
        (tmp_path / name).unlink()


# Diffs


def test_the_diff_is_shown_per_file() -> None:
    after = tree.write({**FILES, "pkg/core.py": "STEP = 1", "z.py": "x = 1\n"} | {"data/table.txt": "1 2 3\n"})
    removed = tree.write({path: text for path, text in tree.read(after).items() if path != "pkg/extra.py"})
    assert unified_diff(BASE, removed, "c1", "c2") == (
        "--- c1/pkg/core.py\n+++ c2/pkg/core.py\n@@ -1,5 +1,2 @@\n-STEP = 0.5\n-\n-\n-def run(n):\n"
        "-    return [STEP * k for k in range(n)]\n+STEP = 1\n+\\ No newline at end of file\n"
        "--- c1/pkg/extra.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-GAIN = 1\n"
        "--- /dev/null\n+++ c2/z.py\n@@ -0,0 +1 @@\n+x = 1\n"
    )


def test_changes_count_lines() -> None:
    changed = trees.changes(FILES, {**FILES, "pkg/extra.py": "GAIN = 2\nMORE = 1"})
    assert [(change.path, change.word, change.counts) for change in changed] == [("pkg/extra.py", "changed", (2, 1))]


def test_a_broken_tree_is_still_compared_as_text() -> None:
    assert "-=== file: z" in unified_diff(f"{tree.MAGIC}\n=== file: z\n=== file: a\n", BASE, "c1", "c2")
