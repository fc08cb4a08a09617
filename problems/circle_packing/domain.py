"""Circle packing: n circles in a rectangle, maximise the sum of their radii (paper, section 5: 26 in the unit square).

`train` lets the candidate search for a packing inside the sandbox; `benchmark` verifies it exactly, outside. The
candidate's process never computes a score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from problems.circle_packing import best_known, knowledge, rules
from problems.circle_packing.drawing import draw
from problems.circle_packing.referee import Rectangle, Verified, contacts, decimal_down, float_down, judge, number
from tasks.contract import (
    JSON,
    BaseDomain,
    Brief,
    Failure,
    FailureKind,
    Issue,
    Job,
    Limits,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
)

HERE = Path(__file__).parent
PACKING = "packing.json"
START_UP_CPU_S = 3.0  # importing numpy and scipy.optimize costs about 1 s where the sandbox has not done it before
GRACE = 1.25  # a candidate that is a little late loses its round trip, not its packing
TICK_S = 0.005  # with clock = "calls": about what one step of the shipped searches takes
COUNTED_SLACK = 4.0  # a step may take longer than a tick, and its cost must not decide anything


class PackingOptions(BaseModel):
    """What can be chosen about the problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(26, ge=1, le=400, description="How many circles")
    width: str = Field("1", description="Width of the rectangle, as a plain decimal or ratio")
    height: str = Field("1", description="Height of the rectangle, as a plain decimal or ratio")
    cpu_s: float = Field(8.0, gt=0, le=3600, description="CPU seconds that a candidate is told it has")
    memory_mb: int = Field(1024, ge=128, description="Memory of a candidate")
    clock: Literal["cpu", "calls"] = Field(
        "cpu", description="calls: a candidate's clock counts how often it is asked, so that runs repeat exactly"
    )

    @field_validator("width", "height", mode="before")
    @classmethod
    def _plain(cls, value: object) -> str:
        """Numbers and text alike, kept as written; refused if not a positive side."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("expected a number, a decimal or a ratio such as 3/2")
        if not 0 < number(str(value)) <= 10**6:
            raise ValueError("a side is above 0 and at most 1000000")
        return str(value)

    @property
    def box(self) -> Rectangle:
        """The rectangle, exactly."""
        return Rectangle(number(self.width), number(self.height))


class CirclePacking(BaseDomain):
    """The domain `circle_packing`."""

    Options = PackingOptions
    name: ClassVar[str] = "circle_packing"
    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = ("explore",)
    preload: ClassVar[tuple[str, ...]] = ("numpy", "scipy.optimize")

    def __init__(self, options: PackingOptions | None = None) -> None:
        self.options = options or PackingOptions()

    def brief(self) -> Brief:
        """The problem in words, with its seed program, cognition and block template."""
        o = self.options
        known = best_known.lookup(o.n, o.box)
        return Brief(
            goal=f"Place {o.n} non-overlapping circles in a rectangle of width {o.width} and height {o.height} so that "
            "the sum of their radii is as large as possible.",
            program_contract=PROGRAM_CONTRACT.format(cpu_s=o.cpu_s) + ("" if o.clock == "cpu" else COUNTED),
            seed_program=(HERE / "seed_program.py").read_text(encoding="utf-8"),
            items=knowledge.items(),
            prompt_notes=NOTES if known is None else f"{NOTES} Best known sum: {known}.",
            template=knowledge.template(),
            metric="sum_radii",
            best_known=known,
        )

    def needs(self, step: Step, rung: str) -> Needs:
        """No GPU; the packing may take its wall limit, verifying it takes seconds."""
        return Needs(wall_s=self.limits().wall_s if step == "train" else 10.0)

    def check(self, code: str) -> list[Issue]:
        """Signature and imports."""
        return rules.issues(code)

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Let the candidate search, and keep its packing as it came. A retry runs it again: it takes seconds."""
        o = self.options
        request = {
            "n": o.n,
            "width": float(o.box.width),
            "height": float(o.box.height),
            "seed": seed % 2**32,
            "cpu_s": o.cpu_s,
        }
        tick_s = 0.0 if o.clock == "cpu" else TICK_S
        done = sandbox.run(Job(code, HERE / "inside", "adapter:pack", request, self.limits(), tick_s=tick_s))
        if isinstance(done, Failure):
            return done
        if not isinstance(done.answer, dict) or set(done.answer) != {"circles"}:
            return Failure(FailureKind.INVALID, "the answer is not a packing")
        packing = workspace.write(PACKING, json.dumps(done.answer).encode())
        logs = "\n".join(part for part in (done.stdout, done.stderr) if part)
        return Trained((packing,), {"cpu_s": done.cost.cpu_s}, logs, done.cost)

    def limits(self) -> Limits:
        """What the sandbox allows: above the CPU time that the candidate is told, so that it can finish in peace."""
        slack = 1.0 if self.options.clock == "cpu" else COUNTED_SLACK
        cpu_s = self.options.cpu_s * GRACE * slack + START_UP_CPU_S
        # HiGHS (scipy's linprog) opens a pool of idle threads, half as many as there are cores.
        return Limits(cpu_s=cpu_s, wall_s=4.0 * cpu_s + 30.0, memory_mb=self.options.memory_mb, processes=64)

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Verify exactly, measure, draw."""
        answer = json.loads(workspace.read(trained.artefact(PACKING).name))
        box, known = self.options.box, best_known.lookup(self.options.n, self.options.box)
        verdict = judge(answer["circles"], self.options.n, box)
        if isinstance(verdict, Failure):
            return verdict
        pictures = [workspace.write(name, content) for name, content in draw(verdict, box, known).items()]
        exact = workspace.write("verified.json", json.dumps(as_ratios(verdict)).encode())
        return Measurements(
            metrics=metrics_of(verdict, box, known),
            breakdown={"sum_radii": decimal_down(verdict.total, 15), "shrink": f"{float(verdict.shrink):.3e}"},
            logs=trained.logs,
            cost=trained.cost,
            artefacts=(*trained.artefacts, exact, *pictures),
        )

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The best verified sum: a packing that was found once stands. Exact, so there is no standard error."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        return Score(max(each.metrics["sum_radii"] for each in evaluations), None, len(evaluations))

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """How unequal the circles are, and how tightly they are held."""
        metrics = measurements.metrics
        return {
            "radius_spread": min(1.0, max(0.0, 1.0 - metrics["smallest_radius"] / metrics["largest_radius"])),
            "tightness": min(1.0, (metrics["contacts"] + metrics["wall_contacts"]) / (3.0 * self.options.n)),
        }


def metrics_of(verified: Verified, box: Rectangle, known: float | None) -> dict[str, float]:
    """Every metric; the sum is rounded down to a float, so that it never claims more than was proved."""
    pairs, walls = contacts(verified, box)
    radii = [circle.r for circle in verified.circles]
    metrics = {
        "sum_radii": float_down(verified.total),
        "smallest_radius": float(min(radii)),
        "largest_radius": float(max(radii)),
        "contacts": float(len(pairs)),
        "wall_contacts": float(walls),
        "shrink": float(verified.shrink),
    }
    if known is not None:
        metrics["gap_to_best_known"] = float(Fraction(str(known)) - verified.total)
    return metrics


def as_ratios(verified: Verified) -> dict[str, JSON]:
    """The repaired packing with every number as an exact ratio, so that anyone can check it again.

    The sum is given as a decimal only: its exact ratio can have more digits than Python agrees to write.
    """
    rows = [[str(c.x), str(c.y), str(c.r)] for c in verified.circles]
    return {"circles": rows, "sum_radii_decimal": decimal_down(verified.total, 15)}


PROGRAM_CONTRACT = """\
Define `pack(n: int, width: float, height: float, seed: int, cpu_s: float)`, returning a list of n tuples (x, y, r).
- All circles lie inside [0, width] x [0, height] and do not overlap. The grader is exact and has no tolerance; it first
  shrinks all radii by one common factor, at most 1e-6, so rounding errors cost nothing.
- Only the returned circles count; their radii are added up outside.
- Deterministic for a given seed: use `numpy.random.default_rng(seed)` or `random.Random(seed)`.
- About {cpu_s:g} seconds of CPU time are yours: watch `time.process_time()` from the first line of `pack` and return in
  time. A program that is ended by its limit scores nothing.
- numpy and scipy are there. No files, no network, no other processes; one thread.
"""
COUNTED = f"""\
- Here the clocks of `time` count: each time one is asked it moves on by {TICK_S:g} s, whatever was done in between. Ask
  once per step of the search, and not in the innermost loop.
"""
NOTES = (
    "Good programs are anytime searches: many cheap descents to a locally best packing, with moves between them that "
    "keep most of what was gained. Work for any n and any rectangle, not for this one only."
)
