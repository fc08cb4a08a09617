"""Commits and branches through git's plumbing: no checkout, no hooks, no filters, no index but one of its own.

A user's repository gets objects and one new branch. Its HEAD, index and working tree are never written, and a branch
that exists is never moved. All of it goes through the program `git`, with neutral author and committer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.config import ConfigError

NAME, EMAIL = "Nightshift", "nightshift@localhost"
TIMEOUT_S = 120.0
_SAFE = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "--literal-pathspecs")


class GitFailed(ConfigError):
    """Git is missing, or refused; the message is one line."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit adds to its parent: files by path (None removes one), and who says so when."""

    files: Mapping[str, str | None]
    message: str
    at_s: int  # Unix time; the same content at the same time is the same commit


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, and a folder of ours for an index and files on their way."""

    git_dir: Path
    scratch: Path

    def git(self, *arguments: str, text: str = "", **environment: str) -> str:
        """What a command printed. Raises GitFailed."""
        own = {"GIT_INDEX_FILE": str(self.scratch / "index"), **environment}
        return _run(["--git-dir", str(self.git_dir), *arguments], self.scratch, text, own)

    def commit_at(self, revision: str) -> str | None:
        """The commit of a revision; None if there is none."""
        if revision.startswith("-"):
            raise GitFailed(f"{revision!r} is no revision")
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
        except GitFailed:
            return None

    def blobs(self, commit: str) -> dict[str, str]:
        """Path to hash of every file of a commit."""
        lines = self.git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
        return {path: about.split()[2] for about, _, path in (line.partition("\t") for line in lines if line)}

    def stored(self, files: Mapping[str, str]) -> dict[str, str]:
        """Path to hash of these contents, which are written into the repository as they are."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            places = [Path(folder, str(number)) for number in range(len(files))]
            for place, content in zip(places, files.values(), strict=True):
                place.write_bytes(content.encode("utf-8"))
            listed = "".join(f"{place}\n" for place in places)
            hashes = self.git("hash-object", "-w", "--no-filters", "--stdin-paths", text=listed).split()
        return dict(zip(files, hashes, strict=True))

    def commit(self, commit: Commit, parent: str | None) -> str:
        """A commit on top of another, reachable from no branch yet."""
        self.git("read-tree", parent or "--empty")
        stored = self.stored({path: content for path, content in commit.files.items() if content is not None})
        nothing = "0" * len(next(iter(stored.values()), "0" * 40))
        gone = [f"0 {nothing}\t{path}\0" for path, content in commit.files.items() if content is None]
        added = [f"100644 {found}\t{path}\0" for path, found in stored.items()]
        self.git("update-index", "-z", "--index-info", text="".join([*gone, *added]))
        tree = self.git("write-tree").strip()
        above = () if parent is None else ("-p", parent)
        return self.git("commit-tree", tree, *above, text=commit.message, **_signed(commit.at_s)).strip()

    def branch(self, name: str, commit: str) -> bool:
        """A new branch; False if it is there with this very commit. Raises GitFailed if it is there with another."""
        known = self.commit_at(f"refs/heads/{name}")
        if known == commit:
            return False
        if known is not None:
            raise GitFailed(f"there is a branch {name} already, with something else in it: take another with --branch")
        self.git("update-ref", f"refs/heads/{name}", commit, "")  # "": only if it does not exist
        return True


def check_branch(name: str) -> None:
    """Raises GitFailed for what can be no branch."""
    program()
    try:
        _run(["check-ref-format", f"refs/heads/{name}"], Path.cwd(), "", {})
    except GitFailed:
        raise GitFailed(f"{name!r} can be no branch's name") from None
    if name.startswith("-"):
        raise GitFailed(f"{name!r} can be no branch's name")


def program() -> str:
    """Where git is. Raises GitFailed if it is nowhere."""
    found = shutil.which("git")
    if found is None:
        raise GitFailed("the program git is not installed, and export needs it: apt install git, or brew install git")
    return found


@contextmanager
def opened(path: Path) -> Iterator[Repository]:
    """Somebody's repository. Raises GitFailed if it is none."""
    if not path.is_dir():
        raise GitFailed(f"there is no folder {path}")
    try:
        git_dir = _run(["rev-parse", "--absolute-git-dir"], path, "", {}).strip()
    except GitFailed as error:
        raise GitFailed(f"{path} is no git repository that can be used: {error}") from None
    with tempfile.TemporaryDirectory(prefix="nightshift-export-") as scratch:
        yield Repository(Path(git_dir), Path(scratch))


@contextmanager
def created(path: Path) -> Iterator[Repository]:
    """A new repository, which is at `path` once all went well. Raises GitFailed if something is there."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise GitFailed(f"{path} is not empty: --git makes a new repository; --repo adds a branch to an old one")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".nightshift-export-", dir=path.parent) as folder,
        tempfile.TemporaryDirectory(prefix="nightshift-export-") as scratch,
    ):
        made = Path(folder, "repository")
        _run(["init", "--quiet", "--template=", "--initial-branch=seed", str(made)], Path(folder), "", _NO_CONFIG)
        yield Repository(made / ".git", Path(scratch))
        made.rename(path)


def check_out(repository: Repository, branch: str) -> None:
    """Put a branch's files into a repository that we have made ourselves."""
    folder = repository.git_dir.parent
    repository.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    own = {"GIT_INDEX_FILE": str(repository.git_dir / "index"), "GIT_WORK_TREE": str(folder), **_NO_CONFIG}
    repository.git("read-tree", "-u", "--reset", f"refs/heads/{branch}", **own)


def top_of(path: Path) -> Path | None:
    """The top folder of the repository's working tree; None if it has none."""
    try:
        return Path(_run(["rev-parse", "--show-toplevel"], path, "", {}).strip())
    except GitFailed:
        return None


_NO_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def _signed(at_s: int) -> dict[str, str]:
    roles = ("AUTHOR", "COMMITTER")
    values = (("NAME", NAME), ("EMAIL", EMAIL), ("DATE", f"{at_s} +0000"))
    return {f"GIT_{role}_{key}": value for role in roles for key, value in values}


def _run(arguments: list[str], folder: Path, text: str, own: Mapping[str, str]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **own}
    try:
        done = subprocess.run(
            [program(), *_SAFE, *arguments], input=text.encode(), capture_output=True, cwd=folder, env=environment,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git {arguments[0]} took more than {TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitFailed(f"git refused: {said[0] if said else f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "surrogateescape")
