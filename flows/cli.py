"""The command line: all commands in the order of `nightshift --help`, and what becomes of errors.

run_cli.py runs campaigns, approval_cli.py takes decisions, results_cli.py shows what came of it, services_cli.py keeps
servers; the others are named for their commands. Commands that list or report take --json. Exit codes: 0 done, 1 the
run failed, 2 something asked for is wrong, 130 interrupted. Every expected error is one line that says what happened
and what to do.
"""

from __future__ import annotations

import errno

import typer

from cognition.archive import ArchiveError
from cognition.records import MachineFault
from flows import (
    approval_cli,
    arch_layers,
    cognition_cli,
    config,
    curate,
    export_cli,
    front_cli,
    leaving,
    problem_cli,
    registry,
    replay_cli,
    results_cli,
    rl_losses,
    run_cli,
    services_cli,
    study_cli,
)
from flows.output import fail

app = typer.Typer(
    name="nightshift",
    help="Let a language model do AI research through the night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(run_cli.app)
app.add_typer(approval_cli.app)
app.add_typer(results_cli.app)
app.add_typer(services_cli.app)
app.add_typer(curate.app, name="curate")
app.add_typer(cognition_cli.app)
app.add_typer(problem_cli.app)
app.add_typer(front_cli.app)
app.add_typer(study_cli.app)
app.add_typer(replay_cli.app)
app.add_typer(export_cli.app)
app.add_typer(arch_layers.app, name="arch")
app.add_typer(rl_losses.app, name="rl")

EXPECTED = (config.ConfigError, registry.UnknownProblem, ArchiveError, MachineFault)


def main() -> None:
    """Entry point. The process also ends when something it uses does not let it."""
    try:
        run_command()
    except SystemExit as ending:
        leaving.within(ending.code if isinstance(ending.code, int) else 0)
        raise


def run_command() -> None:
    """The command of the command line; expected errors become one line and exit code 2."""
    try:
        app()
    except EXPECTED as error:
        fail(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fail(
            f"{error.filename or 'the state folder'}: {error.strerror}; nothing that was recorded is lost. "
            "Free some space or choose another folder with NIGHTSHIFT_HOME, then `nightshift resume`"
        )


if __name__ == "__main__":
    main()
