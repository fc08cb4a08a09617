"""Drug-target interaction: evolve a model that says whether a molecule binds a protein (paper, section 5.4).

`train` fits the candidate's model on labelled pairs inside the sandbox; its weights leave as bytes. `benchmark` asks
the trained models in fresh processes for logits of pairs whose labels never go in, sends some of them again alone, and
scores outside. Without `data` it runs on a synthetic proxy with a known noise ceiling (proxy.py), offline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from problems.drug_target import cheats, exchange, knowledge, rules, scoring, source, trial
from problems.drug_target.pairs import Pairs
from problems.drug_target.recipes import RUNGS, TINY, Recipe
from problems.drug_target.reference import program
from problems.drug_target.weights import numbers
from tasks.contract import (
    BaseDomain,
    Brief,
    Cost,
    Failure,
    FailureKind,
    Issue,
    Measurements,
    Needs,
    Sandbox,
    Score,
    Step,
    Trained,
    Workspace,
)

PRELOAD = ("torch", "safetensors.torch")
MOST_PARAMETERS = 1_000_000  # the seed program has some 50,000
REPORT = "data.json"


class DrugTargetOptions(BaseModel):
    """What can be chosen about the problem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field("", description="CSV with columns SMILES, Protein, Y: a path or a URL. Empty: the offline proxy")
    smiles: source.Smiles = Field(
        "own", description="What reads SMILES: our own reader, or rdkit where it is installed"
    )
    epochs: int | None = Field(None, ge=1, le=200, description="Epochs of a training run; None: the rung's own")
    most_training: int | None = Field(None, ge=50, description="Most training pairs of real data; None: all of them")
    cpu_s: float | None = Field(None, gt=0, description="CPU limit of a training run; None: the rung's own")
    memory_mb: int = Field(2048, ge=512, description="Memory of a training run; long proteins need more")
    tiny: bool = Field(False, description="Two epochs on a few pairs, for tests: its scores mean little")


