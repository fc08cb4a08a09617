"""Where a candidate's files go in a repository, as paths. Pure but for asking whether folders are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cognition import tree
from flows.config import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """Folders of a repository, "" for its top; `one_file` is what a program of one file is called there."""

    folder: str
    evidence: str
    one_file: str = tree.ONE_FILE

    def files(self, code: str) -> dict[str, str]:
        """A candidate's files by their path in the repository."""
        named = tree.files_of(code)
        if not tree.is_tree(code):
            named = {self.one_file: code}
        return {_joined(self.folder, name): text for name, text in named.items()}


def of_problem(problem: str, top: Path | None, candidate: str, into: str | None) -> Place:
    """The seed's own place if the problem's folder lies in the repository, else a folder of the candidate's name.

    `into` names another folder. Raises ConfigError.
    """
    evidence = f"nightshift/{candidate}"
    folder = Path(problem)
    if into is not None:
        return Place(checked(into), evidence)
    if top is None or not folder.is_dir() or not folder.resolve().is_relative_to(top.resolve()):
        return Place(evidence, evidence)
    inside = folder.resolve().relative_to(top.resolve()).as_posix()
    if (folder / "seed").is_dir():
        return Place(_joined(inside, "seed"), evidence)
    return Place("" if inside == "." else inside, evidence, "seed.py")


def checked(folder: str) -> str:
    """A folder in the repository. Raises ConfigError if it can be none."""
    if folder in ("", "."):
        return ""
    try:
        tree.check_path(folder.rstrip("/"))
    except tree.TreeError as error:
        raise ConfigError(f"--into {error}") from None
    return folder.rstrip("/")


def clash(wanted: Mapping[str, str], base: Mapping[str, str]) -> str | None:
    """The first path that the base has with another content (both by hash), or as a folder, or that is below a file."""
    folders = {path[:at] for path in base for at in range(len(path)) if path[at] == "/"}
    for path, found in wanted.items():
        above = [path[:at] for at in range(len(path)) if path[at] == "/"]
        if path in folders or base.get(path, found) != found:
            return path
        if (file := next((each for each in above if each in base), None)) is not None:
            return file
    return None


def _joined(folder: str, name: str) -> str:
    return name if folder in ("", ".") else f"{folder}/{name}"
