"""Log-probabilities of continuations, from a model that answers in the sandbox. Trusted; knows nothing of lm-eval.

Questions are sorted by length, padded on the right (a causal model does not see what follows) and sent in few jobs.
Only hidden states come out; the head and the log-softmax are applied here. Of every job a share is audited.

Shapes: B batch, T time, D d_model, V vocabulary, N tokens that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arch import audit, exchange, scoring
from arch.inside.synthetic import Tokens
from tasks.contract import Failure, Sandbox

BATCH = 32
STATES_MB = 64  # of hidden states in one job; they are held in memory on both sides


class Stopped(Exception):
    """The model could not be asked, or cheated; `failure` says which."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Question:
    """How likely are the last `asked` of these tokens, after those before them?"""

    tokens: tuple[int, ...]
    asked: int

    def __post_init__(self) -> None:
        if not 1 <= self.asked < len(self.tokens):
            raise ValueError(f"{self.asked} of {len(self.tokens)} tokens are asked for: expected one at least, not all")


@dataclass(frozen=True, slots=True)
class Reply:
    """The sum of ln p over what was asked, and whether each of its tokens was the likeliest."""

    log_probability: float
    greedy: bool


def asker(model: exchange.Model, sandbox: Sandbox, audited: float, states_mb: int = STATES_MB) -> Asker:
    """Asks that model. Raises Unreadable for weights without a head of the right size."""
    head_VD = model.read().tensor("head.weight", (model.shape["vocabulary"], model.shape["d_model"]))
    return Asker(partial(exchange.states, model, sandbox=sandbox), head_VD, audited, states_mb)


class Answering(Protocol):
    """Whom lm-eval's tasks are put to: a trained model, wherever it runs."""

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows."""

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in their order. Raises Stopped."""


@dataclass(frozen=True)
class Asker:
    """A trained model in the sandbox: what gives its hidden states, and its head."""

    hidden: audit.Ask
    head_VD: NDArray[np.float64]
    audited: float
    states_mb: int = STATES_MB

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows."""
        return len(self.head_VD)

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in their order. Raises Stopped."""
        order = sorted(range(len(questions)), key=lambda i: -len(questions[i].tokens))
        replies: dict[int, Reply] = {}
        for job in _jobs(order, questions, self.states_mb * 2**20 // (4 * self.head_VD.shape[1])):
            texts = [np.array(questions[i].tokens[:-1], dtype=np.int64) for i in job]
            states = self._states(texts)
            for i, state_TD in zip(job, states, strict=True):
                replies[i] = self._reply(questions[i], state_TD)
        return [replies[i] for i in range(len(questions))]

    def _states(self, texts: Sequence[Tokens]) -> list[NDArray[np.float32]]:
        """The hidden states (T, D) of each text, audited."""
        batches = [_padded(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        answered = self._ask(batches)
        rows = (row_TD for states_BTD in answered for row_TD in states_BTD)
        states = [row_TD[: len(text)] for row_TD, text in zip(rows, texts, strict=True)]
        caught = audit.mismatch(self.hidden, texts, states, self.head_VD, self.audited)
        if caught is not None:
            raise Stopped(caught)
        return states

    def _ask(self, batches: Sequence[Tokens]) -> list[NDArray[np.float32]]:
        answered = self.hidden(batches)
        if isinstance(answered, Failure):
            raise Stopped(answered)
        return answered

    def _reply(self, question: Question, state_TD: NDArray[np.float32]) -> Reply:
        next_N = np.array(question.tokens[-question.asked :], dtype=np.int64)
        logarithms_N, greedy_N = scoring.log_probabilities(state_TD[-question.asked :], self.head_VD, next_N)
        return Reply(float(logarithms_N.sum()), bool(greedy_N.all()))


def _jobs(order: Sequence[int], questions: Sequence[Question], most: int) -> Iterator[list[int]]:
    """Questions in runs of at most so many tokens, padding included."""
    job: list[int] = []
    tokens = 0
    for i in order:
        longest = len(questions[job[0] if job else i].tokens)
        if job and tokens + longest > most:
            yield job
            job, tokens, longest = [], 0, len(questions[i].tokens)
        job.append(i)
        tokens += longest
    if job:
        yield job


def _padded(texts: Sequence[Tokens]) -> Tokens:
    """Texts (T,) as one (B, T), with zeros on the right."""
    whole = np.zeros((len(texts), max(len(text) for text in texts)), dtype=np.int64)
    for row, text in zip(whole, texts, strict=True):
        row[: len(text)] = text
    return whole