class DrugTarget(BaseDomain):
    """The domain `drug_target`."""

    Options = DrugTargetOptions
    name: ClassVar[str] = "drug_target"
    contract_version: ClassVar[str] = "1"
    rungs: ClassVar[tuple[str, ...]] = tuple(RUNGS)
    preload: ClassVar[tuple[str, ...]] = PRELOAD

    def __init__(self, options: DrugTargetOptions | None = None) -> None:
        """Raises NoData for a file that is not there."""
        self.options = options or DrugTargetOptions()
        where = self.options.data
        if where and not source.is_url(where) and not Path(where).is_file():
            raise source.NoData(f"data: there is no file {where}")

    def recipe(self, rung: str) -> Recipe:
        """The settings of a rung, with what the options say."""
        o = self.options
        recipe = TINY if o.tiny else RUNGS[rung]
        most_training = o.most_training if o.data else recipe.most_training
        return recipe.changed(o.epochs, o.cpu_s, most_training, o.memory_mb)

    def pairs(self) -> Pairs:
        """The data. Raises NoData."""
        return source.load(self.options.data, self.options.smiles, self.options.tiny)

    def brief(self) -> Brief:
        """The problem in words, with DrugBAN as seed, cognition and block template."""
        return Brief(
            goal=GOAL,
            program_contract=PROGRAM_CONTRACT.format(most=MOST_PARAMETERS),
            seed_program=program("drugban"),
            items=knowledge.items(),
            prompt_notes=NOTES,
            template=knowledge.template(),
            metric="auroc",
        )

    def needs(self, step: Step, rung: str) -> Needs:
        """No GPU; each training run, and each question to trained models, keeps to its wall limit."""
        recipe = self.recipe(rung)
        return Needs(wall_s=recipe.wall_s * len(recipe.splits) * (1 if step == "train" else 2))

    def outlook(self, rung: str) -> str:
        """What was read and what was left out. Raises NoData."""
        return self.pairs().report

    def prepare(self, workspace: Workspace) -> None:
        """Fetch and read the data, and keep the report of rows that were left out, each by name."""
        pairs = self.pairs()
        rejected = [[each.row, each.kind, each.detail] for each in pairs.rejected]
        workspace.write(REPORT, json.dumps({"report": pairs.report, "rejected": rejected}, indent=1).encode())

    def check(self, code: str) -> list[Issue]:
        """Contract, imports, calls that nothing needs."""
        return rules.issues(code)

    def cheats(self) -> Mapping[str, str]:
        """Programs that must not score above the seed, for `nightshift audit`."""
        return cheats.programs(program("drugban"))

    def probe(self, code: str, sandbox: Sandbox) -> list[Issue]:
        """One training step on a few pairs; the same answer together and alone; the size."""
        pairs = self.pairs()
        probed = exchange.probe(code, pairs, self.recipe(self.rungs[0]), sandbox)
        if isinstance(probed, Failure):
            return [Issue(str(probed.kind), f"the model could not be tried: {probed.reason}")]
        return trial.issues(probed.answer, MOST_PARAMETERS)

    def train(self, code: str, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace) -> Trained | Failure:
        """One run per split of the rung; what a former try has finished is not trained again."""
        pairs, recipe = self.pairs(), self.recipe(rung)
        artefacts, lines, final = [], [], {}
        cpu_s = wall_s = 0.0
        for kind in recipe.splits:
            fitted = trial.fitted(code, pairs, kind, recipe, seed, sandbox, workspace)
            if isinstance(fitted, Failure):
                return fitted
            cpu_s, wall_s = cpu_s + fitted.cpu_s, wall_s + fitted.wall_s
            final[kind] = fitted.losses[-1]
            lines.append(trial.line(kind, fitted))
            for number, content in enumerate(fitted.checkpoints):
                artefacts.append(workspace.write(trial.file_name(kind, number), content))
        return Trained(tuple(artefacts), {"final_loss": final}, "\n".join(lines), Cost(cpu_s=cpu_s, wall_s=wall_s))

    def benchmark(
        self, code: str, trained: Trained, rung: str, seed: int, sandbox: Sandbox, workspace: Workspace
    ) -> Measurements | Failure:
        """Ask the trained models, audit their answers, score outside."""
        pairs, recipe = self.pairs(), self.recipe(rung)
        metrics: dict[str, float] = {}
        ceiling: dict[str, float] = {}
        epochs = {}
        for kind in recipe.splits:
            weights = [workspace.read(trial.file_name(kind, n)) for n in range(len(recipe.kept_epochs))]
            found = trial.measured(code, pairs, kind, recipe, weights, seed, sandbox)
            if isinstance(found, Failure):
                return found
            metrics |= found.metrics
            ceiling |= found.ceiling
            epochs[kind] = recipe.kept_epochs[found.checkpoint]
            metrics["parameters"] = float(numbers(weights[found.checkpoint]))
        if better := scoring.impossible(metrics, ceiling):
            return Failure(FailureKind.CHEATING, better)
        return Measurements(
            {**metrics, **scoring.means(metrics)},
            {"noise_ceiling_auroc": ceiling, "chosen_epoch": epochs},
            trained.logs,
            trained.cost,
            trained.artefacts,
        )

    def score(self, evaluations: Sequence[Measurements], baseline: Sequence[Measurements] | None) -> Score | Failure:
        """The mean fitness over seeds, with its standard error."""
        if not evaluations:
            return Failure(FailureKind.INVALID, "there is no evaluation to score")
        values = [scoring.fitness(each.metrics) for each in evaluations]
        return Score(sum(values) / len(values), scoring.spread(values), len(values))

    def features(self, measurements: Measurements) -> Mapping[str, float]:
        """Size, and how little is lost on what is unseen, each in [0, 1]."""
        metrics = measurements.metrics
        lost = metrics["random/auroc"] - metrics["both/auroc"]
        return {
            "size": min(1.0, metrics["parameters"] / MOST_PARAMETERS),
            "holds_when_unseen": min(1.0, max(0.0, 1.0 - 2.0 * lost)),
        }


GOAL = (
    "Design a model that predicts from a drug's molecular graph and a protein's sequence whether they bind, and that "
    "still does so for drugs and proteins that it has never seen."
)
PROGRAM_CONTRACT = """\
Define `class Model(nn.Module)` with
- `__init__(self, atom_features, residues)`: the width F of an atom's features and the number of residue tokens;
- `forward(self, atoms_BNF, bonds_BNN, residues_BL)`: a logit per pair, shape (B,), from
  atoms_BNF (float32): one-hot element, degree, hydrogens, charge, aromatic, in a ring; the last feature is 1 for an
  atom; padding is 0 in all of them;
  bonds_BNN (int64, symmetric): 0 none, 1 single, 2 double, 3 triple, 4 aromatic;
  residues_BL (int64): 0 is padding, from 1 on the residues.
In eval mode the logit of a pair depends on that pair alone, not on what else is in the batch. float32 on a CPU; buffers
float32 too (BatchNorm is fine); at most {most} numbers. No data are needed beyond the arguments.
Imports: torch, torch.nn, torch.nn.functional, math, functools, itertools, dataclasses, collections, typing. Reach
libraries by their dotted names (no `t = torch`) and set attributes of self only.
"""
NOTES = (
    "The trainer is fixed: binary cross-entropy, AdamW with warm-up and cosine, batches of 64, a few thousand pairs, "
    "some twenty epochs on one CPU thread within a limit. Weights of several epochs are kept; the best is chosen on "
    "pairs held out for that. Reported in four settings: known partners, unseen drug, unseen protein, both unseen; "
    "fitness is four fifths AUROC and AUPRC, one fifth F1 and MCC, averaged over the settings."
)
