"""What the commands of `nightshift curate` share: a strategy by its name, checked, and the sandbox that it runs in."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from cognition.records import Failure
from flows.config import ConfigError
from tasks.sandbox import Pool, open_sandbox
from tasks.sandbox.leftovers import own
from tasks.sandbox.parse_gate import parse

Strategy = Annotated[str, typer.Option("--strategy", help="A file, a candidate's id, or CAMPAIGN-best")]


@contextmanager
def sandbox_in(scratch_root: str, unsafe: bool) -> Iterator[Pool]:
    """The sandbox of this process, opened at first use: starting one costs a second, and there is a shard per file."""
    yield _process_sandbox(scratch_root, unsafe)


@cache
def _process_sandbox(scratch_root: str, unsafe: bool) -> Pool:
    preload = ("html", "json", "unicodedata", "dataclasses", "statistics", "textwrap")
    sandbox = open_sandbox(own(Path(scratch_root)), unsafe=unsafe, preload=preload)
    atexit.register(sandbox.close)  # where the process ends otherwise, its zygotes end with it
    return sandbox


def checked(code: str, opener: Any) -> Any:
    """The stock steps of a program that passes the same checks as a candidate. Raises ConfigError."""
    from curation import rules
    from curation.cleaning import stock_steps

    with opener() as sandbox:
        unparsed = parse(code, sandbox)
        if unparsed is not None:
            raise ConfigError(f"the strategy cannot be parsed: {unparsed.reason}")
        if issues := rules.issues(code):
            raise ConfigError(f"the strategy breaks a rule: {issues[0].message}")
        steps = stock_steps(code, sandbox)
    if isinstance(steps, Failure):
        raise ConfigError(f"the strategy fails ({steps.kind}): {steps.reason}")
    return steps
