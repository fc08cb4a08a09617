"""Benchmarks through lm-eval: what is scored, what is caught, what it costs; with a tiny model of a few steps."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from arch import exchange
from arch.corpus import corpus
from arch.language import asker as asking
from arch.language import evaluate, local
from arch.language.asker import Asker, Question, Reply
from arch.language.suites import LOCAL, OFFLINE, Benchmark, Suite
from arch.language.tokens import Bytes, tokenizer
from arch.recipes import TINY
from arch.reference import program
from arch.weights import Unreadable, Weights
from tasks.contract import Failure, FailureKind, Finished, Job, MachineFault, Sandbox
from tests.arch.test_measure import FORWARD, leaking

TEXT = TINY.text


@pytest.fixture(scope="module")
def weights(torch_sandbox: Sandbox) -> bytes:
    fitted = exchange.fit(program("delta_net"), TINY, TEXT, 1e-2, 1, corpus().train, torch_sandbox)
    assert isinstance(fitted, exchange.Fitted)
    assert fitted.weights is not None
    return fitted.weights


def asker(weights: bytes, sandbox: Sandbox, code: str = program("delta_net"), audited: float = 0.05) -> Asker:
    return asking.asker(exchange.model_of(code, TINY, TEXT, weights), sandbox, audited)


def tokens(text: str) -> tuple[int, ...]:
    return tuple(Bytes().encode(text))


def test_replies_are_the_sum_of_log_probabilities(weights: bytes, torch_sandbox: Sandbox) -> None:
    texts = ["the statement is executed", "a b", "with an expression and more of it"] * 20  # several batches
    questions = [Question(tokens(text), 1 + len(text) // 3) for text in texts]
    replies = asker(weights, torch_sandbox).replies(questions)
    head = Weights(weights).tensor("head.weight", (256, TINY.d_model))
    for question, reply in list(zip(questions, replies, strict=True))[:3]:
        whole = np.array([question.tokens[:-1]])
        states = exchange.hidden(program("delta_net"), TINY, TEXT, weights, [whole], torch_sandbox)
        assert not isinstance(states, Failure)
        logits = states[0][0].astype(float) @ head.T
        p_TV = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        asked = range(len(question.tokens) - question.asked, len(question.tokens))
        expected = sum(math.log(p_TV[t - 1, question.tokens[t]]) for t in asked)
        assert reply.log_probability == pytest.approx(expected, rel=1e-4)
        assert reply.greedy == all(p_TV[t - 1].argmax() == question.tokens[t] for t in asked)


class Counting:
    """A sandbox that keeps its jobs and adds up their CPU time."""

    def __init__(self, inner: Sandbox) -> None:
        self.inner, self.cpu_s, self.jobs, self.tier = inner, 0.0, list[Job](), inner.tier

    def run(self, job: Job) -> Finished | Failure:
        done = self.inner.run(job)
        self.jobs.append(job)
        assert isinstance(done, Finished)
        self.cpu_s += done.cost.cpu_s
        return done


def test_three_local_tasks_of_a_hundred_documents_in_four_jobs_and_ten_seconds(
    weights: bytes, torch_sandbox: Sandbox
) -> None:
    counting, began = Counting(torch_sandbox), time.process_time()
    done = evaluate.benchmarked(asker(weights, counting), OFFLINE)
    cpu_s = time.process_time() - began + counting.cpu_s
    assert isinstance(done, evaluate.Benchmarked)
    assert dict(done.documents) == {"choice": 100, "cloze": 100, "rolling": 100}
    names = "choice/acc choice/acc_bytes cloze/acc cloze/perplexity rolling/bits_per_byte rolling/byte_perplexity"
    assert list(done.metrics) == names.split()
    assert 5.0 < done.metrics["rolling/bits_per_byte"] < 9.0  # after six steps: little better than a guess
    assert set(done.errors()) == {"choice/acc", "choice/acc_bytes", "cloze/acc"}
    assert len(counting.jobs) == 4  # likelihoods and rolling ones, and an audit of each
    audited = [len(job.request["batches"]) for job in counting.jobs[1::2] if isinstance(job.request, dict)]
    assert audited == [25, 5]  # 5% of 400 choices and 100 words, and of 100 passages
    assert cpu_s < 10.0


def test_no_answer_and_no_gold_number_goes_into_the_sandbox(weights: bytes, torch_sandbox: Sandbox) -> None:
    counting = Counting(torch_sandbox)
    evaluate.benchmarked(asker(weights, counting), Suite(LOCAL[:1], limit=3))
    for job in counting.jobs:
        assert isinstance(job.request, dict)
        assert set(job.request) == {"shape", "weights", "device", "batches"}


def test_a_model_that_looks_ahead_is_caught_by_the_audit(weights: bytes, torch_sandbox: Sandbox) -> None:
    looking = leaking("x_BTD.shape[0] > 3")
    failure = evaluate.benchmarked(asker(weights, torch_sandbox, looking), OFFLINE)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CHEATING
    assert failure.reason.startswith("audit: ")


def test_a_model_that_crashes_is_a_failure_and_no_score(weights: bytes, torch_sandbox: Sandbox) -> None:
    broken = program("delta_net").replace(FORWARD, "        raise ValueError('no')\n")
    failure = evaluate.benchmarked(asker(weights, torch_sandbox, broken), OFFLINE)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CRASH


def test_weights_without_a_head_are_a_failure(torch_sandbox: Sandbox) -> None:
    with pytest.raises(Unreadable, match="not a safetensors file"):
        asker(b"", torch_sandbox)


class Scripted:
    """An asker that says -1 for each token and keeps what it was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def replies(self, questions: Sequence[Question]) -> list[Reply]:
        self.questions.extend(questions)
        return [Reply(-float(question.asked), True) for question in questions]


