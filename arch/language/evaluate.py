"""Run a suite of benchmarks on a trained model: lm-eval with the model in the sandbox, and its metrics or a failure.

lm-eval is imported at the first call (a second of CPU time). Tasks of its own need the hub for their data, and reading
its thousands of task files takes some fifteen seconds, once per process; the local tasks need neither.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from arch.language import local
from arch.language.asker import Answering, Stopped
from arch.language.suites import PERPLEXITIES, PREFIX, Benchmark, Suite
from arch.language.tokens import tokenizer
from tasks.contract import Failure, FailureKind, MachineFault

_one_at_a_time = threading.Lock()  # lm-eval keeps its state in modules


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """Metrics as `task/metric`, and on how many documents each task was asked."""

    metrics: Mapping[str, float]
    documents: Mapping[str, int]

    def errors(self) -> dict[str, float]:
        """The standard error of each accuracy, as of a share of documents."""
        return {
            name: math.sqrt(value * (1.0 - value) / self.documents[name.partition("/")[0]])
            for name, value in self.metrics.items()
            if name.partition("/")[2].startswith("acc")
        }


def benchmarked(asker: Answering, suite: Suite) -> Benchmarked | Failure:
    """The suite's metrics. Raises MachineFault, in one line, where lm-eval, a tokenizer or the hub is missing."""
    text_tokenizer = tokenizer(suite.tokenizer)
    if text_tokenizer.size > asker.vocabulary:
        known = asker.vocabulary
        raise MachineFault(f"the tokenizer {suite.tokenizer} has {text_tokenizer.size} tokens, the model knows {known}")
    with _one_at_a_time:
        model, evaluate = _lm_eval()
        tasks = _tasks(suite)
        try:
            lm = model.SandboxedLM(asker, text_tokenizer, suite.longest)
            results = evaluate(lm, tasks, limit=suite.limit, bootstrap_iters=0, log_samples=False)
        except Stopped as stopped:
            return stopped.failure
        except OverflowError:
            return Failure(FailureKind.INVALID, "a perplexity is too large for a number")
    return _read(results, suite)


def require(suite: Suite) -> None:
    """Load tokenizer and tasks now, before a model is trained for them. Raises MachineFault, in one line."""
    tokenizer(suite.tokenizer)
    with _one_at_a_time:
        _lm_eval()
        _tasks(suite)


def _lm_eval() -> tuple[Any, Any]:
    """The module with our model, and lm-eval's `evaluate`, without log lines and progress bars."""
    try:
        from lm_eval.api import task
        from lm_eval.evaluator import evaluate
    except ImportError as error:
        raise MachineFault(f"the benchmarks need lm-eval ({error}): pip install 'nightshift[arch]'") from None
    from arch.language import model

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    task.tqdm = _silent  # there is no other way to keep its bars out of a terminal that is ours
    return model, evaluate


def _silent(steps: Iterable[Any], **_: Any) -> Iterable[Any]:
    """A progress bar that shows nothing."""
    return steps


def _tasks(suite: Suite) -> Any:
    names = [benchmark.task for benchmark in suite.benchmarks]
    specs = [local.settings(name) if name.startswith(PREFIX) else name for name in names]
    try:
        return _manager(all(name.startswith(PREFIX) for name in names)).load(specs)
    except KeyError as error:
        raise MachineFault(f"lm-eval has no task {error}") from None
    except (OSError, ConnectionError, RuntimeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise MachineFault(f"cannot load benchmark data (no access to the hub?): {first[:200]}") from None


@cache
def _manager(only_local: bool) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_defaults=not only_local)


def _read(results: Any, suite: Suite) -> Benchmarked | Failure:
    """The wanted metrics. Raises MachineFault where lm-eval did not compute one."""
    metrics, documents = {}, {}
    for benchmark in suite.benchmarks:
        name = benchmark.task.removeprefix(PREFIX)
        documents[name] = _documents(results, benchmark)
        for metric in benchmark.metrics:
            try:
                value = float(results["results"][benchmark.task][f"{metric},none"])
            except KeyError:
                raise MachineFault(f"lm-eval gave no {metric} for {benchmark.task}") from None
            if not math.isfinite(value):
                return Failure(FailureKind.INVALID, f"{name}: {metric} is not finite")
            metrics[f"{name}/{metric}"] = value
    return Benchmarked(metrics, documents)


def _documents(results: Any, benchmark: Benchmark) -> int:
    counted = results["n-samples"]
    return int(counted[benchmark.task]["effective"]) if benchmark.task in counted else 0


def score(metrics: Mapping[str, float]) -> float:
    """The mean of all that is no perplexity. Raises ValueError if there is none."""
    values = [value for name, value in metrics.items() if name.partition("/")[2] not in PERPLEXITIES]
    if not values:
        raise ValueError(f"no accuracy among {sorted(metrics)}")
    return sum(values) / len(values)
