"""Which benchmarks there are, by name: data, and nothing that imports lm-eval.

The paper names five of explore's six maths benchmarks (Math500, AIME24, AIME25, AMC, OlympiadBench); the sixth is our
choice (272 problems of university courses, collected for Minerva), and so is what "wider" holds for verify (reasoning,
STEM, finance, code: the paper names no more). Programs that a model writes run in the sandbox (programs.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "nightshift_"  # of our own tasks, so that no name of lm-eval's is taken


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One task: ours (`PREFIX`, rl/language/tasks) or lm-eval's, the metric that is taken, answers to each problem."""

    task: str
    metric: str = "right"
    filter: str = "answers"
    samples: int = 1
    until: tuple[str, ...] = ("\n\nProblem:",)  # what ends an answer
    runs_programs: bool = False  # needs a sandbox

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.task.removeprefix(PREFIX)


def _ours(name: str, samples: int = 1) -> Benchmark:
    return Benchmark(f"{PREFIX}{name}", samples=samples)


#: Answers to each problem of the small sets: the paper's AIME figures are averages (section 4.3), of how many is ours.
SAMPLES = 16
MATHS = (
    _ours("math500"),
    _ours("aime24", SAMPLES),
    _ours("aime25", SAMPLES),
    _ours("amc", SAMPLES),
    _ours("olympiadbench"),
    _ours("minerva"),
)
CODE = tuple(Benchmark(f"{PREFIX}{name}", until=("\n```\n",), runs_programs=True) for name in ("humaneval", "mbpp"))
FINANCE = (_ours("cfa"),)
WIDER = (
    *MATHS,
    *CODE,
    *FINANCE,
    Benchmark("mmlu_pro", "exact_match", "custom-extract"),  # STEM, economics and law among its subjects
    Benchmark("gpqa_diamond_cot_zeroshot", "exact_match", "flexible-extract"),  # STEM; its data want an account
    Benchmark("bbh_cot_zeroshot", "exact_match", "flexible-extract"),  # reasoning
)
FEW = (_ours("math500"),)
SUITES: Mapping[str, tuple[Benchmark, ...]] = {
    "few": FEW, "maths": MATHS, "code": CODE, "finance": FINANCE, "wider": WIDER,
}  # fmt: skip
