"""A suite of benchmarks on a model in a folder: lm-eval lets it answer (`generate_until`), and the metrics or a fault.

The model is weights and a known architecture (no code of a model is ever run), so it answers in this process; answers
are compared in another (rl/verifying), and programs that it writes run in the sandbox (programs.py). With `problems` a
folder holds NAME.jsonl for each of our tasks, shaped as its data set on the hub; OFFLINE has a few of our own making.
lm-eval and torch are imported at the first call.
"""

from __future__ import annotations

import json
import logging
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.language import programs
from rl.language.suites import PREFIX, Benchmark
from tasks.contract import MachineFault

TASKS = Path(__file__).parent / "tasks"
OFFLINE = Path(__file__).parent / "offline"
LARGEST_RANK = 64  # of an adapter, for vLLM
MOST_PASSED_OVER = 0.01  # of a data set's problems, exclusive: more is another benchmark
BOOTSTRAPS = 2  # at 0 lm-eval gives no standard error of a mean either, which it computes without any


@dataclass(frozen=True, slots=True)
class Model:
    """What answers. `adapter`: a LoRA folder on top of `folder`, or None."""

    folder: str
    tokenizer: str
    adapter: str | None = None
    engine: str = "transformers"  # or vllm
    device: str = "cuda"
    batch: int = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is asked; None: as the task says."""

    samples: int | None = None
    limit: int | None = None
    longest: int | None = None  # tokens of an answer
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark: the share of right answers, its standard error over problems, and how much was asked.

    `problems` are those that count; `passed_over` says of the others why their tests cannot be run.
    """

    value: float
    standard_error: float | None
    problems: int
    samples: int
    passed_over: tuple[str, ...] = ()


def benchmarked(
    model: Model, suite: Sequence[Benchmark], asked: Asked, problems: Path | None = None, unsafe: bool = False
) -> dict[str, Result]:
    """Every benchmark's result. Raises MachineFault, in one line, where lm-eval, a data set or a file is missing.

    `unsafe`: programs may run where nothing confines them, if there is no sandbox.
    """
    lm_eval = _lm_eval()
    over: programs.PassedOver = {}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        if any(each.runs_programs for each in suite):
            over = stack.enter_context(_sandboxed(Path(scratch, "sandbox"), unsafe))
        tasks = _tasks(suite, asked, problems, Path(scratch))
        answers = _answering(model, asked.seed)
        found = lm_eval(answers, tasks, limit=asked.limit, bootstrap_iters=BOOTSTRAPS, log_samples=False)
    return {each.name: _result(found, each, asked, tuple(over.get(each.name, ()))) for each in suite}


@contextmanager
def _sandboxed(folder: Path, unsafe: bool) -> Iterator[programs.PassedOver]:
    """A sandbox for what models write. Raises SandboxUnavailable."""
    from tasks.sandbox import open_sandbox

    with open_sandbox(folder, unsafe=unsafe, zygotes=1) as sandbox, programs.judging(sandbox) as over:
        yield over


def _lm_eval() -> Any:
    try:
        from lm_eval.api import task
        from lm_eval.evaluator import evaluate
    except ImportError as error:
        raise MachineFault(f"the benchmarks need lm-eval ({error}): pip install 'nightshift[rl]'") from None
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    task.tqdm = _silent  # there is no other way to keep its bars out of a terminal that is ours
    return evaluate


def _silent(steps: Iterable[Any], **_: Any) -> Iterable[Any]:
    """A progress bar that shows nothing."""
    return steps


