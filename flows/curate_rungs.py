"""`nightshift curate rung`: train a model of fixed design on data sets, each with the same tokens, and benchmark it.

This composes two domains that do not know each other: curation says which sizes (curation/rungs.py), arch has the
shards, the trainer and lm-eval's tasks. The design is arch's softmax reference, which is ours and not a candidate, so
it runs without a sandbox; no strategy runs here. Without a GPU only --toy and --write-only work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cognition.records import MachineFault
from flows import output
from flows.config import ConfigError
from flows.output import JsonFlag

if TYPE_CHECKING:
    from arch.scales import Scale

EVALUATE = Path(__file__).parent / "curate_benchmark.py"
REPOSITORY = Path(__file__).parents[1]


def rung(
    name: Annotated[str, typer.Argument(help="proxy or paper")] = "proxy",
    data: Annotated[list[str] | None, typer.Option("--in", help="NAME=FOLDER, for each data set to compare")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A folder for shards, runs and results")] = None,
    tokenizer: Annotated[str, typer.Option(help="bytes, or a tokenizer of the hub or in a folder")] = "bytes",
    seeds: Annotated[int | None, typer.Option(min=1, help="Training runs for each data set")] = None,
    text_column: Annotated[str, typer.Option(help="The column that holds the text")] = "text",
    toy: Annotated[bool, typer.Option("--toy", help="A tiny model on a CPU, in seconds: whether it works")] = False,
    write_only: Annotated[bool, typer.Option("--write-only", help="Write shards and run.json, train nothing")] = False,
    as_json: JsonFlag = False,
) -> None:
    """What a rung with trained models takes; with --in, train on each data set with equal tokens and benchmark."""
    from curation.rungs import RUNGS, TOY

    if name not in RUNGS:
        raise ConfigError(f"curation has no rung {name!r}: expected one of {', '.join(RUNGS)}")
    sizes = TOY if toy else RUNGS[name]
    sets = dict(_named(entry) for entry in data or [])
    scale = scale_of(sizes)
    count = seeds or sizes.seeds
    told = forecast(name, scale, len(sets) or 1, count, [task for task, _ in sizes.tasks])
    (output.errors if as_json else output.console).print("toy: no forecast" if toy else told, soft_wrap=True)
    if not sets:
        return
    if out is None:
        raise ConfigError("--out FOLDER: where shards, runs and results go")
    results = [
        _arm(label, folder, out, sizes, scale, tokenizer, seed, text_column, toy, write_only)
        for label, folder in sets.items()
        for seed in range(count)
    ]
    output.present({"rung": "toy" if toy else name, "runs": results}, as_json, _print)


def forecast(name: str, scale: Scale, sets: int, seeds: int, tasks: list[str]) -> str:
    """One line on what all runs together take; GPU figures are computed from assumptions, none is measured."""
    from arch import scales

    hours = scale.gpu_h() * sets * seeds
    return (
        f"{scales.forecast(name, scale)}\n{name}: {sets} data sets x {seeds} seeds = {hours:,.3g} GPU-hours; "
        f"benchmarks by lm-eval: {', '.join(tasks)}. Speed, memory and scores on GPUs: not measured"
    )


def scale_of(sizes: Any) -> Scale:
    """The sizes as arch's trainer wants them."""
    from arch.language.suites import Benchmark, Suite
    from arch.scales import Scale

    suite = Suite(tuple(Benchmark(task, (metric,)) for task, metric in sizes.tasks), limit=None, longest=sizes.length)
    return Scale(
        sizes.n_layers, sizes.d_model, sizes.n_heads, sizes.steps, sizes.sequences, sizes.learning_rate, sizes.gpus,
        sizes.micro_batch, suite, sizes.length, sizes.vocabulary,
    )  # fmt: skip


def _named(entry: str) -> tuple[str, Path]:
    label, equals, folder = entry.partition("=")
    if not equals or not label.isidentifier() or not Path(folder).exists():
        raise ConfigError(f"--in {entry}: expected NAME=FOLDER, with a folder or file that is there")
    return label, Path(folder)


def _arm(
    label: str,
    folder: Path,
    out: Path,
    sizes: Any,
    scale: Scale,
    tokenizer: str,
    seed: int,
    text_column: str,
    toy: bool,
    write_only: bool,
) -> dict[str, Any]:
    """One data set and seed: shards (made once), run.json, training, benchmarks."""
    from arch import shards, train_gpu
    from arch.language.tokens import tokenizer as loaded
    from arch.reference import program

    encoder = loaded(tokenizer)
    if encoder.size > sizes.vocabulary:
        raise ConfigError(
            f"--tokenizer {tokenizer} has {encoder.size} tokens, the model of this rung {sizes.vocabulary}"
        )
    home = out / label
    shards.write(_texts(folder, text_column), encoder, home / "shards", sizes.tokens)
    run = home / f"seed-{seed}"
    run.mkdir(parents=True, exist_ok=True)
    (run / "mixer.py").write_text(program("softmax_rope"), encoding="utf-8")
    planned = train_gpu.plan(scale, run / "mixer.py", home / "shards", run, toy, None) | {"seed": seed}
    (run / "run.json").write_text(json.dumps(planned, indent=1), encoding="utf-8")
    report: dict[str, Any] = {"data": label, "seed": seed, "tokens": sizes.tokens, "folder": str(run)}
    if write_only:
        return report
    _run(train_gpu.command(run / "run.json", 1 if toy else sizes.gpus), train_gpu.environment())
    last = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    report["loss"] = json.loads(last)["loss"]
    return report | {"benchmarks": _benchmarked(run, sizes, tokenizer, train_gpu.environment())}


def _texts(folder: Path, text_column: str) -> Iterator[str]:
    """The documents of a data set, as `apply` reads them."""
    from curation.scale.sources import SourceSettings, sample_all

    root, pattern = (folder.parent, folder.name) if folder.is_file() else (folder, "**/*")
    return sample_all(SourceSettings(root=str(root), pattern=pattern, text_column=text_column))


def _benchmarked(run: Path, sizes: Any, tokenizer: str, environment: dict[str, str]) -> dict[str, float]:
    asked = {"tasks": [list(task) for task in sizes.tasks], "tokenizer": tokenizer, "longest": max(512, sizes.length)}
    (run / "benchmarks.ask.json").write_text(json.dumps(asked), encoding="utf-8")
    path = f"{environment['PYTHONPATH']}:{REPOSITORY}"
    _run([sys.executable, str(EVALUATE), str(run)], {**environment, "PYTHONPATH": path})
    metrics: dict[str, float] = json.loads((run / "benchmarks.json").read_text(encoding="utf-8"))
    return metrics


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MachineFault(f"{Path(command[-1]).name or command[0]} ended with code {done.returncode}: {last[:400]}")


def _print(console: Any, report: dict[str, Any]) -> None:
    for each in report["runs"]:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in sorted(each.get("benchmarks", {}).items()))
        console.print(f"{each['data']}, seed {each['seed']}: {each['tokens']:,} tokens; {scores or each['folder']}")
