"""The contract between the engine and a domain: a domain describes and judges; the engine runs, retries, records.

To bring a problem of your own, write a class with these methods (or derive from `BaseDomain`, which fills in what
most problems do not need) and name it in the registry (flows/registry.py). The contract test class,
tests/contract_suite.py, says what the engine relies on. Importing this module pulls in nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from cognition.records import (
    JSON,
    Artefact,
    Cost,
    Evaluation,
    Failure,
    FailureKind,
    Item,
    Lesson,
    MachineFault,
    Measurements,
    Outcome,
    Score,
)
from tasks.sandbox.gpus import problem as gpu_problem
from tasks.sandbox.handle import Finished, Job, Limits, Profile, Sandbox

#: The file in which `prepare` may leave cognition items: a JSON array of Item, found by looking at the problem's data.
DISCOVERED = "items.json"
#: The file in which `benchmark` may leave what went wrong in trusted code. Models read an Outcome, and a traceback
#: names files and may show what they hide; this is for people, and goes with the round's logs.
JUDGE_LOG = "judge.log"

__all__ = [
    "DISCOVERED",
    "JSON",
    "JUDGE_LOG",
    "Artefact",
    "Asker",
    "AsksModels",
    "BaseDomain",
    "Brief",
    "Cost",
    "Domain",
    "Evaluation",
    "Failure",
    "FailureKind",
    "Finished",
    "Issue",
    "Item",
    "Job",
    "Lesson",
    "Limits",
    "MachineFault",
    "Measurements",
    "Needs",
    "Objective",
    "Observes",
    "Outcome",
    "Profile",
    "Question",
    "Sandbox",
    "Score",
    "Slot",
    "Step",
    "Template",
    "Trained",
    "TreeRules",
    "Workspace",
    "gpu_problem",
]


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong with a program, found before it is run in earnest."""

    rule: str  # the check's name, e.g. "forbidden-import"
    message: str  # what was found and what to do instead
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a program template that a code block can fill."""

    name: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Template:
    """How code blocks become a program, for the offline proposer (`recombine`).

    `program` is Python source in which the line `# {blocks}` is replaced by the chosen functions, and each slot's
    name is called as a function: the proposer defines `SLOT = partial(BLOCK, tunable=value, ...)`.
    """

    slots: tuple[Slot, ...]
    program: str


@dataclass(frozen=True, slots=True)
class TreeRules:
    """The candidate is a folder of files, kept as one text (cognition/tree.py), instead of one program.

    `protected` are patterns of names (tasks/trees.py): a proposal that changes, adds or removes such a file, measured
    against the seed, is refused.
    """

    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Brief:
    """What a Researcher has to know."""

    goal: str
    program_contract: str
    seed_program: str
    items: tuple[Item, ...] = ()
    prompt_notes: str = ""
    template: Template | None = None
    metric: str = "score"  # the primary metric, as shown to people
    best_known: float | None = None
    tree: TreeRules | None = None  # None: the candidate is one file
    fitness_name: str = ""  # where the fitness is made of several metrics: what people read beside its number

    @property
    def shown_as(self) -> str:
        """What the fitness is called: it is the primary metric, unless it has a name of its own."""
        return self.fitness_name or self.metric


@dataclass(frozen=True, slots=True)
class Trained:
    """What training left behind; `summary` is small and goes into the logs."""

    artefacts: tuple[Artefact, ...] = ()
    summary: dict[str, JSON] = field(default_factory=dict)
    logs: str = ""
    cost: Cost = Cost()

    def artefact(self, name: str) -> Artefact:
        """The artefact of that name. Raises KeyError."""
        for artefact in self.artefacts:
            if artefact.name == name:
                return artefact
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric that a problem wants high or low, beside others: an axis of the Pareto front."""

    metric: str
    goal: Literal["max", "min"] = "max"

    def signed(self, value: float) -> float:
        """The value with a sign that makes higher better."""
        return value if self.goal == "max" else -value