def _tasks(suite: Sequence[Benchmark], asked: Asked, problems: Path | None, scratch: Path) -> Any:
    from lm_eval.tasks import TaskManager

    ours = [each for each in suite if each.task.startswith(PREFIX)]
    if problems is not None and len(ours) < len(suite):
        raise MachineFault("files of problems serve our own tasks only: choose another suite than wider")
    specs = [_written(each, asked, problems, scratch) if each in ours else each.task for each in suite]
    try:
        return TaskManager(include_defaults=len(ours) < len(suite)).load(specs)
    except KeyError as error:
        raise MachineFault(f"lm-eval has no task {error}") from None
    except (OSError, RuntimeError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MachineFault(f"cannot load benchmark data (no access to the hub?): {first[:200]}") from None


def _written(benchmark: Benchmark, asked: Asked, problems: Path | None, scratch: Path) -> str:
    """A task file that includes ours and says what differs. JSON is YAML, but for lm-eval's !function."""
    samples = asked.samples or benchmark.samples
    settings: dict[str, Any] = {"include": str(TASKS / f"{benchmark.name}.yaml"), "task": benchmark.task}
    taken = {"function": "take_first_k", "k": samples}
    settings |= {"repeats": samples, "filter_list": [{"name": benchmark.filter, "filter": [taken]}]}
    settings["generation_kwargs"] = _generation(samples, asked.longest, benchmark.until)
    lines = [f"{name}: {json.dumps(value)}" for name, value in settings.items()]
    if problems is not None:
        path = (problems / f"{benchmark.name}.jsonl").resolve()
        if not path.is_file():
            raise MachineFault(f"there is no file {path} with the problems of {benchmark.name}")
        lines += [f"custom_dataset: !function {TASKS / 'scored'}.from_file", "test_split: test"]
        lines.append(f"dataset_kwargs: {json.dumps({'path': str(path), 'split': 'test'})}")
    place = scratch / f"{benchmark.name}.yaml"
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(place)


def _generation(samples: int, longest: int | None, until: tuple[str, ...]) -> dict[str, Any]:
    """Several answers are sampled at temperature 1, one is the likeliest."""
    chance: dict[str, Any] = {"do_sample": True, "temperature": 1.0} if samples > 1 else {"do_sample": False}
    return {"until": list(until), "max_gen_toks": longest or 8192, **chance}


def _answering(model: Model, seed: int) -> Any:
    """lm-eval's own back ends: transformers, or vLLM where it is installed. Raises MachineFault."""
    import torch

    if model.device != "cpu" and not torch.cuda.is_available():
        raise MachineFault("no CUDA device was found: with --device cpu a small model answers slowly")
    torch.manual_seed(seed)  # they draw from the global generator
    if model.engine == "vllm":
        try:
            from lm_eval.models.vllm_causallms import VLLM
        except ImportError as error:
            raise MachineFault(f"vllm is not installed ({error}): pip install 'trl[vllm]'") from None

        more: dict[str, Any] = {}
        if model.adapter:
            more = {"lora_local_path": model.adapter, "max_lora_rank": LARGEST_RANK}
        return VLLM(pretrained=model.folder, tokenizer=model.tokenizer, seed=seed, batch_size="auto", **more)
    from lm_eval.models.huggingface import HFLM

    dtype = "float32" if model.device == "cpu" else "bfloat16"
    return HFLM(
        pretrained=model.folder, tokenizer=model.tokenizer, peft=model.adapter, device=model.device, dtype=dtype,
        batch_size=model.batch,
    )  # fmt: skip


def _result(found: Mapping[str, Any], benchmark: Benchmark, asked: Asked, over: tuple[str, ...]) -> Result:
    counted = found["n-samples"]
    count = int(counted[benchmark.task]["effective"]) if benchmark.task in counted else 0
    asked_for = count + len(over)  # lm-eval counts those that have a share
    if over and len(over) >= MOST_PASSED_OVER * asked_for:
        raise MachineFault(f"{len(over)} of {asked_for} problems of {benchmark.name} cannot be judged: {over[0]}")
    try:
        metrics = found["results"][benchmark.task]
        value = float(metrics[f"{benchmark.metric},{benchmark.filter}"])
    except KeyError as error:
        raise MachineFault(f"lm-eval gave no {benchmark.metric} for {benchmark.task} ({error})") from None
    name = f"{benchmark.metric}_stderr,{benchmark.filter}"
    spread = metrics.get(name)  # lm-eval's own table: not every metric has one
    is_ours = benchmark.task.startswith(PREFIX)
    known = isinstance(spread, float) and math.isfinite(spread)
    samples = (asked.samples or benchmark.samples) if is_ours else 1
    return Result(value, spread if known else None, count, samples, over)
