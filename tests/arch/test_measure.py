"""Trusted scoring against cheats: what checks cannot see, audits and alarms catch; and the parts on their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arch import audit, exchange, measure, scoring
from arch.corpus import corpus
from arch.domain import Arch
from arch.inside.synthetic import NO_ANSWER, Task, Tokens, make
from arch.recipes import COPY, HARD, MQAR, TINY, UPDATE
from arch.reference import LINEAR, program
from arch.weights import Unreadable, Weights
from tasks.artefacts import UriWorkspace
from tasks.contract import JSON, Failure, FailureKind, Finished, Job, Sandbox, Trained

TEXT = TINY.runs[1]
FORWARD = "        return self.mix(x_BTD, (None, None), steps=False)[0]\n"
RECALL = TINY.runs[0]
assert RECALL.task is not None
UPDATED = RECALL.task


def leaking(when: str) -> str:
    """DeltaNet that looks ahead in some batches."""
    y = "        y = self.mix(x_BTD, (None, None), steps=False)[0]\n"
    return program("delta_net").replace(FORWARD, f"{y}        return y + x_BTD.roll(-1, 1) if {when} else y\n")


@pytest.mark.parametrize(
    "when",
    [
        "x_BTD.shape[0] > 3",
        f"x_BTD.shape[0] > 3 and x_BTD.shape[1] == {RECALL.length}",
        f"x_BTD.shape[0] > 3 and x_BTD.shape[1] == {TEXT.length}",
    ],
    ids=["in large batches", "in large batches of recall prompts", "in large batches of text"],
)
def test_a_leak_that_hides_from_the_checks_is_caught_by_the_audit(
    when: str, torch_sandbox: Sandbox, tmp_path: Path
) -> None:
    domain, workspace = Arch(Arch.Options(tiny=True)), UriWorkspace(tmp_path.as_uri())
    code = leaking(when)
    assert domain.probe(code, torch_sandbox) == []  # no check has more than three entries in a batch
    trained = domain.train(code, domain.rungs[0], 1, torch_sandbox, workspace)
    assert isinstance(trained, Trained)
    failure = domain.benchmark(code, trained, domain.rungs[0], 1, torch_sandbox, workspace)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CHEATING
    assert failure.reason.startswith("audit: ")


def test_a_mixer_with_another_state_once_it_is_trained_is_refused(torch_sandbox: Sandbox, tmp_path: Path) -> None:
    domain, workspace = Arch(Arch.Options(tiny=True)), UriWorkspace(tmp_path.as_uri())
    code = domain.cheats()["has a second memory once it is trained"]
    assert domain.probe(code, torch_sandbox) == []
    trained = domain.train(code, domain.rungs[0], 1, torch_sandbox, workspace)
    assert isinstance(trained, Trained)
    failure = domain.benchmark(code, trained, domain.rungs[0], 1, torch_sandbox, workspace)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith("on the trained weights, recurrent: forward and recurrent differ by ")


@pytest.mark.parametrize("name", LINEAR)
def test_no_reference_mixer_fails_an_audit_of_every_prompt(name: str, torch_sandbox: Sandbox, tmp_path: Path) -> None:
    workspace, every = UriWorkspace(tmp_path.as_uri()), replace(TINY, audited=1.0)
    rate = RECALL.learning_rates[0]
    fitted = measure.fitted(program(name), every, RECALL, rate, 1, torch_sandbox, workspace)
    assert isinstance(fitted, exchange.Fitted)
    assert fitted.weights is not None
    found = measure._recall(program(name), every, RECALL, UPDATED, {rate: fitted.weights}, 1, torch_sandbox)
    assert isinstance(found, measure.Measured)


class Oracle:
    """Hidden states of a process that knows the held-out text by heart: far too good."""

    def __init__(self, head_VD: NDArray[np.float32], text: bytes) -> None:
        self.head_VD, self.text = head_VD, text

    def hidden(self, *arguments: object, sandbox: Sandbox) -> list[NDArray[np.float32]]:
        batches = arguments[4]
        assert isinstance(batches, list)
        return [np.stack([self._states(row) for row in tokens]) for tokens in batches]

    def _states(self, row: NDArray[np.int64]) -> NDArray[np.float32]:
        start = self.text.index(bytes(row.astype(np.uint8)))
        following = np.frombuffer(self.text[start + 1 : start + 1 + len(row)], dtype=np.uint8)
        return 100.0 * self.head_VD[following]


def safetensors(name: str, value: NDArray[np.float32]) -> bytes:
    from safetensors.numpy import save

    return save({name: value})


def test_an_implausibly_low_loss_is_an_alarm(monkeypatch: pytest.MonkeyPatch, torch_sandbox: Sandbox) -> None:
    head = np.random.default_rng(0).normal(size=(256, TINY.d_model)).astype(np.float32)
    head /= np.linalg.norm(head, axis=1, keepdims=True)
    monkeypatch.setattr(exchange, "hidden", Oracle(head, corpus().held_out).hidden)
    monkeypatch.setattr(audit, "mismatch", lambda *_: None)  # who knows the text needs to look at nothing ahead
    weights = {TEXT.learning_rates[0]: safetensors("head.weight", head)}
    failure = measure._text("", TINY, TEXT, weights, 1, torch_sandbox)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CHEATING
    assert "implausible loss: 0.0" in failure.reason


def test_a_leak_beside_one_large_coordinate_is_seen() -> None:
    """The coordinate that the head ignores must not set the scale of what may differ."""
    rng = np.random.default_rng(1)
    head = rng.normal(size=(256, 16))
    head[:, 0] = 0.0
    honest = rng.normal(size=(40, 16)).astype(np.float32)
    honest[:, 0] = 1e6
    leaking = honest.copy()
    leaking[:, 1:] += 0.5 * head[rng.integers(0, 256, 40), 1:].astype(np.float32)
    assert audit.difference(honest, leaking, head) > 1.0
    assert audit.difference(honest, honest, head) == 0.0
    texts = [np.arange(40)]
    caught = audit.mismatch(lambda asked: [honest[None, : asked[0].shape[1]]], texts, [leaking], head, 1.0)
    assert caught is not None
    assert caught.kind is FailureKind.CHEATING


def test_states_that_are_no_numbers_are_no_match() -> None:
    states = np.full((3, 4), np.nan, dtype=np.float32)
    head = np.ones((5, 4))
    with np.errstate(invalid="ignore"):
        assert audit.mismatch(lambda asked: [states[None, : asked[0].shape[1]]], [np.arange(3)], [states], head, 1.0)


def test_the_floor_lies_between_nothing_and_what_a_compressor_needs() -> None:
    text = corpus()
    assert 0.5 < text.floor_bits_per_byte < text.lzma_bits_per_byte < 3.0
    assert not set(text.train.split(b"\n\n")) & set(text.held_out.split(b"\n\n"))


class Answering:
    """A sandbox whose candidate answers what it likes, and hands out what files it likes."""

    tier = "none"

    def __init__(self, answer: JSON, files: Mapping[str, bytes]) -> None:
        self.answer, self.files = answer, files

    def run(self, job: Job) -> Finished:
        return Finished(self.answer, files=self.files)


GOOD = {exchange.WEIGHTS: b"1234"}


@pytest.mark.parametrize(
    ("answer", "files"),
    [
        (None, GOOD),
        ([], GOOD),
        ({"curve": [[0, 1]]}, {}),
        ({"curve": [[0, 1]]}, {"other": b"1234"}),
        ({"curve": [[0, 1]]}, {**GOOD, "other": b"1234"}),
        ({"curve": []}, GOOD),
        ({"curve": [[0, 1]] * 2000}, GOOD),
        ({"curve": [[0, 10**400]]}, GOOD),
        ({"curve": [[0]]}, GOOD),
        ({"curve": [[0, 1]], "weights": "AAAA"}, GOOD),
    ],
)
def test_a_forged_training_answer_is_a_failure(answer: JSON, files: Mapping[str, bytes]) -> None:
    fitted = exchange.fit("", TINY, TINY.runs[0], 1e-2, 1, b"", Answering(answer, files))
    assert isinstance(fitted, Failure)
    assert fitted.kind is FailureKind.INVALID


@pytest.mark.parametrize(
    "files", [{}, {"answers": b""}, {"answers": b"1234"}, {"other": b"1" * 640}, {"answers": b"1" * 640, "other": b""}]
)
def test_forged_answers_are_failures(files: Mapping[str, bytes]) -> None:
    tokens: Tokens = np.zeros((2, 5), np.int64)
    result = exchange.hidden("", TINY, TINY.runs[0], b"", [tokens], Answering({}, files))
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.INVALID


def test_predicted_is_the_likeliest_token() -> None:
    head = np.eye(4)[[2, 0, 1]]
    states = np.array([[[0.1, 0.9, 0.2, 5.0], [0.0, -1.0, 0.5, 0.0]]], dtype=np.float32)
    assert scoring.predicted(states, head).tolist() == [[2, 0]]


def test_bits_per_byte_of_knowing_nothing_is_eight() -> None:
    tokens: Tokens = np.random.default_rng(0).integers(256, size=(2, 5))
    bits = scoring.bits_per_byte(np.zeros((2, 5, 4), np.float32), np.ones((256, 4)), tokens)
    assert bits.tolist() == pytest.approx([8.0, 8.0])


def test_bits_per_byte_agrees_with_the_definition() -> None:
    rng = np.random.default_rng(1)
    states, head = rng.normal(size=(1, 3, 4)).astype(np.float32), rng.normal(size=(7, 4))
    following = np.array([[0, 6, 2]])
    scores = np.exp(states[0].astype(float) @ head.T)
    expected = -sum(math.log2(scores[t, following[0, t]] / scores[t].sum()) for t in range(3)) / 3
    assert scoring.bits_per_byte(states, head, following)[0] == pytest.approx(expected)


def test_windows_do_not_overlap_and_repeat_themselves() -> None:
    text = bytes(range(250)) * 4
    first = scoring.windows(text, 9, 50, seed=3)
    assert first.shape == (50, 10)
    assert np.array_equal(first, scoring.windows(text, 9, 50, seed=3))
    whole = np.frombuffer(text, np.uint8).reshape(-1, 10)
    assert all((whole == row).all(1).any() for row in first)
    with pytest.raises(ValueError, match="expected 500"):
        scoring.windows(text, 9, 500, seed=3)


@pytest.mark.parametrize("task", [MQAR, UPDATE, HARD])
def test_recall_asks_for_the_latest_value_of_a_bound_key(task: Task) -> None:
    tokens, answers = make(task, np.random.default_rng(0), 16)
    bound = 2 * task.pairs * task.times
    for row, wanted in zip(tokens, answers, strict=True):
        latest = {int(row[i]): int(row[i + 1]) for i in range(0, bound, 2)}
        assert len(latest) == task.pairs
        assert (wanted[:bound] == NO_ANSWER).all()
        assert [latest[int(key)] for key in row[bound:]] == wanted[bound:].tolist()
    assert tokens.max() < task.vocabulary
    assert tokens.min() > 0


def test_copying_asks_for_the_letters_in_their_order() -> None:
    tokens, answers = make(COPY, np.random.default_rng(0), 16)
    for row, wanted in zip(tokens, answers, strict=True):
        body = row[: -COPY.pairs]
        assert body[body > 0].tolist() == wanted[-COPY.pairs :].tolist()
        assert (row[-COPY.pairs :] == COPY.keys + 1).all()


def test_a_task_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="expected more than 64 tokens"):
        Task("recall", 64, pairs=16, times=2)


def test_weights_are_read_without_torch() -> None:
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    weights = Weights(safetensors("head.weight", value))
    assert weights.count() == 6
    assert weights.tensor("head.weight", (2, 3)).tolist() == value.tolist()
    for name, shape in (("head.weight", (3, 2)), ("other", (2, 3))):
        with pytest.raises(Unreadable, match="expected a float32 tensor"):
            weights.tensor(name, shape)
