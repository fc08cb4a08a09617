"""Trees as text: exact round trips, one form only, hostile names refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognition import tree
from cognition.programs import code_hash
from cognition.tree import TreeError

_HEADERISH = st.sampled_from(
    [
        "=== file: a.py",
        "\\=== file: a.py",
        "\\\\=== whole file: b",
        "===",
        "=== x: ",
        tree.MAGIC,
        "",
        "\\",
        "=== file: a",
    ]
)
_LINE = st.text(st.characters(exclude_characters="\0\n", codec="utf-8"), max_size=20) | _HEADERISH
_CONTENT = st.tuples(st.lists(_LINE, max_size=6), st.booleans()).map(lambda t: "\n".join(t[0]) + "\n" * t[1])
_NAME = st.from_regex(r"\A[a-z]{1,3}(/[a-z]{1,3}){0,2}\.(py|txt)\Z")


def _fits(files: dict[str, str]) -> bool:
    try:
        tree.check_names(files)
    except TreeError:
        return False
    return True


_FILES = st.dictionaries(_NAME, _CONTENT, min_size=1, max_size=5).filter(_fits)


@settings(max_examples=100, deadline=None)
@given(_FILES)
def test_a_tree_comes_back_exactly(files: dict[str, str]) -> None:
    assert tree.read(tree.write(files)) == files


@settings(max_examples=100, deadline=None)
@given(_FILES, _FILES)
def test_two_trees_have_two_texts(one: dict[str, str], other: dict[str, str]) -> None:
    assert (tree.write(one) == tree.write(other)) == (one == other)


@settings(max_examples=100, deadline=None)
@given(st.lists(_HEADERISH | st.sampled_from(["=== file: b.py", "x"]), max_size=8))
def test_whatever_is_read_is_written_the_same(lines: list[str]) -> None:
    text = "\n".join([tree.MAGIC, *lines]) + "\n"
    try:
        files = tree.read(text)
    except TreeError:
        return
    assert tree.write(files) == text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/passwd", "not absolute"),
        ("../a.py", "must not lead out"),
        ("a/../../b.py", "must not lead out"),
        ("a//b.py", "made of"),
        ("./a.py", "made of"),
        (".git/hooks/pre-commit", "made of"),
        ("a/.gitattributes", "made of"),
        ("a b.py", "made of"),
        ("a\\b.py", "made of"),
        ("c:evil.py", "made of"),
        ("a\nb.py", "made of"),
        ("-rf", "made of"),
        ("ends.", "made of"),
        ("é.py", "made of"),
        ("", "made of"),
        ("a/__pycache__/b.py", "compiled"),
        ("b.so", "compiled"),
        ("a" * 201, "200 characters"),
        ("a/" * 9 + "b.py", "8 folders"),
    ],
)
def test_a_hostile_name_is_refused(path: str, said: str) -> None:
    with pytest.raises(TreeError, match=said):
        tree.write({path: ""})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.py", "A.py"], "some disks take for one"),
        (["a", "a/b.py"], "a file and a folder"),
        (["a.py", "a/__init__.py"], "would import only one"),
        ([f"f{n}.py" for n in range(201)], "201 files, allowed are 200"),
        ([], "at least one file"),
    ],
)
def test_names_that_do_not_go_together_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(TreeError, match=said):
        tree.write(dict.fromkeys(names, ""))


@pytest.mark.parametrize(
    ("content", "said"), [("a\0b", "null character"), ("\ud800", "no text"), ("x" * 600_000, "586 KB, allowed are 512")]
)
def test_content_that_is_no_text_or_too_much_is_refused(content: str, said: str) -> None:
    with pytest.raises(TreeError, match=said):
        tree.write({"a.txt": content})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "begins with the line"),
        (f"{tree.MAGIC}\n", "at least one file"),
        (f"{tree.MAGIC}\n=== file: a\n=== file: a\n", "two files are called a"),
        (f"{tree.MAGIC}\n=== file: b\n=== file: a\n", "one form"),
        (f"{tree.MAGIC}\n=== file: a\nx", "one form"),
        (f"{tree.MAGIC}\nx\n=== file: a\n", "one form"),
        (f"{tree.MAGIC}\n=== whole file: a\n", "one form"),
        (f"{tree.MAGIC}\n=== file: a (protected)\n", "one form"),
        (f"{tree.MAGIC}\n=== file: a\n=== file: b c\n", "line 2 is no header"),
        (f"{tree.MAGIC}\n=== file: ../a\n", "must not lead out"),
    ],
)
def test_a_text_in_another_form_is_no_tree(text: str, said: str) -> None:
    with pytest.raises(TreeError, match=said):
        tree.read(text)


def test_the_hash_knows_names_and_text_files_and_not_the_comments_of_programs() -> None:
    files = {"a.py": "x = 1\n", "b.txt": "# one\n"}
    same = code_hash(tree.write(files | {"a.py": "x  =  1  # why\n"}))
    others = [
        {"c.py": "x = 1\n", "b.txt": "# one\n"},
        files | {"b.txt": "# two\n"},
        files | {"b.txt": "# one\n\n"},
        files | {"a.py": "x = 2\n"},
        {"a.py": "x = 1\n"},
    ]
    assert code_hash(tree.write(files)) == same
    assert same not in {code_hash(tree.write(other)) for other in others}
    assert len({code_hash(tree.write(other)) for other in others}) == len(others)


def test_a_broken_tree_has_a_hash_too() -> None:
    one, other = (f"{tree.MAGIC}\n=== file: b\n=== file: {name}\n" for name in ("a", "aa"))
    assert len({code_hash(one), code_hash(other)}) == 2


def test_no_content_can_pose_as_another_file() -> None:
    one = {"a.txt": "x\n=== b.txt 1\ny"}
    other = {"a.txt": "x", "b.txt": "y"}
    assert code_hash(tree.write(one)) != code_hash(tree.write(other))
