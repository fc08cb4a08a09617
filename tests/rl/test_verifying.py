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
    (r"\text{Evelyn}", r"\boxed{Bob}"), ("19", r"\boxed{19"), ("19", r"\boxed{1 9}"),
    ("19", "\\boxed{1}\n19"), ("19", r"\boxed{\infty}"),
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


#: Values as competition answers are written, beside the right answer: nothing is left to be worked out.
VALUES = [
    ("19", r"19.0"), ("19", r"38/2"), ("1024", "2^{10}"), ("-8", "(-2)^3"), (r"\frac{1}{4}", "2^{-2}"),
    (r"\frac{7}{2}", r"3\frac{1}{2}"), (r"\frac72", "3.5"), ("137.5", r"137\frac12"), ("0.19", r"19\%"),
    (r"\frac{9}{4}", r"(\frac{3}{2})^2"), (r"\frac{1}{1024}", r"\frac{1}{2^{10}}"), ("1,000,000", "10^6"),
    (r"2\sqrt{3}", r"\sqrt{12}"), (r"\frac{\sqrt6}{3}", r"\sqrt{\frac{2}{3}}"), (r"\sqrt{2}", r"\frac{2}{\sqrt{2}}"),
    (r"\frac{1+\sqrt5}{2}", r"\frac12+\frac{\sqrt5}{2}"), (r"6+2\sqrt5", r"2(3+\sqrt5)"),
    (r"\frac{2\sqrt{3}}{3}", r"2\frac{\sqrt{3}}{3}"), (r"\sqrt2+\sqrt3", r"\sqrt3+\sqrt2"),
    (r"\frac{3\pi}{4}", r"\frac34\pi"), (r"\pi+2", r"2+\pi"), ("e^2", "e^{2}"), (r"2\ln 2", r"\ln 4"),
    (r"\tan 20^\circ", r"\frac{\sin 20^\circ}{\cos 20^\circ}"), (r"30^\circ", r"30^\circ"), ("12_{7}", "12_{7}"),
    ("3+4i", "4i+3"), ("x^2+5x+6", "(x+2)(x+3)"), (r"\frac{n(n+1)}{2}", r"\frac12 n(n+1)"), ("12", "a+b=12"),
    ("12", "f(2)=12"), ("12", r"f(\pi)=12"), (r"\frac{1}{e}", "e^{-1}"),
    (r"\frac{2}{\pi^2}", r"\frac{2}{\pi^2}"), (r"\frac{\pi+1}{\pi}", r"\frac{\pi+1}{\pi}"),
    (r"\frac{\sqrt{\pi}}{2}", r"\frac{\pi}{2\sqrt{\pi}}"), (r"1-\frac{1}{e}", r"\frac{e-1}{e}"),
    (r"y=\frac{x}{2}+\frac34", "y=x/2+3/4"), ("12", r"12\,\text{cm}^2"), ("(2,3)", "(2, 3)"), ("(2,3)", "x=2, y=3"),
    (r"\{1,2\}", r"\{2,1\}"), ("12", r"\$12"), (r"\$18.90", r"\$18.90"), ("2500", r"2.5 \times 10^{3}"),
    ("0.002", r"2\cdot10^{-3}"), (r"\text{even}", "even"), (r"\text{Evelyn}", "Evelyn"),
    (r"\frac{1}{2}", r"\dfrac{1}{2}."),
    (r"\frac{-1 \pm \sqrt{5}}{2}", r"\frac{-1\pm\sqrt{5}}{2}"), ("6 - 5i", "6-5 i"),
    (r"n \equiv 1 \pmod 4", r"n\equiv1\pmod4"),
    ("even", r"\text{even}"),
    (r"(-\infty, 2) \cup (3, \infty)", r"(-\infty, 2) \cup (3, \infty)"), (r"1 \pm \sqrt{19}", r"1 \pm \sqrt{19}"),
    (r"\begin{pmatrix}1/3\\2\end{pmatrix}", r"\begin{pmatrix}1/3\\2\end{pmatrix}"),
    *((gold, gold) for gold in (  # written with work in it: then it may stay, and be done
        r"3\times 10^{8}", r"2^5\cdot 3^2", "2^{10}-1", "5!", r"\binom{6}{3}", r"1-\left(\frac23\right)^{10}", "3:2",
        r"\frac{2017 \cdot 2018}{2}", r"\sqrt{2+\sqrt{3}}", r"\log_2 3", r"\sum_{n=1}^{9} n", "n!",
    )),
    (r"3\times 10^{8}", "300000000"), ("2^{10}-1", "1023"), ("5!", "120"), (r"\binom{6}{3}", "20"),
]  # fmt: skip
#: The same values with work left in them, by which a policy would be spared to do it.
WORK = [
    ("1700", r"17\times10^2"), ("600", r"3\times10^2\cdot2"), ("1800", r"2\cdot9\cdot10^2"), ("64", r"2\cdot2^5"),
    ("221", r"13 \cdot 17"), ("221", r"13\times17"), ("221", "13*17"), ("221", r"x=13\cdot17"),
    ("(221,2)", r"(13\cdot17,2)"),
    ("19", r"\frac12\cdot 38"), ("5", r"10\cdot 2^{-1}"), ("486", r"2 \cdot 3^5"), ("6x", r"2\cdot 3x"),
    ("19", "10+9"), ("19", "20-1"), ("1023", "2^{10}-1"), (r"\frac56", r"\frac12+\frac13"), ("2", r"\frac{20}{3+7}"),
    (r"\{2,3\}", r"\{1+1,3\}"), (r"2\sqrt2", r"\sqrt2+\sqrt2"), (r"\frac{\pi}{12}", r"\frac{\pi}{4}-\frac{\pi}{6}"),
    ("19", "10(9)"), ("19", "(10)(9)"), ("19", "10 9"), ("19", r"10\left\{9\right\}"), ("19", "10[9]"),
    ("19", r"10\,9"),
    ("17", r"17\pi/\pi"), ("17", r"\pi\cdot\frac{17}{\pi}"), ("17", r"\frac{34\pi}{2\pi}"),
    ("17", r"17\pi\pi^{-1}"), ("17", "17e/e"), ("1", r"\pi^0"), ("-1", r"e^{i\pi}"), (r"2\pi", r"\frac{2\pi^2}{\pi}"),
    (r"\pi", r"\pi\frac{1+\pi}{1+\pi}"), ("e", r"\frac{e^2}{e}"),
    ("19", r"10\frac91"), ("7", r"3\frac{8}{2}"), ("19", r"10\cfrac{18}{2}"), ("19", r"10\frac{\frac{18}{2}}{1}"),
    ("19", r"38 \div 2"), ("5", "10 : 2"), ("5", "10/2/1"), ("5", r"\frac{10}{\frac42}"), ("5", r"\frac{10\%}{2\%}"),
    (r"\frac16", r"\frac{\frac12}{3}"), ("120", "5!"), ("19", r"\frac{19!}{18!}"), ("15", "5!!"),
    ("20", r"\binom{6}{3}"),
    ("20", r"{6 \choose 3}"), ("19", r"\sqrt{361}"), ("2", r"\sqrt[3]{8}"), ("19", "361^{1/2}"), ("5", r"\sqrt{9+16}"),
    ("2", r"\sqrt2\cdot\sqrt2"), ("2", r"\frac{\sqrt8}{\sqrt2}"), ("8", r"\sqrt{2}^6"), ("1", r"(\sqrt2+1)(\sqrt2-1)"),
    ("512", "2^{3^2}"), ("3", r"\log_2 8"), ("19", r"e^{\ln 19}"), (r"\frac12", r"\sin 30"),
    ("1", r"\sin^2 1+\cos^2 1"),
    ("2", r"\lfloor 2.7 \rfloor"), ("19", "|-19|"), ("19", r"\max(3,19)"), ("4", r"19 \bmod 5"), ("2", r"\Gamma(3)"),
    ("13", r"\begin{vmatrix}4&1\\3&4\end{vmatrix}"), ("19", r"\operatorname{lcm}(19,1)"), ("19", "19+x-x"),
    ("19", r"\frac{19x}{x}"), ("19", "x=19+y-y"), ("5050", r"\sum_{n=1}^{100} n"), ("8", r"\lim_{x\to 2} x^3"),
    (r"\frac13", r"\int_0^1 x^2 dx"), ("6", r"\gcd(12,18)"), ("7", r"\det\begin{pmatrix}2&1\\1&4\end{pmatrix}"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "value"), VALUES)
def test_values_as_competitions_write_them_are_right(verifier: Verifier, gold: str, value: str) -> None:
    assert verifier.judge(gold, rf"\boxed{{{value}}}") == Verdict(True)


@pytest.mark.parametrize(("gold", "work"), WORK)
def test_what_is_left_to_be_worked_out_is_no_answer(verifier: Verifier, gold: str, work: str) -> None:
    assert verifier.judge(gold, rf"\boxed{{{work}}}") == Verdict(False, "not worked out")


def test_an_answer_that_costs_too_much_is_wrong_and_the_next_one_is_judged(verifier: Verifier) -> None:
    assert verifier.judge("19", r"\boxed{9^{999999999}}") == Verdict(False, "CPU time")
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
