"""Lessons by rules: the one difference is found and named, or nothing is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cognition.records import JSON, Candidate, Lesson, Provenance, Score
from tasks.rule_lessons import Change, only_change, rule_lessons
from tests.tasks.agent_examples import FAILED, candidate


def genome(block: str = "slsqp", other: str = "grid", **constants: float | str) -> JSON:
    return {"local": {"block": block, "constants": constants}, "start": {"block": other, "constants": {}}}


def made_of(stored: JSON, fitness: float = 1.0, code: str = "x = 1.0\n") -> Candidate:
    return replace(candidate(1, Score(fitness), code), provenance=Provenance("recombine", "blocks", genome=stored))


def lessons(old: JSON, new: JSON, fitness: float = 1.5) -> tuple[Lesson, ...]:
    return rule_lessons("d", "", new, Score(fitness), made_of(old))


def test_another_block_that_came_with_a_gain_supports_it_and_contradicts_the_opposite() -> None:
    gain, opposite = lessons(genome(), genome("adam"))
    assert (gain.claim, gain.supports) == ("In slot local, the block adam does better than slsqp.", True)
    assert gain.numbers == "fitness 1.5 against 1 of c1; slot local 'slsqp' -> 'adam'"
    assert gain.made_by == "rules"
    assert (opposite.claim, opposite.supports) == ("In slot local, the block slsqp does better than adam.", False)


def test_a_loss_is_the_gain_of_the_other_way_round() -> None:
    gain, opposite = lessons(genome(), genome("adam"))
    loss = lessons(genome("adam"), genome(), 0.5)
    assert [(each.key, each.supports) for each in loss] == [(gain.key, True), (opposite.key, False)]


def test_a_constant_is_named_with_its_region() -> None:
    gain, opposite = lessons(genome(step=0.1), genome(step=0.2))
    assert gain.claim == "A higher step of slsqp (slot local) does better."
    assert gain.condition == "around step = 0.1, all else equal"
    assert opposite.claim == "A lower step of slsqp (slot local) does better."
    assert lessons(genome(step=10.0), genome(step=20.0))[0].key != gain.key
    chosen = lessons(genome(kind="a"), genome(kind="b"))[0]
    assert chosen.claim == "For kind of slsqp (slot local), 'b' does better than 'a'."


@pytest.mark.parametrize(
    "new", [genome("adam", "hex"), genome("adam", "hex", step=1.0), genome(), {"local": genome()["local"]}]
)
def test_several_changes_or_none_teach_nothing(new: JSON) -> None:
    assert lessons(genome(), new) == ()


def test_two_constants_at_once_teach_nothing() -> None:
    assert lessons(genome(a=1.0, b=1.0), genome(a=2.0, b=2.0)) == ()


def test_nothing_is_learned_within_the_noise_or_without_a_score() -> None:
    assert rule_lessons("d", "", genome("adam"), Score(1.09, 0.1), made_of(genome())) == ()
    assert rule_lessons("d", "", genome("adam"), Score(2.0), replace(made_of(genome()), outcome=FAILED)) == ()
    assert rule_lessons("d", "", genome("adam"), Score(2.0), None) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a = 1\nstep = 0.5  # s\n", "a = 1\nstep = 0.25  # s\n", Change("constant", "the program", "step", 0.5, 0.25)),
        ("run(gain=2.0)", "run(gain=3.0)", Change("constant", "the program", "gain", 2.0, 3.0)),
        ("x1 = f(2)", "x2 = f(2)", None),
        ("a = 1, 2", "a = 2, 3", None),
        ("a = 1\nb = 1", "a = 2\nb = 2", None),
        ("a = 1", "a = 1\nb = 2", None),
        ("a = 1", "b = 1", None),
    ],
)
def test_one_number_of_a_program(old: str, new: str, expected: Change | None) -> None:
    assert only_change(candidate(1, code=old), new, None) == expected