Step = Literal["train", "benchmark"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What one run of a step takes, at one rung and seed.

    A step with GPUs waits for as many slots of the concurrency limit `gpu`, and reserves `gpus * wall_s` of the
    campaign's GPU-hours. `wall_s` is the most it may run, as the domain's own limits enforce it; None: no bound.
    """

    gpus: int = 0
    wall_s: float | None = None

    @property
    def gpu_s(self) -> float | None:
        """GPU seconds in the worst case; None if there is no bound."""
        if self.gpus == 0:
            return 0.0
        return None if self.wall_s is None else self.gpus * self.wall_s


class Workspace(Protocol):
    """A folder behind a URI, stable per round, rung and seed, where a retried step finds what it left."""

    @property
    def uri(self) -> str:
        """Where it is."""

    def write(self, name: str, content: bytes) -> Artefact:
        """Store atomically under `name` and return the artefact. Writing the same name again replaces it."""

    def read(self, name: str) -> bytes:
        """The content of `name`. Raises FileNotFoundError."""

    def exists(self, name: str) -> bool:
        """Whether `name` is there."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a model. `texts` are foreign: they are fenced, so that none can pose as an instruction."""

    task: str
    texts: tuple[tuple[str, str], ...]  # label and text
    longest_chars: int = 12_000  # of each text


Answers = TypeVar("Answers")


class Asker(Protocol):
    """The campaign's models, for trusted code of a domain while it prepares or measures. Safe in worker threads."""

    def serves(self, role: str) -> bool:
        """Whether a model is set for that role."""

    def ask_all(self, role: str, questions: Sequence[Question], answer: type[Answers]) -> list[Answers | Failure]:
        """Answers of that pydantic type, in the order of the questions; a Failure where one cannot be used.

        Each is paid for once per round. Raises MachineFault where the server is down or the budget is spent.
        """


@runtime_checkable
class AsksModels(Protocol):
    """A domain that asks models, if there are any."""

    def use_models(self, asker: Asker) -> None:
        """Called once, before anything else."""


@runtime_checkable
class Observes(Protocol):
    """A domain that learns something about its data while it measures."""

    def observed(self, measurements: Measurements) -> tuple[Lesson, ...]:
        """Lessons beside the Analyzer's. Pure."""


class Domain(Protocol):
    """What a problem supplies. Methods are called from worker threads; they keep no state between calls."""

    @property
    def name(self) -> str:
        """The problem's name: the MLflow experiment, the domain of its cognition items."""

    @property
    def contract_version(self) -> str:
        """Changes whenever scores stop being comparable; part of every evaluation's key."""

    @property
    def rungs(self) -> tuple[str, ...]:
        """Scales of experiment, cheapest first."""

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that the sandbox imports once for all candidates, e.g. ("torch",)."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The axes of the Pareto front, none for a problem with one aim. `score` still says what ranks."""

    @property
    def tie(self) -> float:
        """Fitness nearer than this is a tie, which a judge may decide if one is switched on; 0: there are none."""

    @property
    def scalarisation(self) -> str:
        """How `score` makes one fitness of the objectives, in words for people; "" without objectives."""

    def brief(self) -> Brief:
        """Goal, program contract, seed program, cognition seeds, prompt additions."""

    def needs(self, step: Step, rung: str) -> Needs:
        """What a run of train or benchmark takes. Pure; asked before every run."""

    def outlook(self, rung: str) -> str:
        """What else to say about a rung before a campaign starts there. Raises MachineFault if it cannot run here."""

    def prepare(self, workspace: Workspace) -> None:
        """Once per campaign: corpora, base checkpoints, data shards; DISCOVERED if there is any. Resumable."""

    def check(self, code: str) -> list[Issue]:
        """Static checks, in milliseconds. The code has already been parsed inside the sandbox; never execute it here.

        Called from the event loop's thread, the only place where `ast.parse` is safe (tasks/check.py says why).
        """

    def probe(self, code: str, sandbox: Sandbox) -> list[Issue]:
        """Cheap dynamic checks in the sandbox."""

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Run the candidate; leave artefacts in the workspace."""

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Measure what training left, by trusted code. Nothing the candidate claims about itself is believed."""

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """Pure: a fitness (higher is better) with its uncertainty, or a typed failure. baseline None: round 0."""

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """Further MAP-Elites axes, each scaled to [0, 1]. Complexity and diversity come from the engine."""


class BaseDomain:
    """The parts of the contract that a simple problem leaves alone."""

    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = ("explore",)
    preload: ClassVar[tuple[str, ...]] = ()
    objectives: ClassVar[tuple[Objective, ...]] = ()
    tie: ClassVar[float] = 0.0
    scalarisation: ClassVar[str] = ""

    def needs(self, step: Step, rung: str) -> Needs:
        """No GPU, and no bound known."""
        return Needs()

    def outlook(self, rung: str) -> str:
        """Nothing to add."""
        return ""

    def prepare(self, workspace: Workspace) -> None:
        """Nothing to prepare."""

    def check(self, code: str) -> list[Issue]:
        """No rules beyond being parseable."""
        return []

    def probe(self, code: str, sandbox: Sandbox) -> list[Issue]:
        """No dynamic checks."""
        return []

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """No further axes."""
        return {}
