"""Hashes, features, derived randomness."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognition.features import complexity, diversity, engine_features
from cognition.programs import code_hash, tokens
from cognition.randomness import derive

SEED = "def pack(n):\n    radii = [1 / n] * n\n    return radii\n"
SAME = "# a comment\ndef pack( n ):\n\n  radii=[1/n]*n   # all alike  \n  return radii"


def test_layout_and_comments_do_not_count() -> None:
    assert code_hash(SAME) == code_hash(SEED)


@pytest.mark.parametrize(
    "other",
    [
        SEED.replace("1 / n", "2 / n"),
        SEED.replace("radii", "sizes"),
        SEED + "print(1)\n",
        SEED.replace("    return", "return"),
    ],
)
def test_the_program_counts(other: str) -> None:
    assert code_hash(other) != code_hash(SEED)


def test_nesting_counts() -> None:
    inside, outside = "if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n"
    assert code_hash(inside) != code_hash(outside)


@pytest.mark.parametrize("broken", ["def f(:\n  '''", "  x\n y", "x = (", "'", "\0", "$?\n\t x", "x = '\ud800'"])
def test_a_broken_program_has_a_hash_and_features(broken: str) -> None:
    assert code_hash(broken) == code_hash(broken + "\n\n")
    assert code_hash(broken) != code_hash(SEED)
    assert all(0 <= value <= 1 for value in engine_features(broken, SEED).values())


@given(st.text(), st.text())
def test_features_are_shares_and_symmetric_where_they_should_be(one: str, other: str) -> None:
    features = engine_features(one, other)
    assert set(features) == {"complexity", "diversity"}
    assert all(0 <= value <= 1 for value in features.values())
    assert diversity(one, other) == pytest.approx(diversity(other, one))
    assert diversity(one, one) == 0


def test_complexity_is_logarithmic_in_tokens() -> None:
    assert complexity(SEED, SEED) == 0.5
    assert complexity(SEED * 2, SEED) == pytest.approx(0.5 + 1 / 6)
    assert complexity(SEED * 100, SEED) == 1.0
    assert complexity("x", SEED) == 0.0


def test_diversity_grows_with_the_change() -> None:
    small, large = SEED.replace("1 / n", "2 / n"), "import math\n\nprint(math.pi)\n"
    assert 0 < diversity(small, SEED) < diversity(large, SEED) <= 1


def test_tokens_of_a_program() -> None:
    assert tokens("if a:\n\tb # c\n") == ("if", "a", ":", "<newline>", "<indent>", "b", "<newline>", "<dedent>")


def test_derived_randomness_is_the_same_in_every_process() -> None:
    program = "from cognition.randomness import derive; print(derive(7, 3, 'sample').getrandbits(31))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(other.stdout) == derive(7, 3, "sample").getrandbits(31) == 684648442


def test_each_seed_and_purpose_has_its_own_randomness() -> None:
    drawn = {derive(*key).getrandbits(64) for key in [(0,), (1,), (0, 1), (0, "1"), (0, 1, 2), (0, 12), (0, "a")]}  # type: ignore[arg-type]  # a seed comes first
    assert len(drawn) == 7
