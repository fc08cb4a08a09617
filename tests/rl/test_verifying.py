"""Comparing answers in a process of its own: right ones, hedges, and answers that are made to be expensive."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from rl.gpu.rewards import math_reward
from rl.verifying import Verdict, Verifier, VerifierFault
from rl.verifying.process import LONGEST_ANSWER

RIGHT = [
    ("19", r"so it is \boxed{19}."), ("19", r"\boxed{19.0}"), ("19", r"\boxed{\frac{38}{2}}"), ("19", r"\boxed{x=19}"),
    (r"\frac{1}{2}", r"\boxed{0.5}"), ("$x^2+1$", r"\boxed{1+x^2}"),
    ("(3,4)", r"\boxed{(3,4)}"), (r"\text{Evelyn}", r"\boxed{\text{Evelyn}}"), ("19", "x" * 100_000 + r"\boxed{19}"),
]  # fmt: skip
WRONG = [
    ("19", r"\boxed{18}"), ("19", ""), ("19", "= 19"), ("(3,4)", r"\boxed{(4,3)}"), ("19", r"\boxed{}"),
    (r"\text{Evelyn}", r"\boxed{Bob}"), ("19", r"\boxed{19"), ("19", "\\boxed{1}\n19"), ("19", r"\boxed{\infty}"),
    ("19", r"\boxed{\frac{1}{0}}"), ("19", r"\boxed{x}"), ("19", r"\boxed{{{{"), ("19", "\ud800 \0 \\boxed{\x00}"),
]  # fmt: skip
#: Answers that name several, so that one of them would be right.
HEDGES = [
    r"\boxed{19}\boxed{2}", r"\boxed{1 \text{ or } 19}", r"\boxed{1 \lor 19}", r"\boxed{1 or 19}", r"\boxed{1, 19}",
    r"\boxed{19, 1}", r"\boxed{1;19}", r"\boxed{\{1,19\}}", r"\boxed{1 \quad 19}", r"\boxed{$1$ $19$}",
    r"\boxed{[0,100]}", r"\boxed{x>0}", r"\boxed{18 \pm 1}", r"\boxed{19=1}",
    r"\boxed{1 \text{ and } 19}", r"\boxed{\begin{cases}1\\19\end{cases}}", r"\boxed{1 \mathrm{or} 19}",
]  # fmt: skip


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    made = Verifier(cpu_s=1)
    yield made
    made.close()


@pytest.mark.parametrize(("gold", "text"), RIGHT)
def test_what_is_equal_is_right(verifier: Verifier, gold: str, text: str) -> None:
    assert verifier.judge(gold, text) == Verdict(True)


@pytest.mark.parametrize(("gold", "text"), WRONG)
def test_what_is_not_equal_is_wrong(verifier: Verifier, gold: str, text: str) -> None:
    assert not verifier.judge(gold, text).right


@pytest.mark.parametrize("text", HEDGES)
def test_naming_several_answers_does_not_help(verifier: Verifier, text: str) -> None:
    assert not verifier.judge("19", text).right


@pytest.mark.parametrize(
    ("gold", "work"),
    [
        ("5050", r"\sum_{n=1}^{100} n"), ("8", r"\lim_{x\to 2} x^3"), ("1/3", r"\int_0^1 x^2 dx"),
        ("6", r"\gcd(12,18)"), ("7", r"\det\begin{pmatrix}2&1\\1&4\end{pmatrix}"),
    ],
)  # fmt: skip
def test_the_question_in_the_box_is_no_answer(verifier: Verifier, gold: str, work: str) -> None:
    assert verifier.judge(gold, rf"\boxed{{{work}}}") == Verdict(False, "not worked out")


def test_what_the_right_answer_leaves_undone_may_be_left(verifier: Verifier) -> None:
    assert verifier.judge(r"\sum_{n=1}^{9} n", r"\boxed{\sum_{n=1}^{9} n}") == Verdict(True)
    assert verifier.judge("4", r"\boxed{\left(4\right)}") == Verdict(True)


def test_an_answer_that_costs_too_much_is_wrong_and_the_next_one_is_judged(verifier: Verifier) -> None:
    assert verifier.judge("19", r"\boxed{9^{9^{9^{9}}}}") == Verdict(False, "CPU time")
    assert verifier.judge("19", r"\boxed{19}") == Verdict(True)
    assert verifier.judge("19", rf"\boxed{{{'1+' * LONGEST_ANSWER}1}}") == Verdict(False, "too long")


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        "(10^{10})!", r"\int_0^1 x^{x^{x^x}} dx", r"\sum_{n=1}^{10^9} n^{n}", "9" * 1900, "(" * 900 + "1" + ")" * 900,
        r"\sqrt{" * 300 + "2" + "}" * 300, r"\frac{1}{" * 200 + "2" + "}" * 200, r"\prod_{n=1}^{10^8} (n+\frac{1}{n})",
        "2^{10^{9}}-2^{10^{9}}+19-1", "x^{9999}" * 100, r"\int " * 300, "{" * 800, r"\begin{matrix}" * 100,
        r"\binom{10^9}{10^8}", r"\zeta(10^{40})", "__import__('os').system('id')", r"\text{" + "a" * 1800 + "}",
    ],
)  # fmt: skip
def test_hostile_answers_end_in_bounded_time_and_are_wrong(answer: str) -> None:
    verifier, began = Verifier(cpu_s=1, memory_mb=1024), time.monotonic()
    try:
        assert not verifier.judge("19", rf"\boxed{{{answer}}}").right
        assert verifier.judge("19", r"\boxed{19}").right
    finally:
        verifier.close()
    assert time.monotonic() - began < 90.0


def test_a_right_answer_that_cannot_be_read_is_the_data_sets_fault(verifier: Verifier) -> None:
    with pytest.raises(VerifierFault, match="the right answer cannot be parsed"):
        verifier.judge("", r"\boxed{19}")


def test_a_process_that_is_killed_by_something_else_is_started_anew_once() -> None:
    verifier = Verifier()
    try:
        assert verifier.judge("19", r"\boxed{19}").right
        assert verifier._process is not None
        os.kill(verifier._process.pid, signal.SIGKILL)
        assert verifier.judge("19", r"\boxed{19}").right
    finally:
        verifier.close()


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(VerifierFault, match=r"math-verify does not start \(.*pip install"):
        Verifier().judge("19", r"\boxed{19}")


def test_the_reward_is_one_for_the_right_answer(verifier: Verifier) -> None:
    reward = math_reward(verifier)
    assert reward(completions=[r"\boxed{19}", r"\boxed{18}"], answer=["19", "19"], hint=["", ""]) == [1.0, 0.0]
    chat = [{"role": "assistant", "content": r"\boxed{19}"}]
    assert reward(completions=[chat], answer=["19"]) == [1.0]
    assert getattr(reward, "__name__", "") == "math"  # as TRL shows it
