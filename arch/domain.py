"""Architecture design: evolve a linear-attention mixer that beats DeltaNet (paper, section 4.1), on a CPU proxy.

`train` fits small models around the candidate's mixer inside the sandbox; their weights leave as bytes. `benchmark`
asks the trained models in fresh processes and scores outside: recall from predicted tokens whose answers never go in,
bits per byte and lm-eval's tasks from hidden states, with random prefixes sent alone. The rungs on GPUs
(arch/scales.py) go the same way with larger models, scale_train.py and scale_benchmark.py; without a GPU they refuse in
one line, and under the option `tiny` they run at toy size on a CPU. No GPU step has been taken so far.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from arch import (
    budget,
    cheats,
    exchange,
    knowledge,
    measure,
    rules,
    scale_benchmark,
    scale_data,
    scale_train,
    scoring,
    verdicts,
)
from arch.corpus import corpus
from arch.language.evaluate import require
from arch.recipes import RUNGS, TINY, Recipe, causal_lengths
from arch.reference import program
from arch.scales import JOB_WALL_S, JOBS, SCALES, TOY, Scale, forecast
from tasks.contract import (
    JSON,
    BaseDomain,
    Brief,
    Cost,
    Failure,
    FailureKind,
    Issue,
    MachineFault,
    Measurements,
    Needs,
    Objective,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
    gpu_problem,
)
from tasks.probed import WrongForm

PRELOAD = ("torch", "torch.utils.flop_counter", "safetensors.torch")


GATED = (Objective("bits_per_byte", "min"), Objective("benchmark_accuracy", "max"))


class NoGpu(MachineFault):
    """A rung on GPUs was asked for, and this machine cannot give a job what it takes."""

    may_pass = False


class ArchOptions(BaseModel):
    """What can be chosen about the problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance: float = Field(
        0.05, ge=0, le=1, description="How far above the baseline's size, state and FLOPs a ranked mixer may be"
    )
    front_tolerance: float = Field(
        1.0, ge=0, le=9, description="How far a mixer may be that competes on the Pareto front only"
    )
    tiny: bool = Field(False, description="A few steps of a tiny model on a CPU at every rung: its scores mean nothing")
    shards: str = Field("", description="Folder of token shards for a rung on GPUs (`python -m arch.shards`)")
    stream_for: str = Field(
        "", description="A rung on GPUs, of the campaign or to promote to, whose shards are streamed before round 0"
    )

    @field_validator("stream_for")
    @classmethod
    def _is_a_rung_on_gpus(cls, value: str) -> str:
        if value and value not in SCALES:
            raise ValueError(f"expected one of {', '.join(SCALES)}, not {value}")
        return value


