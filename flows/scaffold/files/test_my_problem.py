"""What must hold for the problem itself: `pytest` in this folder."""

from pathlib import Path

from cognition import tree
from flows.trying import attempt
from tasks.trees import of_folder

PROBLEM = str(Path(__file__).parent)


def changed(name: str, text: str) -> str:
    """The seed with one file that is different or new."""
    return tree.write({**tree.read(of_folder(Path(PROBLEM, "seed"))), name: text})


def test_the_seed_scores() -> None:
    assert attempt(PROBLEM).fitness is not None


def test_a_better_program_scores_higher() -> None:
    spread = "def solve(n, seed):\n    return [(i % 4 / 3, i // 4 / 2) for i in range(n)]\n"
    assert attempt(PROBLEM, changed("spread/solver.py", spread)).fitness == 1 / 3


def test_what_is_no_answer_gets_no_score() -> None:
    for answer in ("[]", "[(float('nan'), 0)] * n", "'0.9'", "None"):
        solver = f"def solve(n, seed):\n    return {answer}\n"
        assert attempt(PROBLEM, changed("spread/solver.py", solver)).fitness is None, answer


def test_a_protected_file_stays_as_it_is() -> None:
    assert attempt(PROBLEM, changed("spread/geometry.py", "WIDTH = 9.0\n")).fitness is None
