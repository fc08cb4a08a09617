"""`nightshift curate`: apply a strategy to a data set, and examine a finalist on the hidden families of noise.

The strategy runs in the sandbox here too. What decides anything is in curation/; this opens sandboxes, finds programs,
and prints.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn

from cognition.archive import Archive
from cognition.records import Failure
from flows import curate_gallery, curate_rungs, curate_sweep, output, registry
from flows.config import ConfigError, parse_assignments
from flows.curate_strategy import Strategy, checked, sandbox_in
from flows.home import Home, open_home
from flows.output import JsonFlag
from flows.programs import Named, named

if TYPE_CHECKING:
    from curation.scale.apply import Applied, Plan, Watch

app = typer.Typer(help="Clean data with a strategy that a campaign has found.", no_args_is_help=True)
app.command(name="gallery")(curate_gallery.gallery)
app.command(name="sweep")(curate_sweep.sweep)
app.command(name="rung")(curate_rungs.rung)


@app.command(name="apply")
def apply_command(
    strategy: Strategy,
    source: Annotated[Path, typer.Option("--in", help="A folder or file: .jsonl (.gz, .zst), .parquet")],
    target: Annotated[Path, typer.Option("--out", help="A new folder, or that of a run to go on with")],
    workers: Annotated[int, typer.Option(min=1, help="Files at a time")] = 1,
    form: Annotated[str, typer.Option("--format", help="jsonl, jsonl.gz or parquet; left out: as the input")] = "",
    text_column: Annotated[str, typer.Option(help="The column that holds the text")] = "text",
    id_column: Annotated[str, typer.Option(help="The column that names the document")] = "id",
    max_document_mb: Annotated[float, typer.Option(min=0.001, help="A larger document is recorded as a fault")] = 16.0,
    stop_at_fault: Annotated[bool, typer.Option(help="End a file at its first fault instead of recording it")] = False,
    dedup: Annotated[str, typer.Option(help="minhash: keep one of near-equal documents, after the strategy")] = "",
    executor: Annotated[str, typer.Option(help="local, slurm or ray")] = "local",
    set_: Annotated[list[str] | None, typer.Option("--set", help="An executor's setting, slurm_partition=...")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Slurm: print the scripts and submit nothing")] = False,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help="Run the strategy without isolation")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Clean a whole data set. What is done is not done again: the same command goes on where it stopped."""
    from curation.scale.apply import need_datatrove

    need_datatrove()
    from curation.scale.apply import Plan
    from curation.scale.ledger import ShardStopped

    if form not in ("", "jsonl", "jsonl.gz", "parquet"):
        raise ConfigError(f"--format {form}: expected jsonl, jsonl.gz or parquet")
    if dedup not in ("", "minhash"):
        raise ConfigError(f"--dedup {dedup}: expected minhash")
    if dry_run and executor != "slurm":
        raise ConfigError("--dry-run shows what Slurm would be given: add --executor slurm")
    home = open_home()
    code = named(home.archive_url, strategy, "curation").code
    opener = partial(sandbox_in, str(home.scratch), unsafe_no_sandbox)
    plan = Plan(
        code=code,
        steps=checked(code, opener),
        source=source,
        target=target.absolute(),
        form=form,
        text_key=text_column,
        id_key=id_column,
        longest_mb=max_document_mb,
        stop_at_fault=stop_at_fault,
        executor=_executor(executor, workers, set_ or []),
        dedup=dedup == "minhash",
    )
    if dry_run:
        _print_scripts(plan, opener)
        return
    try:
        done = _run(plan, opener, quiet=as_json)
    except ShardStopped as stopped:
        output.errors.print(
            f"[red]nightshift:[/] stopped at a fault, as asked for: {stopped}", markup=True, soft_wrap=True
        )
        sys.exit(1)
    _show(done, as_json)


