"""`nightshift arch`: a candidate as a layer for other libraries, and what a rung on GPUs would take.

The program passes the same checks as in a round before it is written; nothing of it runs outside the sandbox here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from flows import output
from flows.config import ConfigError
from flows.home import open_home
from flows.output import JsonFlag
from flows.programs import named, pass_checks
from flows.provenance import where_from
from flows.terminal import safe

app = typer.Typer(help="Take a mixer out of a campaign.", no_args_is_help=True)


@app.command()
def export(
    candidate: Annotated[str, typer.Argument(help="A candidate's id, CAMPAIGN-best, or a file")],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder")],
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run the checks without isolation")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the mixer as one file that needs torch alone, with where it came from, and a test beside it."""
    from arch.domain import Arch
    from arch.exporting.assemble import ExportError, assembled, selftest

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: expected a new or an empty folder")
    home = open_home()
    found = named(home.archive_url, candidate, "arch")
    provenance = where_from(home, candidate, found)
    pass_checks(home, Arch(), found.code, unsafe_no_sandbox)
    try:
        text = assembled(found.code, provenance)
    except ExportError as error:
        raise ConfigError(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    written = {"layer.py": text, "test_layer.py": selftest(), "provenance.json": json.dumps(provenance, indent=2)}
    for name, content in written.items():
        (out / name).write_text(content, encoding="utf-8")
    output.present({"folder": str(out), "files": list(written)}, as_json, _print_written)


@app.command(name="forecast")
def forecast_command(
    rung: Annotated[str, typer.Argument(help="A rung on GPUs; left out: all of them")] = "",
    mfu: Annotated[float, typer.Option(min=0.01, max=1.0, help="Assumed model FLOPs utilisation")] = 0.4,
) -> None:
    """What a training run of the rungs on GPUs would take, and what is assumed in saying so."""
    from arch.scales import SCALES, forecast

    if rung and rung not in SCALES:
        raise ConfigError(f"arch has no rung {rung!r} on GPUs: expected one of {', '.join(SCALES)}")
    for name in [rung] if rung else list(SCALES):
        output.console.print(forecast(name, SCALES[name], mfu), soft_wrap=True)


def _print_written(console: Console, report: dict[str, Any]) -> None:
    console.print(f"written to {safe(report['folder'])}: {', '.join(report['files'])}", soft_wrap=True)
    console.print(
        "Imported, it runs without a sandbox: read it first. `python test_layer.py` tests it.", soft_wrap=True
    )
