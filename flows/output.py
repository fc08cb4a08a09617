"""What every command prints with: the terminal, its errors, and --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from flows.terminal import safe

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON")]


def present(report: Any, as_json: bool, printer: Callable[[Console, Any], None]) -> None:
    """The report, as JSON or for a person."""
    if as_json:
        print_json(report)
    else:
        printer(console, report)


def print_json(report: object) -> None:
    """To standard output, indented."""
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def fail(message: str, code: int = 2) -> NoReturn:
    """One line to stderr, then exit."""
    errors.print(f"[red]nightshift:[/] {safe(' '.join(message.split()))}", soft_wrap=True)
    sys.exit(code)
