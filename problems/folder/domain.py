"""The domain behind a problem folder. A problem says how its program is called (`request`) and judged (`judge`).

The program runs in the sandbox and gives an answer; `judge` looks at the answer outside, in trusted code. A judge that
stumbles over an answer makes that answer invalid, not the machine wrong; a seed program that fails ends the campaign
before anything is spent, so a broken judge is found at once.
"""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
import statistics
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from cognition import tree
from problems.folder import seeds
from tasks import knowledge, trees
from tasks.contract import (
    JSON,
    JUDGE_LOG,
    BaseDomain,
    Brief,
    Failure,
    FailureKind,
    Issue,
    Item,
    Job,
    Limits,
    MachineFault,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Slot,
    Step,
    Template,
    Trained,
    TreeRules,
    Workspace,
)

INSIDE = Path(__file__).parent / "inside"
ANSWER = "answer.json"
MOST_TOLD_CHARS = 200
SECTIONS = ("goal", "program contract", "notes")


class ProblemError(MachineFault):
    """The problem's own files or code are wrong; the message says which and what was expected."""

    may_pass = False


class NoOptions(BaseModel):
    """A problem that has nothing to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FolderProblem(BaseDomain):
    """Derive from it in problem.py, name the problem, and write `request` and `judge`."""

    Options: ClassVar[type[BaseModel]] = NoOptions
    name: ClassVar[str]
    metric: ClassVar[str] = "score"  # the metric that is maximised
    entry: ClassVar[str] = "solve"  # the program's function; `package.module:function` of a candidate in seed/
    protected: ClassVar[tuple[str, ...]] = ()  # names or patterns in seed/ that proposals must not touch
    limits: ClassVar[Limits] = Limits(cpu_s=10.0, wall_s=60.0, memory_mb=1024)
    slots: ClassVar[tuple[Slot, ...]] = ()  # places of the template that code blocks fill (blocks/SLOT.py)
    best_known: ClassVar[float | None] = None

    def __init__(self, options: BaseModel | None = None) -> None:
        """Raises ProblemError if a file is missing or incomplete."""
        self.options = options or self.Options()
        if self.objectives and not self.scalarisation:
            raise ProblemError(f"{self.name} has objectives: say in `scalarisation` how {self.metric} is made of them")
        self._brief = self._read()
        self._verify_seed()

    def request(self, rung: str, seed: int) -> dict[str, JSON]:
        """The arguments that the program's function gets, by name."""
        return {"seed": seed % 2**32}

    def judge(self, answer: JSON, request: Mapping[str, JSON]) -> Mapping[str, float] | Failure:
        """The metrics of an answer, `metric` among them, higher is better; or why it is none.

        Runs outside the sandbox. The answer is plain JSON that the candidate chose: believe nothing of it.
        """
        raise NotImplementedError(f"{type(self).__name__}.judge")

    @property
    def folder(self) -> Path:
        """Where problem.py and its neighbours are."""
        return Path(inspect.getfile(type(self))).parent

    def brief(self) -> Brief:
        """What the files say."""
        return self._brief

    def needs(self, step: Step, rung: str) -> Needs:
        """No GPU; the program may take its wall limit."""
        return Needs(wall_s=self.allowed().wall_s if step == "train" else 60.0)

    def allowed(self) -> Limits:
        """What one run of the program may take: `limits`, unless they depend on an option."""
        return self.limits

    def tick_s(self) -> float:
        """Above 0: the program's clocks count how often they are asked, each time as so many seconds. The real ones."""
        return 0.0

    def check(self, code: str) -> list[Issue]:
        """The program has the entry function at its top level, and every file keeps the rules."""
        if self._brief.tree is not None and (refused := trees.refusal(self._brief, code)) is not None:
            rule, _, reason = refused.reason.partition(": ")
            return [Issue(rule, reason)]
        files = {tree.ONE_FILE: code} if self._brief.tree is None else tree.read(code)
        python = {name: text for name, text in files.items() if name.endswith(".py")}
        found = seeds.entry_issues(self.entry, files) if self._brief.tree is not None else self._entry_issue(code)
        return found + [issue for name, text in python.items() for issue in self.check_file(name, text)]

    def check_file(self, name: str, code: str) -> list[Issue]:
        """Static rules of the problem's own for one Python file, called program.py if it is the only one: none."""
        return []

    def _entry_issue(self, code: str) -> list[Issue]:
        names = [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
        if self.entry in names:
            return []
        return [Issue("entry", f"define `{self.entry}` at the top level (found: {', '.join(names) or 'no function'})")]

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Call the program, and keep its answer as it came."""
        files = None if self._brief.tree is None else tree.read(code)
        request = {"entry": self.entry, "arguments": self.request(rung, seed), "files": files}
        job = Job(code, INSIDE, "adapter:call", request, self.allowed(), tick_s=self.tick_s())
        done = sandbox.run(job)
        if isinstance(done, Failure):
            return done
        kept = workspace.write(ANSWER, json.dumps(done.answer).encode())
        logs = "\n".join(part for part in (done.stdout, done.stderr) if part)
        return Trained((kept,), {"cpu_s": done.cost.cpu_s}, logs, done.cost)

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Judge the answer."""
        answer = json.loads(workspace.read(trained.artefact(ANSWER).name))
        try:
            metrics = self.judge(answer, self.request(rung, seed))
            if isinstance(metrics, Failure):
                return metrics
            numbers = self._numbers(metrics)
        except MachineFault:  # not the answer's doing
            raise
        except Exception as error:  # noqa: BLE001  # the edge to a judge that met an answer it did not expect
            workspace.write(JUDGE_LOG, traceback.format_exc().encode("utf-8", "replace"))
            return Failure(FailureKind.INVALID, f"the judge cannot read the answer: {told_of(error)}")
        if wrong := [name for name, value in numbers.items() if not math.isfinite(value)]:
            return Failure(FailureKind.INVALID, f"{', '.join(wrong)} is not a finite number")
        return Measurements(numbers, logs=trained.logs, cost=trained.cost, artefacts=trained.artefacts)

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The mean of the metric, with its standard error if there are several."""
        return mean_score([each.metrics[self.metric] for each in evaluations])

    def _numbers(self, metrics: object) -> dict[str, float]:
        """What the judge gave, as numbers; raises where an answer made one that is none, or that no float holds."""
        if not isinstance(metrics, Mapping):
            raise ProblemError(f"{self.name}: judge gave {type(metrics).__name__}, not metrics by name or a Failure")
        for wanted in (self.metric, *(each.metric for each in self.objectives)):
            if wanted not in metrics:
                raise ProblemError(f"{self.name}: judge gave {sorted(metrics)}, and not its metric {wanted!r}")
        return {name: float(value) for name, value in metrics.items()}

    def _read(self) -> Brief:
        parts = sections(self._text("brief.md"))
        if missing := [name for name in SECTIONS[:2] if not parts.get(name)]:
            raise ProblemError(f"{self.folder / 'brief.md'} has no section # {missing[0].capitalize()}")
        return Brief(
            goal=parts["goal"],
            program_contract=parts["program contract"],
            seed_program=self._seed(),
            items=self._items(),
            prompt_notes=parts.get("notes", ""),
            template=self._template(),
            metric=self.metric,
            best_known=self.best_known,
            tree=TreeRules(self.protected) if self._has_tree else None,
        )

    @property
    def _has_tree(self) -> bool:
        return (self.folder / seeds.FOLDER).is_dir()

    def _verify_seed(self) -> None:
        if (reason := seeds.wrong(self.folder, self._brief, self.entry, self.protected)) is not None:
            raise ProblemError(reason)
        if (reason := seeds.parse_error(self._brief)) is not None:
            raise ProblemError(f"{self.folder}: the seed does not parse: {reason}")
        if issues := self.check(self._brief.seed_program):
            said = "; ".join(f"{issue.rule}: {issue.message}" for issue in issues[:3])
            raise ProblemError(f"{self.folder}: the seed fails the problem's own check: {said}")

    def _seed(self) -> str:
        if not self._has_tree:
            return self._text("seed.py")
        try:
            return trees.of_folder(self.folder / seeds.FOLDER)
        except (OSError, tree.TreeError) as error:
            raise ProblemError(f"{self.folder / seeds.FOLDER}: {error}") from None

    def _text(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProblemError(f"{self.folder / name} cannot be read: {error}") from None

    def _items(self) -> tuple[Item, ...]:
        try:
            written = knowledge.written_items(self.folder / "cognition.jsonl", self.name)
            return written + knowledge.block_items(self.folder / "blocks", self.slots, self.name, f"{self.name}/blocks")
        except (OSError, SyntaxError, ValueError) as error:
            raise ProblemError(str(error)) from None

    def _template(self) -> Template | None:
        if not self.slots:
            return None
        toolkit = self.folder / "blocks" / "toolkit.py"
        modules = [toolkit, self._frame()] if toolkit.exists() else [self._frame()]
        ours = type(self).__module__.rpartition(".")[0] or "blocks"  # what the blocks' own imports begin with
        return Template(self.slots, knowledge.program(f"A program for {self.name}.", modules, ours))

    def _frame(self) -> Path:
        frame = self.folder / "blocks" / "frame.py"
        if not frame.exists():
            raise ProblemError(f"{frame} is missing: the program around the blocks, with a line `# {{blocks}}`")
        return frame


def told_of(error: Exception) -> str:
    """What a candidate's author may know of an error in trusted code: its kind and one line, without places of files.

    >>> told_of(OSError("no table\\nin /home/me/problem/hidden.csv")), told_of(ValueError("bad: '/a/b.csv'"))
    ('OSError: no table', "ValueError: bad: 'b.csv'")
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"(?<![\w.])/(?:[^\s/'\"]+/)*", "", lines[0]) if lines else ""
    return f"{type(error).__name__}: {text[:MOST_TOLD_CHARS]}".rstrip(": ")


def mean_score(values: Sequence[float]) -> Score | Failure:
    """The mean with its standard error; None for a single value, whose error nobody knows."""
    if not values:
        return Failure(FailureKind.INVALID, "nothing was measured")
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return Score(statistics.fmean(values), error, len(values))


def sections(text: str) -> dict[str, str]:
    """What stands under each heading of the first level, by its name in lower case.

    >>> sections("# Goal\\nwin\\n# Notes\\n- fast\\n")
    {'goal': 'win', 'notes': '- fast'}
    """
    parts = re.split(r"^# +(.+?)\s*$", text, flags=re.MULTILINE)
    return {name.strip().lower(): body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
