"""Rules, knowledge, drawing, best known values, options, and the domain's own decisions."""

from __future__ import annotations

import ast
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

from cognition.records import Measurements, Score
from problems.circle_packing import best_known, knowledge
from problems.circle_packing.domain import CirclePacking
from problems.circle_packing.drawing import draw
from problems.circle_packing.inside.adapter import plain
from problems.circle_packing.referee import Rectangle, Verified, judge
from problems.circle_packing.rules import issues

UNIT = Rectangle(Fraction(1), Fraction(1))
GOOD = "def pack(n, width, height, seed, cpu_s):\n    return []\n"


def verified(rows: list[list[float]], box: Rectangle = UNIT) -> Verified:
    answer = judge(rows, len(rows), box)
    assert isinstance(answer, Verified)
    return answer


@pytest.mark.parametrize(
    "code",
    [
        GOOD,
        "import numpy as np\nfrom scipy.optimize import linprog\n" + GOOD,
        "def pack(*, n, width, height, seed, cpu_s, extra=1):\n    return []\n",
        "def pack(**anything):\n    return []\n",
    ],
)
def test_legal_programs_have_no_issues(code: str) -> None:
    assert issues(code) == []


@pytest.mark.parametrize(
    ("code", "rule", "line"),
    [
        ("x = (", "syntax", 1),
        ("x = 1\n", "signature", None),
        ("def pack(n, width, height, seed):\n    pass\n", "signature", 1),
        ("def pack(n, width, height, seed, cpu_s, more):\n    pass\n", "signature", 1),
        ("def pack(n, /, width, height, seed, cpu_s):\n    pass\n", "signature", 1),
        ("async def pack(n, width, height, seed, cpu_s):\n    pass\n", "signature", None),
        ("import os.path\n" + GOOD, "forbidden-import", 1),
        ("from subprocess import run\n" + GOOD, "forbidden-import", 1),
        (GOOD + "    import socket, math\n", "forbidden-import", 3),
        ("import ctypes as c\n" + GOOD, "forbidden-import", 1),
        ("eval('1')\n" + GOOD, "forbidden-call", 1),
    ],
)
def test_what_breaks_a_rule_is_named_with_its_line(code: str, rule: str, line: int | None) -> None:
    assert [(issue.rule, issue.line) for issue in issues(code)] == [(rule, line)]


def test_a_rule_is_not_fooled_by_nesting_that_breaks_the_parser() -> None:
    assert [issue.rule for issue in issues("(" * 20_000)] == ["syntax"]


def test_the_written_items_are_the_papers_twelve_kinds() -> None:
    lines = (knowledge.HERE / "cognition.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = Counter(json.loads(line)["kind"] for line in lines)
    assert kinds == {"geometric prior": 4, "optimisation method": 4, "engineering rule": 4}
    assert len(knowledge.written_items()) > 12  # cognition/further.jsonl goes beyond the paper


def test_every_slot_has_five_blocks_with_insight_and_guidance() -> None:
    blocks = [item for item in knowledge.items() if item.block is not None]
    assert Counter(item.block.slot for item in blocks if item.block) == dict.fromkeys(
        ("start", "local", "perturb", "schedule"), 5
    )
    assert [item.id for item in blocks if not (item.insight and item.guidance)] == []


def test_tunables_are_read_from_annotations() -> None:
    block = next(item.block for item in knowledge.items() if item.block and item.block.name == "sequential_lp")
    first, _, last = block.tunables
    assert (first.name, first.low, first.high, first.log, first.is_integer) == ("trust", 0.02, 1.5, True, False)
    assert (last.name, last.low, last.high, last.log, last.is_integer) == ("steps", 2, 40, False, True)


def test_the_template_stands_on_its_own() -> None:
    program = knowledge.template().program
    tree = ast.parse(program)
    assert "problems." not in program
    assert program.count("# {blocks}") == 1
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)][-1] == "pack"


def test_pictures_are_pictures() -> None:
    pictures = draw(verified([[0.25, 0.5, 0.25], [0.75, 0.5, 0.25]]), UNIT, 2.5)
    assert sorted(pictures) == ["packing.png", "packing.svg"]
    assert pictures["packing.png"].startswith(b"\x89PNG\r\n\x1a\n")
    assert b"<svg" in pictures["packing.svg"]


def test_best_known_values_are_for_squares_of_any_size() -> None:
    assert best_known.lookup(26, UNIT) == 2.6359830849
    assert best_known.lookup(26, Rectangle(Fraction(2), Fraction(2))) == 2 * 2.6359830849
    assert best_known.lookup(26, Rectangle(Fraction(2), Fraction(1))) is None
    assert best_known.lookup(27, UNIT) is None


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 10**6}, {"width": "-1"}, {"width": "1e3"}, {"height": True},
                                     {"height": "wide"}, {"cpu_s": 0}, {"circles": 26}])  # fmt: skip
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CirclePacking.Options.model_validate(options)


def test_sides_are_kept_exactly_as_written() -> None:
    options = CirclePacking.Options.model_validate({"width": 0.1, "height": "2/3"})
    assert options.box == Rectangle(Fraction(1, 10), Fraction(2, 3))


def test_the_hard_limit_is_above_what_the_candidate_is_told() -> None:
    limits = CirclePacking(CirclePacking.Options(cpu_s=8)).limits()
    assert limits.cpu_s > 8 + 2
    assert limits.wall_s > limits.cpu_s


def test_the_best_evaluation_counts() -> None:
    evaluations = [Measurements({"sum_radii": value}) for value in (2.5, 2.6, 2.4)]
    assert CirclePacking().score(evaluations, None) == Score(2.6, None, 3)


def test_adapters_answers_are_plain_and_exact() -> None:
    import numpy as np

    value = np.array([[0.1, 1.0 / 3.0, np.nextafter(0.25, 1.0)]])
    assert json.loads(json.dumps(plain(value, 2))) == value.tolist()
    assert plain([(float("nan"), Fraction(1, 3), True)], 2) == [["nan", "1/3", True]]
    assert plain([[[1]]], 2) == [["[1]"]]


def test_the_seed_program_is_valid_and_mediocre() -> None:
    names: dict[str, object] = {}
    source = Path(knowledge.HERE / "seed_program.py").read_text(encoding="utf-8")
    exec(compile(source, "seed", "exec"), names)
    pack = names["pack"]
    assert callable(pack)
    for n, width, height in ((1, 1.0, 1.0), (2, 3.0, 1.0), (26, 1.0, 1.0), (50, 1.0, 4.0)):
        box = Rectangle(Fraction(width), Fraction(height))
        total = verified([list(circle) for circle in pack(n, width, height, 0, 1.0)], box).total
        if n == 26:
            assert Fraction(2) < total < Fraction(26, 10)