@app.command()
def examine(
    strategy: Strategy,
    again: Annotated[bool, typer.Option(help="Measure again instead of showing the stored result")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Score a finalist on hidden families of noise, once. The result is kept apart from every campaign."""
    from curation.domain import Curation
    from tasks.artefacts import workspace

    home = open_home()
    found = named(home.archive_url, strategy, "curation")
    code = found.code
    place = workspace(home.artefact_root, "curation-examined", _name_of(code))
    if again or not place.exists("result.json"):
        with sandbox_in(str(home.scratch), False) as sandbox:
            checked(code, partial(sandbox_in, str(home.scratch), False))
            measured = Curation(_options(home, found)).examine(code, 0, sandbox, place)
        if isinstance(measured, Failure):
            raise ConfigError(f"the strategy fails ({measured.kind}): {measured.reason}")
        content = {"metrics": measured.metrics, "intervals_95": measured.breakdown["intervals_95"]}
        place.write("result.json", json.dumps(content).encode())
    result = json.loads(place.read("result.json"))
    output.present(result, as_json, _print_examined)


def _options(home: Home, found: Named) -> Any:
    """The options of the strategy's campaign; of a file the defaults."""
    from curation.domain import Curation

    if found.candidate is None:
        return Curation.Options()
    with Archive.open(home.archive_url) as archive:
        settings = archive.campaign(found.candidate.campaign).settings
    domain: Any = registry.load(settings["problem"], settings["options"])
    return domain.options


def _name_of(code: str) -> str:
    from curation.strategy import strategy_hash

    return strategy_hash(code)


def _executor(kind: str, workers: int, assignments: list[str]) -> Any:
    from pydantic import ValidationError

    from curation.scale.executors import ExecutorSettings

    try:
        return ExecutorSettings.model_validate({"kind": kind, "workers": workers, **parse_assignments(assignments)})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--executor, --set: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _run(plan: Plan, opener: Any, quiet: bool) -> Applied:
    from curation.scale.apply import ApplyError, apply, inputs

    columns = (TextColumn("{task.description}"), TextColumn("{task.completed}/{task.total} files"))
    try:
        files = len(inputs(plan.source))
        with Progress(*columns, console=output.errors, disable=quiet, transient=True) as progress:
            bar = progress.add_task("cleaning", total=files)
            return apply(plan, opener, _watcher(progress, bar))
    except ApplyError as error:
        raise ConfigError(str(error)) from error


def _print_scripts(plan: Plan, opener: Any) -> None:
    from curation.scale.apply import ApplyError, scripts

    try:
        for script in scripts(plan, opener):
            output.console.print(script, soft_wrap=True, markup=False)
    except ApplyError as error:
        raise ConfigError(str(error)) from error


def _watcher(progress: Progress, bar: Any) -> Watch:
    def watch(done: int, counts: Any) -> None:
        text = f"{counts.read} documents read, {counts.kept} kept, {sum(counts.faults.values())} faults"
        progress.update(bar, completed=done, description=text)

    return watch


def _print_examined(out: Console, result: dict[str, Any]) -> None:
    low, high = result["intervals_95"]["f1"]
    out.print(f"hidden families: F1 {result['metrics']['f1']:.4f} (95%: {low:.4f} to {high:.4f})")
    for name in ("precision", "recall", "judge", "bits_per_byte", "private_left", "repeated_left"):
        out.print(f"  {name:14} {result['metrics'][name]:.4f}")


def _show(done: Applied, as_json: bool) -> None:
    counts = done.counts
    deduped = asdict(done.deduped) if done.deduped else None
    if as_json:
        content = {**asdict(counts), "shards": done.shards, "done_before": done.done_before, "books": str(done.books)}
        output.print_json({**content, "deduplicated": deduped, "submitted": done.submitted})
        return
    out = output.console
    if done.submitted:
        out.print(f"submitted; {done.done_before} of {done.shards} files are done. The same command says how far it is")
        return
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.faults.items())) or "none"
    out.print(f"{done.shards} files, {done.done_before} of them done before; {counts.read} documents read")
    out.print(
        f"kept {counts.kept}, dropped {counts.dropped_by_strategy} by the strategy and "
        f"{counts.dropped_by_stock_steps} by stock steps; faults: {faults}; unreadable files: {counts.unreadable_files}"
    )
    if deduped:
        out.print(
            f"near-duplicates: {deduped['removed']} documents removed (clusters: {deduped['clusters']}), "
            f"{deduped['kept']} written; the removed are named in {done.books / 'dedup' / 'removed'}",
            soft_wrap=True,
        )
    findings = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.findings.items())) or "nothing"
    out.print(f"audit of {counts.audited} documents (also cleaned in another order): {findings} found")
    share = counts.chars_out / counts.chars_in if counts.chars_in else 0.0
    out.print(f"{share:.1%} of the characters kept; every fault is named in {done.books / 'faults'}", soft_wrap=True)
