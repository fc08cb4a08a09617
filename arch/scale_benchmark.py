"""Benchmark on a rung on GPUs: held-out text, lm-eval, audits, causality and sizes. Trusted; no torch.

The weights go in as a file that is bound read-only; hidden states come out, and the head is applied here by numpy. How
long that takes for a large model and whole suites was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from arch import exchange, scale_plan
from arch.exchange import WEIGHTS, Model
from arch.language.asker import Asker, Question, Stopped, asker
from arch.language.evaluate import benchmarked, score
from arch.language.tokens import Tokenizer, tokenizer
from arch.measure import TRAINED_CHECKS, trained_sizes
from arch.scale_train import folder, require_cuda
from arch.scales import JOB_WALL_S, Scale
from arch.weights import Unreadable
from tasks.contract import Failure, FailureKind, MachineFault, Measurements, Sandbox, Trained, Workspace
from tasks.probed import WrongForm

STATES_MB = 512  # of hidden states in one job: each job starts torch and CUDA anew
LEAST_BITS_PER_BYTE = 0.3  # the largest models stay above 0.5 on text that they have not seen
CHECKED_MEMORY_MB = 32_768


def measured(
    code: str, trained: Trained, scale: Scale, held_out: Sequence[str], sandbox: Sandbox, workspace: Workspace
) -> Measurements | Failure:
    """All metrics, or why there are none. The speeds among them are what the candidate's process said.

    Raises NoCuda where the failure was the machine's.
    """
    found = _measured(code, trained, scale, held_out, sandbox, workspace)
    if scale.gpus and isinstance(found, Failure) and found.kind is not FailureKind.CHEATING:
        require_cuda(1, sandbox)
    return found


def _measured(
    code: str, trained: Trained, scale: Scale, held_out: Sequence[str], sandbox: Sandbox, workspace: Workspace
) -> Measurements | Failure:
    model = _model(code, scale, folder(workspace) / WEIGHTS)
    try:
        asked = asker(model, sandbox, scale.suite.audited, STATES_MB)
    except Unreadable as error:
        return Failure(FailureKind.INVALID, f"the trained weights: {error}")
    text = validation(asked, tokenizer(scale.tokenizer), held_out, scale)
    if isinstance(text, Failure):
        return text
    language = benchmarked(asked, scale.suite)
    if isinstance(language, Failure):
        return language
    sizes = _sizes(model, scale, sandbox)
    if isinstance(sizes, Failure):
        return sizes
    metrics = {**text, **language.metrics, "benchmark_accuracy": score(language.metrics), **sizes, **_told(trained)}
    return Measurements(metrics, {"documents": dict(language.documents)}, trained.logs, trained.cost, trained.artefacts)


def _model(code: str, scale: Scale, weights: Path) -> Model:
    """It is asked on one GPU, in float32."""
    if scale.gpus == 0:
        return Model(code, scale_plan.shape(scale), weights, cpu_s=60.0, wall_s=scale.wall_s)
    memory_mb = 4 * STATES_MB + 16_384
    return Model(code, scale_plan.shape(scale), weights, 16 * JOB_WALL_S, JOB_WALL_S, memory_mb, gpus=1)


def validation(asked: Asker, encoder: Tokenizer, documents: Sequence[str], scale: Scale) -> dict[str, float] | Failure:
    """Nats per token and bits per byte of documents that nobody trained on, each token predicted once."""
    tokens = [encoder.encode(text) for text in documents]
    if not any(tokens):
        raise MachineFault("the held-out documents are empty")
    questions = [question for each in tokens for question in windows(each, encoder.separator, scale.length)]
    try:
        nats = -sum(reply.log_probability for reply in asked.replies(questions))
    except Stopped as stopped:
        return stopped.failure
    bits = nats / math.log(2.0) / sum(len(text.encode()) for text in documents)
    if not math.isfinite(bits):
        return Failure(FailureKind.INVALID, "the validation loss is not finite")
    if bits < LEAST_BITS_PER_BYTE:
        reason = (
            f"implausible loss: {bits:.3f} bits per byte of held-out text, under the floor of {LEAST_BITS_PER_BYTE}"
        )
        return Failure(FailureKind.CHEATING, reason)
    return {"validation_loss": nats / sum(map(len, tokens)), "bits_per_byte": bits}


def windows(tokens: Sequence[int], separator: int, longest: int) -> list[Question]:
    """A document in pieces without a common part; each piece knows the one token before it.

    >>> [(q.tokens, q.asked) for q in windows([5, 6, 7], 0, 2)]
    [((0, 5, 6), 2), ((6, 7), 1)]
    """
    whole = (separator, *tokens)
    starts = range(0, len(tokens), longest)
    return [Question(whole[at : at + longest + 1], min(longest, len(tokens) - at)) for at in starts]


def _sizes(model: Model, scale: Scale, sandbox: Sandbox) -> dict[str, float] | Failure:
    """Causality of the trained mixer at the training length, and its sizes. On a CPU, in float64."""
    limits = (60.0, 240.0, model.memory_mb) if scale.gpus == 0 else (3600.0, 7200.0, CHECKED_MEMORY_MB)
    cpu = replace(model, gpus=0, cpu_s=limits[0], wall_s=limits[1], memory_mb=limits[2])
    probed = exchange.probe_model(cpu, TRAINED_CHECKS, (97, scale.length), sandbox)
    if isinstance(probed, Failure):
        return probed
    try:
        sizes = trained_sizes(probed.numbers, model.read())
    except WrongForm as error:
        return Failure(FailureKind.INVALID, f"the checks of the trained weights: {error}")
    if isinstance(sizes, Failure):
        return sizes
    widths = {name: float(model.shape[name]) for name in ("d_model", "n_heads", "head_dim")}
    return {**sizes, **widths}


def _told(trained: Trained) -> dict[str, float]:
    """What training said of its speed; scale_leftovers.py has checked that these are numbers."""
    told = trained.summary["metrics"]
    return {f"train/{name}": float(value) for name, value in told.items()}
