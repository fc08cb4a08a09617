"""What a model answers for a candidate of several files: all of its files, or a patch over some. Pure.

    === file: package/module.py
    <<<<<<< SEARCH
    lines of that file
    =======
    lines to put in their place
    >>>>>>> REPLACE
    === whole file: package/new_module.py
    its content; also for a file that is there already
    === remove file: package/old_module.py

Edits are those of tasks/edits.py. A file that a patch does not name stays; of all files, one that is left out goes,
unless it is protected. That protected files were left alone is checked where proposals are (tasks/propose.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cognition import tree
from cognition.records import Failure, FailureKind
from cognition.tree import Section, TreeError
from tasks.contract import TreeRules
from tasks.edits import apply_edits
from tasks.llm.forms import unfence
from tasks.trees import is_protected


def whole_tree(base: str, text: str, rules: TreeRules) -> str | Failure:
    """The tree that the answer gives in full, with the base's protected files where it leaves them out."""
    try:
        before, answered = tree.read(base), _sections(text)
        if wrong := [section for section in answered if section.kind not in ("file", "whole file")]:
            raise TreeError(f"`=== {wrong[0].kind}: {wrong[0].path}`: give all files, each after `=== file: NAME`")
        files = {path: content for path, content in before.items() if is_protected(rules, path)}
        return tree.write(files | {section.path: _content(section, before) for section in answered})
    except TreeError as error:
        return Failure(FailureKind.UNUSABLE, str(error))


def apply_patch(base: str, text: str) -> str | Failure:
    """The tree after a patch, or a Failure (UNUSABLE) that says which part of it is wrong and why."""
    try:
        before = tree.read(base)
        files = dict(before)
        for section in _sections(text):
            _apply(section, before, files)
        result = tree.write(files)
    except TreeError as error:
        return Failure(FailureKind.UNUSABLE, str(error))
    return Failure(FailureKind.UNUSABLE, "the patch changes nothing") if result == base else result


def _sections(text: str) -> list[Section]:
    """The answer's parts. Raises TreeError if there are none, or two for one file."""
    found = tree.sections(text.replace("\r\n", "\n"))
    if not found:
        raise TreeError("expected lines `=== file: NAME` with the files below them; found none")
    for path, count in Counter(section.path for section in found).items():
        tree.check_path(path)
        if count > 1:
            raise TreeError(f"{path} is named more than once: put all that concerns it below one line")
    return found


def _apply(section: Section, before: Mapping[str, str], files: dict[str, str]) -> None:
    path = section.path
    if section.kind == "whole file":
        files[path] = _content(section, before)
        return
    if section.kind not in ("file", "remove file"):
        raise TreeError(f"`=== {section.kind}: {path}`: expected file, whole file or remove file before the colon")
    if path not in before:
        raise TreeError(
            f"there is no file {path} (there are: {', '.join(before)}); a new one is `=== whole file: {path}`"
        )
    if section.kind == "remove file":
        del files[path]
        return
    edited = apply_edits(before[path], "\n".join(section.lines))
    if isinstance(edited, Failure):
        raise TreeError(f"{path}: {edited.reason}")
    files[path] = edited


def _content(section: Section, before: Mapping[str, str]) -> str:
    """The file as it is meant: without a fence, ending with one newline; as it was if only its end would differ."""
    text = section.content
    if section.path.endswith(".py"):
        text = unfence(text)
    text = text.rstrip()
    known = before.get(section.path)
    if known is not None and known.rstrip() == text:
        return known
    return f"{text}\n" if text else ""