def scripted(longest: int) -> tuple[Scripted, Any]:
    from arch.language.model import SandboxedLM

    asked: Any = Scripted()
    return asked, SandboxedLM(asked, Bytes(), longest)


@pytest.mark.parametrize("longest", [3, 4, 100])
def test_rolling_asks_for_every_token_once(longest: int) -> None:
    asked, model = scripted(longest)
    texts = ["abcdefghij", "", "xyz"]
    assert model.loglikelihood_rolling([SimpleNamespace(args=(text,)) for text in texts]) == [-10.0, 0.0, -3.0]
    predicted = [question.tokens[-question.asked :] for question in asked.questions]
    assert b"".join(map(bytes, predicted)) == b"abcdefghijxyz"
    assert all(len(question.tokens) <= longest + 1 for question in asked.questions)


def test_a_long_context_loses_its_beginning_and_an_answer_is_never_cut() -> None:
    asked, model = scripted(6)
    assert model.loglikelihood([SimpleNamespace(args=("0123456789", " abc"))]) == [(-4.0, True)]
    assert bytes(asked.questions[0].tokens) == b"789 abc"
    with pytest.raises(MachineFault, match="an answer has 7 tokens"):
        model.loglikelihood([SimpleNamespace(args=("0", "1234567"))])


def test_a_continuation_without_context_follows_the_separator() -> None:
    asked, model = scripted(6)
    model.loglikelihood([SimpleNamespace(args=("", "ab"))])
    assert asked.questions == [Question((10, 97, 98), 2)]


@pytest.mark.parametrize("asked", [0, 3, -1])
def test_a_question_without_an_answer_is_refused(asked: int) -> None:
    with pytest.raises(ValueError, match="expected one at least"):
        Question((1, 2, 3), asked)


def test_local_documents_are_held_out_text() -> None:
    held_out = corpus().held_out.decode()
    assert all(text in held_out for text in local.passages())
    for document, text in zip(local.choices(), local.passages(), strict=True):
        assert len(set(document["choices"])) == local.CHOICES
        assert text.startswith(document["context"] + document["choices"][document["gold"]])
    for document, text in zip(local.clozes(), local.passages(), strict=True):
        assert text.startswith(document["context"] + document["word"])
        assert document["word"].strip().isalpha()


def test_an_unknown_task_is_one_line(weights: bytes, torch_sandbox: Sandbox) -> None:
    with pytest.raises(KeyError):
        local.settings("nightshift_other")


def test_a_tokenizer_that_is_too_large_for_the_model_is_refused(weights: bytes, torch_sandbox: Sandbox) -> None:
    small = Asker(lambda _: [], np.zeros((9, TINY.d_model)), 0.05)
    with pytest.raises(MachineFault, match="the tokenizer bytes has 256 tokens, the model knows 9"):
        evaluate.benchmarked(small, OFFLINE)


def test_perplexities_are_not_averaged_with_accuracies() -> None:
    assert evaluate.score({"a/acc": 0.5, "b/perplexity": 100.0, "c/acc_norm": 0.7}) == pytest.approx(0.6)
    with pytest.raises(ValueError, match="no accuracy"):
        evaluate.score({"b/perplexity": 100.0})


def test_the_domain_does_not_import_lm_eval_or_torch() -> None:
    script = "import sys, arch.domain; print([m for m in ('torch', 'lm_eval', 'datasets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_tokenizer_from_a_folder(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<end>": 0, "one": 1, "two": 2}, unk_token="<end>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=words, eos_token="<end>").save_pretrained(tmp_path)
    made = tokenizer(str(tmp_path))
    assert (made.size, made.separator, made.encode("one two one")) == (3, 0, [1, 2, 1])


@pytest.mark.slow
def test_without_the_hub_tasks_and_tokenizers_are_one_line(
    weights: bytes, torch_sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(MachineFault, match="cannot load the tokenizer"):
        tokenizer(str(tmp_path / "none"))
    with pytest.raises(MachineFault, match="cannot load benchmark data") as raised:
        evaluate.benchmarked(asker(weights, torch_sandbox), Suite((Benchmark("piqa"),)))
    assert "\n" not in str(raised.value)
