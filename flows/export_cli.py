"""`nightshift export CANDIDATE`: its change against the seed as a branch of a git repository, with the evidence.

`--git DIR` makes a repository; `--repo PATH` adds one branch to an existing one and touches nothing else there.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cognition import tree
from cognition.archive import Archive
from cognition.records import Candidate
from flows.config import ConfigError
from flows.exporting import evidence, git, place
from flows.exporting.git import Commit
from flows.exporting.place import Place
from flows.home import open_home
from flows.output import JsonFlag, present
from flows.terminal import safe, without_controls

app = typer.Typer()


@app.command()
def export(
    candidate: Annotated[str, typer.Argument(help="A candidate's id, e.g. circle-packing-0007")],
    new: Annotated[Path | None, typer.Option("--git", help="Make a git repository in this new folder")] = None,
    repo: Annotated[Path | None, typer.Option(help="Add a branch to this git repository")] = None,
    branch: Annotated[str | None, typer.Option(help="The branch; nightshift/CANDIDATE if left out")] = None,
    base: Annotated[str, typer.Option(help="With --repo: what the branch starts from")] = "HEAD",
    into: Annotated[str | None, typer.Option(help="With --repo: the folder of it that holds the seed")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a candidate's change against the seed, and the evidence for it, as a branch of a git repository."""
    if (new is None) == (repo is None):
        raise ConfigError("say where: either --git DIR for a new repository, or --repo PATH for one that is there")
    if new is not None and (base != "HEAD" or into is not None):
        raise ConfigError("--base and --into go with --repo: a new repository has nothing to start from")
    with Archive.open(open_home().archive_url) as archive:
        found = archive.candidate(candidate)
        seed = seed_of(archive, found)
        facts = evidence.gather(archive, found, seed)
        problem = archive.campaign(found.campaign).problem
    branch = branch or f"nightshift/{found.id}"
    git.check_branch(branch)
    if new is not None:
        report = _into_new(new.absolute(), branch, found, seed, facts)
    else:
        assert repo is not None
        where = place.of_problem(problem, git.top_of(repo) if repo.is_dir() else None, found.id, into)
        report = _into_old(repo, branch, base, where, found, seed, facts)
    present(report, as_json, show)


def seed_of(archive: Archive, candidate: Candidate) -> Candidate:
    """The program that the candidate's campaign started from. Raises ConfigError."""
    first = next((each.id for each in archive.digests(candidate.campaign) if each.round_index == 0), None)
    if first is None:
        raise ConfigError(f"the seed of {candidate.campaign} is not recorded, so there is no change to export")
    seed = archive.candidate(first)
    if seed.code == candidate.code:
        raise ConfigError(f"{candidate.id} is the same as the seed: there is no change to export")
    return seed


def commits(where: Place, candidate: Candidate, seed: Candidate, facts: dict[str, Any]) -> tuple[Commit, Commit]:
    """The seed, and the change with its evidence. Raises ConfigError if a file of it is called like the evidence."""
    try:
        before, after = where.files(seed.code), where.files(candidate.code)
    except tree.TreeError as error:
        raise ConfigError(f"{candidate.id} cannot be written as files: {error}") from None
    notes = {
        f"{where.evidence}/{name}".lstrip("/"): text
        for name, text in (
            (evidence.MARKDOWN, evidence.as_markdown(facts)),
            (evidence.JSON_FILE, evidence.as_json(facts)),
        )
    }
    if taken := [name for name in notes if name in before or name in after]:
        raise ConfigError(f"{candidate.id} has a file {taken[0]} of its own, where the evidence belongs: say --into")
    gone: dict[str, str | None] = dict.fromkeys(path for path in before if path not in after)
    title = f"{candidate.id}: {_outcome(candidate)}, from {_outcome(seed)} of the seed"
    message = f"{title}\n\n{without_controls(candidate.motivation).strip()}\n\nEvidence: {next(iter(notes))}\n"
    return (
        Commit(before, f"Seed of campaign {candidate.campaign}\n", _unix_s(seed)),
        Commit({**gone, **after, **notes}, message, _unix_s(candidate)),
    )


def _into_new(
    folder: Path, branch: str, candidate: Candidate, seed: Candidate, facts: dict[str, Any]
) -> dict[str, Any]:
    first, change = commits(Place("", ""), candidate, seed, facts)
    if branch == "seed" or branch.startswith("seed/"):
        raise ConfigError("the branch `seed` holds the seed: take another with --branch")
    with git.created(folder) as repository:
        below = repository.commit(first, None)
        repository.branch("seed", below)
        made = repository.commit(change, below)
        repository.branch(branch, made)
        git.check_out(repository, branch)
    return _report(folder, branch, made, below, candidate, "", is_new=True)


def _into_old(
    path: Path, branch: str, base: str, where: Place, candidate: Candidate, seed: Candidate, facts: dict[str, Any]
) -> dict[str, Any]:
    first, change = commits(where, candidate, seed, facts)
    with git.opened(path) as repository:
        below = repository.commit_at(base)
        if below is None and base != "HEAD":
            raise ConfigError(f"{path} has no revision {base!r} for the branch to start from")
        known = repository.blobs(below) if below is not None else {}
        written = {name: text for name, text in {**change.files, **first.files}.items() if text is not None}
        if (different := place.clash(repository.stored(written), known)) is not None:
            raise ConfigError(
                f"{different} in {path} is something else at {base} than the seed or the candidate have there: name "
                "another revision with --base or another folder with --into"
            )
        if any(name not in known for name in first.files):
            below = repository.commit(first, below)
        made = repository.commit(change, below)
        is_new = repository.branch(branch, made)
    assert below is not None  # the seed's commit, if there was none before
    return _report(path, branch, made, below, candidate, where.folder, is_new=is_new)


def _report(
    folder: Path, branch: str, commit: str, below: str, candidate: Candidate, place: str, *, is_new: bool
) -> dict[str, Any]:
    return {
        "candidate": candidate.id,
        "repository": str(folder),
        "branch": branch,
        "commit": commit,
        "seed_commit": below,
        "folder": place,
        "is_new": is_new,
    }


def show(console: Console, report: dict[str, Any]) -> None:
    """What is where, and how to look at it."""
    state = "written to" if report["is_new"] else "there already, in"
    console.print(f"branch [bold]{safe(report['branch'])}[/] {state} {safe(report['repository'])}", soft_wrap=True)
    look = f"git -C {report['repository']} diff {report['seed_commit'][:12]} {report['branch']}"
    console.print(f"the change: {safe(look)}", soft_wrap=True)


def _outcome(candidate: Candidate) -> str:
    return "no score" if candidate.fitness is None else f"{candidate.fitness:.10g}"


def _unix_s(candidate: Candidate) -> int:
    return int(datetime.fromisoformat(candidate.created_at).timestamp())
