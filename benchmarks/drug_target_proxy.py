"""Does the drug-target proxy rank models? References on every split, networks through the sandbox.

    python -m benchmarks.drug_target_proxy --seeds 3 --out drug-target-proxy.jsonl
    python -m benchmarks.drug_target_proxy --splits joint        the campaign's rung: one training, all four settings

Logistic regression and a random forest see hashed Morgan-like environments (radius 2) and 3-mers; two towers and
DrugBAN are trained, answered and audited as the domain does it. Each (reference, split, seed) is one line of `--out`;
what is there is not run again, so it can be stopped and continued. A seed is a split, a forest and an initialisation.
Needs scikit-learn (extra drug-target).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from problems.drug_target import exchange, proxy, scoring, splits, trial
from problems.drug_target.domain import PRELOAD
from problems.drug_target.molecules import Molecule, environments
from problems.drug_target.pairs import Pairs
from problems.drug_target.recipes import ALL_SPLITS
from problems.drug_target.reference import NAMES as NETWORKS
from problems.drug_target.reference import program
from tasks.artefacts import UriWorkspace
from tasks.contract import Failure, Sandbox
from tasks.sandbox import open_sandbox

SIMPLE = ("logistic_regression", "random_forest")
BITS = 1024  # of each fingerprint


@dataclass(frozen=True)
class Result:
    """One reference on one split."""

    reference: str
    split: str
    seed: int
    metrics: dict[str, float] | None  # by `setting/measure`
    ceiling: dict[str, float] | None  # AUROC by setting
    cpu_s: float
    failure: str = ""


def measure(reference: str, kind: splits.Kind, seed: int, sandbox: Sandbox) -> Result:
    """Train and score one."""
    pairs = proxy.pairs()
    if reference in SIMPLE:
        return _simple(reference, pairs, kind, seed)
    with tempfile.TemporaryDirectory() as folder:
        place, code = UriWorkspace(Path(folder).as_uri()), program(reference)
        fitted = trial.fitted(code, pairs, kind, ALL_SPLITS, seed, sandbox, place)
        if isinstance(fitted, Failure):
            return Result(reference, kind, seed, None, None, 0.0, fitted.reason)
        found = trial.measured(code, pairs, kind, ALL_SPLITS, fitted.checkpoints, seed, sandbox)
    if isinstance(found, Failure):
        return Result(reference, kind, seed, None, None, fitted.cpu_s, found.reason)
    return Result(reference, kind, seed, found.metrics, found.ceiling, fitted.cpu_s)


def _simple(reference: str, pairs: Pairs, kind: splits.Kind, seed: int) -> Result:
    split = splits.derive(pairs, kind, seed, ALL_SPLITS.most_training)
    inputs_PF = features(pairs)
    began = time.process_time()
    model = _made(reference, seed)
    model.fit(inputs_PF[split.train], pairs.label_P[split.train])
    cpu_s = time.process_time() - began
    logits_P: exchange.Logits = model.predict_proba(inputs_PF)[:, 1]
    metrics = scoring.measured(pairs, split, logits_P)
    return Result(reference, kind, seed, metrics, scoring.ceilings(pairs, split), cpu_s)


def _made(reference: str, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    if reference == "logistic_regression":
        return LogisticRegression(C=0.1, max_iter=2000)
    return RandomForestClassifier(500, min_samples_leaf=2, random_state=seed)


def features(pairs: Pairs) -> NDArray[np.float32]:
    """Both fingerprints of each pair, side by side, (P, 2 * BITS)."""
    drugs_DF = np.stack([_environments(drug) for drug in pairs.drugs])
    proteins_TF = np.stack([_three_mers(protein) for protein in pairs.proteins])
    return np.concatenate([drugs_DF[pairs.drug_P], proteins_TF[pairs.protein_P]], axis=1)


def _environments(drug: Molecule) -> NDArray[np.float32]:
    bits = np.zeros(BITS, dtype=np.float32)
    bits[[number % BITS for level in environments(drug, 2) for number in level]] = 1.0
    return bits


def _three_mers(protein: str) -> NDArray[np.float32]:
    bits = np.zeros(BITS, dtype=np.float32)
    letters = [ord(letter) - ord("A") for letter in protein]
    codes = [26 * (26 * a + b) + c for a, b, c in zip(letters, letters[1:], letters[2:], strict=False)]
    bits[[code * 2654435761 % 2**32 % BITS for code in codes]] = 1.0
    return bits


def table(results: Sequence[Result]) -> Iterator[str]:
    """A block of lines per training split and setting, with the noise ceiling and how far below it each stays."""
    for kind in (*splits.SETTINGS, "joint"):
        mine = [result for result in results if result.split == kind]
        for setting in splits.SETTINGS if kind == "joint" else (kind,):
            yield from _setting(mine, kind, setting)
    for result in results:
        if result.failure:
            yield f"{result.reference}, {result.split}, seed {result.seed} failed: {result.failure}"


def _setting(results: Sequence[Result], kind: str, setting: str) -> Iterator[str]:
    ceilings = {result.seed: result.ceiling[setting] for result in results if result.ceiling is not None}
    if not ceilings:
        return
    title = setting if kind == setting else f"{kind}: {setting}"
    ceiling = statistics.fmean(ceilings.values())
    yield f"| {title}, noise ceiling {ceiling:.3f} | AUROC | AUPRC | F1 | MCC | below the ceiling | CPU s | seeds |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for reference in (*SIMPLE, "two_towers", "drugban"):
        group = [result for result in results if result.reference == reference and result.metrics is not None]
        if group:
            yield _row(reference, group, setting)
    yield ""


def _row(reference: str, group: Sequence[Result], setting: str) -> str:
    cells = []
    for name in scoring.NAMES:
        values = [result.metrics[f"{setting}/{name}"] for result in group if result.metrics is not None]
        sd = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.3f}{sd}")
    gaps = [
        result.ceiling[setting] - result.metrics[f"{setting}/auroc"]
        for result in group
        if result.metrics is not None and result.ceiling is not None
    ]
    cpu_s = statistics.fmean(result.cpu_s for result in group)
    return f"| {reference} | {' | '.join(cells)} | {statistics.fmean(gaps):.3f} | {cpu_s:.0f} | {len(group)} |"


def read(path: Path) -> list[Result]:
    """The results so far."""
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def run_missing(chosen: argparse.Namespace, sandbox: Sandbox) -> None:
    """Seed by seed, so that a run that is stopped has every reference with few seeds."""
    done = {(result.reference, result.split, result.seed) for result in read(chosen.out)}
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        for kind in chosen.splits:
            for reference in chosen.references:
                if (reference, kind, seed) in done:
                    continue
                result = measure(reference, kind, seed, sandbox)
                with chosen.out.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(result)) + "\n")
                shown = result.failure if result.metrics is None else f"AUROC {_auroc(result.metrics)}"
                print(f"{reference} {kind} seed {seed}: {shown}, {result.cpu_s:.0f} CPU s", file=sys.stderr)


def _auroc(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name.partition('/')[0]} {v:.3f}" for name, v in metrics.items() if name.endswith("/auroc"))


def main() -> int:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", nargs="+", choices=(*SIMPLE, *NETWORKS), default=[*SIMPLE, *NETWORKS[::-1]])
    parser.add_argument("--splits", nargs="+", choices=(*splits.SETTINGS, "joint"), default=list(splits.SETTINGS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("drug-target-proxy.jsonl"))
    parser.add_argument("--only-print", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    if not chosen.only_print:
        with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
            run_missing(chosen, sandbox)
    print("\n".join(table(read(chosen.out))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