class Arch(BaseDomain):
    """The domain `arch`."""

    Options = ArchOptions
    name: ClassVar[str] = "arch"
    contract_version: ClassVar[str] = "2"
    rungs: ClassVar[tuple[str, ...]] = (*RUNGS, *SCALES)
    preload: ClassVar[tuple[str, ...]] = PRELOAD
    #: One seed's noise: DeltaNet's bits per byte move by 0.35% over seeds (docs/arch.md), that is 0.026 of fitness.
    tie: ClassVar[float] = 0.02
    objectives: ClassVar[tuple[Objective, ...]] = (
        *GATED,
        Objective("state_numbers", "min"),
        Objective("flops_per_token", "min"),
        Objective("parameters", "min"),
    )
    gated: ClassVar[tuple[Objective, ...]] = GATED  # promotion asks for a gain on each of them
    scalarisation: ClassVar[str] = (
        "half from bits per byte, half from the benchmark (recall, on GPUs lm-eval's tasks), each a sigmoid of "
        "the gain relative to DeltaNet; sizes are not in it, and a mixer that is larger than its tolerance is in no "
        "ranking"
    )

    def __init__(self, options: ArchOptions | None = None) -> None:
        self.options = options or ArchOptions()

    def recipe(self, rung: str) -> Recipe:
        """The settings of a rung on a CPU."""
        return TINY if self.options.tiny else RUNGS[rung]

    def scale(self, rung: str) -> Scale:
        """The settings of a rung on GPUs."""
        return TOY if self.options.tiny else SCALES[rung]

    def brief(self) -> Brief:
        """The problem in words, with DeltaNet as seed, cognition and block template."""
        tolerance = round(100 * self.options.tolerance)
        return Brief(
            goal=GOAL,
            program_contract=PROGRAM_CONTRACT.format(tolerance=tolerance),
            seed_program=program("delta_net"),
            items=knowledge.items(),
            prompt_notes=NOTES,
            template=knowledge.template(),
            metric="benchmark_accuracy",
            fitness_name="fitness",
        )

    def needs(self, step: Step, rung: str) -> Needs:
        """GPUs as the rung says; on a CPU every training run and every answer keeps to its own wall limit."""
        if rung in SCALES:
            scale = self.scale(rung)
            return Needs(scale.gpus, scale.wall_s) if step == "train" else Needs(min(1, scale.gpus), JOBS * JOB_WALL_S)
        recipe = self.recipe(rung)
        fits = sum(len(run.learning_rates) for run in recipe.runs)
        return Needs(wall_s=recipe.wall_s * (fits if step == "train" else fits + 7))  # 4 for lm-eval's tasks

    def outlook(self, rung: str) -> str:
        """The forecast of a rung on GPUs. Raises NoGpu, with it, where there is none; NoShards where no text is."""
        if rung not in SCALES:
            return ""
        scale = self.scale(rung)
        if scale.gpus == 0:
            return f"{rung} at toy size, on a CPU: its scores mean nothing"
        if problem := gpu_problem(scale.gpus):
            raise NoGpu(f"{problem} ({forecast(rung, scale)})")
        if self.options.stream_for != rung:
            self._data(rung)
        return forecast(rung, scale)

    def _data(self, rung: str) -> scale_data.Data:
        return scale_data.data(rung, self.scale(rung), self.options.shards)

    def prepare(self, workspace: Workspace) -> None:
        """Keep the text that the campaign was judged on beside its results; it differs between Python versions.

        For a rung on GPUs: make the shards that `stream_for` asks for.
        """
        if self.options.stream_for:
            scale_data.make(self.scale(self.options.stream_for))
        text = corpus()
        if not workspace.exists("held-out.txt"):
            workspace.write("held-out.txt", text.held_out)
            workspace.write("train.txt", text.train)

    def cheats(self) -> Mapping[str, str]:
        """Programs that must not score above DeltaNet, for `nightshift audit arch`."""
        return cheats.programs(program("delta_net"))

    def check(self, code: str) -> list[Issue]:
        """Contract, imports, patching, literal shapes and dtypes, quadratic patterns."""
        return rules.issues(code)

    def probe(self, code: str, sandbox: Sandbox) -> list[Issue]:
        """The dynamic checks, then the budget against the seed program, measured in the same way just now."""
        recipe = self.recipe(self.rungs[0])
        probed = exchange.probe(code, recipe, verdicts.CHECKS, self._lengths(), sandbox)
        if isinstance(probed, Failure):
            return [Issue(str(probed.kind), f"the mixer could not be checked: {probed.reason}")]
        try:
            found = verdicts.issues(probed.numbers)
            return found or self._too_large(probed.numbers, recipe, sandbox)
        except WrongForm as error:
            return [Issue("checks", f"the checks' answer is not usable: {error}")]

    def _lengths(self) -> tuple[int, ...]:
        """Those of every rung on a CPU: a candidate is promoted without being probed again."""
        return causal_lengths(self.recipe(rung) for rung in RUNGS)

    def _too_large(self, numbers: JSON, recipe: Recipe, sandbox: Sandbox) -> list[Issue]:
        """For the Pareto front too. What is only too large for the ranking is trained and scored."""
        seed = exchange.probe(program("delta_net"), recipe, budget.CHECKS, (97,), sandbox)
        if isinstance(seed, Failure):
            raise MachineFault(f"the seed program cannot be measured: {seed.reason}")
        return budget.issues(budget.sizes(numbers), budget.sizes(seed.numbers), self._front_tolerance)

    @property
    def _front_tolerance(self) -> float:
        return max(self.options.tolerance, self.options.front_tolerance)

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """Every run at every learning rate; what a former try has finished is not trained again.

        On a rung on GPUs one run, from its newest checkpoint on. Raises NoGpu, NoShards.
        """
        if rung in SCALES:
            self.outlook(rung)
            scale, shards = self.scale(rung), self._data(rung).shards
            if scale.gpus:
                require(scale.suite)  # not only when the GPU-hours are spent
            return scale_train.trained(code, scale, seed, shards, sandbox, workspace)
        recipe, artefacts, lines, kept = self.recipe(rung), [], [], {}
        cpu_s = wall_s = 0.0
        for run in recipe.runs:
            for rate in run.learning_rates:
                fitted = measure.fitted(code, recipe, run, rate, seed, sandbox, workspace)
                if isinstance(fitted, Failure):
                    return fitted
                cpu_s, wall_s = cpu_s + fitted.cpu_s, wall_s + fitted.wall_s
                lines.append(measure.line(run, rate, fitted))
                if fitted.weights is not None:
                    name = measure.file_name(run, rate)
                    artefacts.append(workspace.write(name, fitted.weights))
                    kept[name] = fitted.curve[-1][1]
        return Trained(tuple(artefacts), {"final_loss": kept}, "\n".join(lines), Cost(cpu_s=cpu_s, wall_s=wall_s))

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Ask the trained models, score outside, audit, and check causality again on the trained weights."""
        if rung in SCALES:
            held_out = self._data(rung).held_out()
            return scale_benchmark.measured(code, trained, self.scale(rung), held_out, sandbox, workspace)
        recipe = self.recipe(rung)
        metrics: dict[str, float] = {}
        curves = {}
        for run in recipe.runs:
            measured = measure.measured(code, recipe, run, trained, seed, sandbox, workspace)
            if isinstance(measured, Failure):
                return measured
            metrics |= measured.metrics
            curves[run.name] = measured.by_rate
        language = measure.language(code, recipe, metrics["text/learning_rate"], sandbox, workspace)
        if isinstance(language, Failure):
            return language
        accuracies = [value for name, value in metrics.items() if name.endswith("/accuracy")]
        recall = sum(accuracies) / len(accuracies)
        metrics |= {"recall_accuracy": recall, "benchmark_accuracy": recall, **language}
        curves_file = workspace.write("rates.json", json.dumps(curves).encode())
        return Measurements(
            metrics, {"by_learning_rate": curves}, trained.logs, trained.cost, (*trained.artefacts, curves_file)
        )

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The mean fitness over seeds, with its standard error, against the baseline's means of the same campaign.

        A mixer above the tolerance gets its fitness and no rank.
        """
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        base = baseline or evaluations
        base_loss, base_benchmark = _mean(base, "bits_per_byte"), _mean(base, "benchmark_accuracy")
        pairs = [(each.metrics["bits_per_byte"], each.metrics["benchmark_accuracy"]) for each in evaluations]
        values = [scoring.fitness(*pair, base_loss, base_benchmark) for pair in pairs]
        sizes, allowed = ({name: _mean(each, name) for name in budget.NAMES} for each in (evaluations, base))
        unranked = "; ".join(budget.over(sizes, allowed, self.options.tolerance))
        return Score(sum(values) / len(values), scoring.spread(values), len(values), unranked)

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """State, FLOPs per token and parameters of the mixer, each relative to a generous bound for its widths."""
        metrics, recipe = measurements.metrics, self.recipe(self.rungs[0])
        widths = (recipe.d_model, recipe.n_heads, recipe.head_dim)
        if "d_model" in metrics:  # the rungs on GPUs say how wide they are
            widths = (round(metrics["d_model"]), round(metrics["n_heads"]), round(metrics["head_dim"]))
        return {name: budget.feature(name, metrics[name], *widths) for name in budget.NAMES}


