"""`nightshift new`, `try` and `audit`: for whoever writes a problem. They need no server and record nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows import config, views
from flows.output import JsonFlag, console, present
from flows.terminal import safe

app = typer.Typer()


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make; its name becomes the problem's")],
    from_evaluator: Annotated[
        Path | None, typer.Option(help="An evaluator of OpenEvolve, ShinkaEvolve or ASI-Evolve to wrap")
    ] = None,
    seed_program: Annotated[Path | None, typer.Option(help="Its seed program, if it is not beside it")] = None,
    metric: Annotated[str, typer.Option(help="The evaluator's metric to maximise")] = "combined_score",
    files: Annotated[bool, typer.Option("--files", help="The candidate is a folder of files; needs a model")] = False,
) -> None:
    """Make a folder for a problem of your own, which runs at once."""
    from flows import scaffold

    if from_evaluator is not None and files:
        raise config.ConfigError("--files and --from-evaluator do not go together: an evaluator takes one program file")
    if from_evaluator is None:
        made = scaffold.new(folder, of_files=files)
    else:
        made = scaffold.wrap(folder, from_evaluator, seed_program, metric)
    console.print("\n".join(safe(str(file)) for file in made))
    console.print(f"\ntry its seed program: nightshift try {safe(str(folder))}")
    if files:
        console.print("a candidate of several files; evolving it takes a model (docs/problems.md)")
    elif from_evaluator is None:
        console.print(f"evolve it without a model: nightshift run {safe(str(folder))} --rounds 3")
    else:
        console.print("its scores are self-reported; evolving it takes a model (docs/problems.md)")


@app.command("try")
def try_(
    problem: Annotated[str, typer.Argument(help="A problem's name or folder")],
    program: Annotated[Path | None, typer.Argument(help="A program, or a folder; the seed if left out")] = None,
    rung: Annotated[str | None, typer.Option(help="The scale of experiment; the cheapest if left out")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the evaluation")] = 0,
    option: Annotated[list[str] | None, typer.Option(help="An option of the problem, e.g. n=32")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Try one program on a problem, in the sandbox; nothing is recorded. Exit code 1 if it gets no score."""
    from flows import trying

    code = None if program is None else trying.program_at(program)
    options = config.parse_assignments(option or [])
    tried = trying.attempt(problem, code, options=options, rung=rung, seed=seed)
    present(views.attempt_report(tried), as_json, views.print_attempt)
    if tried.fitness is None:
        sys.exit(1)


@app.command()
def audit(
    problem: Annotated[str, typer.Argument(help="A problem's name or folder")],
    option: Annotated[list[str] | None, typer.Option(help="An option of the problem, e.g. n=32")] = None,
    rung: Annotated[str | None, typer.Option(help="The scale of experiment; the cheapest if left out")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Attack a problem's evaluator with programs that cheat. Exit code 1 if one gets a score that it should not."""
    from flows.auditing import command

    report = command.make(problem, config.parse_assignments(option or []), rung)
    present(report, as_json, command.show)
    if not report["passed"]:
        sys.exit(1)
