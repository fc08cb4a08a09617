"""What must hold for the problem itself: `pytest` in this folder."""

from pathlib import Path

from flows.trying import attempt

PROBLEM = str(Path(__file__).parent)


def test_the_seed_program_scores() -> None:
    assert attempt(PROBLEM).fitness is not None


def test_a_better_program_scores_higher() -> None:
    spread = "def solve(n, seed):\n    return [(i % 4 / 3, i // 4 / 2) for i in range(n)]\n"
    assert attempt(PROBLEM, spread).fitness == 1 / 3


def test_what_is_no_answer_gets_no_score() -> None:
    for answer in (
        "[]",
        "[(i, i) for i in range(n)]",
        "[(float('nan'), 0)] * n",
        "[(0, 0)] * (n - 1)",
        "'0.9'",
        "None",
    ):
        assert attempt(PROBLEM, f"def solve(n, seed):\n    return {answer}\n").fitness is None, answer