def _mean(evaluations: Sequence[Measurements], name: str) -> float:
    return sum(each.metrics[name] for each in evaluations) / len(evaluations)


GOAL = (
    "Design a causal token mixer with linear cost and a state of fixed size that recalls and updates more than "
    "DeltaNet does with the same state, and models text at least as well."
)
PROGRAM_CONTRACT = """\
Define `class Mixer(nn.Module)` with
- `__init__(self, d_model, n_heads, head_dim)`: n_heads * head_dim need not be d_model; a matrix state is
  n_heads * head_dim * head_dim numbers.
- `forward(self, x_BTD)`: (B, T, d_model) in, same shape and dtype out, for any B, any T >= 1, any floating dtype.
- `recurrent(self, x_BTD, state=None)`: (y_BTD, state), token by token; the state (tensors in tuples or dicts, the same
  size at all times) is all that one call hands to the next. It must agree with `forward` to 1e-4.
Causal in train and eval mode, independent across the batch, no T x T anywhere, no loop over tokens in `forward`, finite
gradients for every parameter. Parameters, state numbers and FLOPs per token at most {tolerance}% above DeltaNet's; a
larger mixer is in no ranking and competes on the Pareto front only.
Imports: torch, torch.nn, torch.nn.functional, math, functools, typing and
`mixers`: linear_attention(q, k, v), decayed_attention(q, k, v, g), delta_rule(q, k, v, beta),
gated_delta_rule(q, k, v, g, beta): (B, T, H, D) each, g and beta (B, T, H), g <= 0 a log decay that may also be
(B, T, H, D); options scale=, state=, steps=True (token by token); they return (o_BTHD, state). Further l2_norm(x),
rms_norm(x, weight), short_conv(x_BTC, weight_CW, tail) -> (y, tail), split_heads(x_BTC, n_heads), rope(x_BTHD, start).
Take sizes and dtypes from the input, never write them down. Reach libraries by their dotted names (no `t = torch`), set
attributes of self only, leave seeds alone, and stay in torch (no .numpy(), .tolist()).
"""
NOTES = (
    "Around the mixer: embedding, RMS norm, residual, MLP, head. Training: a few hundred steps of AdamW at three "
    "learning rates, so good starting values of gates and decays matter. Fitness: half from bits per byte on text, "
    "half from recall accuracy, each relative to DeltaNet in the same campaign."
)
