"""Does the drug-target proxy rank models? References in every setting, networks through the sandbox.

    python benchmarks/drug_target_proxy.py   the campaign's rung: one training, all four settings, three seeds
    python benchmarks/drug_target_proxy.py --splits random unseen_drug unseen_protein both   a training for each split

Logistic regression and a random forest see hashed Morgan-like environments (radius 2) and 3-mers; two towers and
DrugBAN are trained, answered and audited as the domain does it. Each (reference, split, seed) is one line of `--out`;
what is there is not run again, so it can be stopped and continued. Lines that were made with another proxy, recipe or
program are left aside. A seed is a split, a forest and an initialisation; the data set is the same for all seeds.
Needs scikit-learn (extra drug-target).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
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
from tasks.trust.arms import interval

SIMPLE = ("logistic_regression", "random_forest")
SHOWN = (*SIMPLE, "two_towers", "drugban")
CEILING = "noise ceiling"
BELOW = "below the ceiling: mean, least"
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
    made_with: str = ""  # digest of what it depends on


def measure(reference: str, kind: splits.Kind, seed: int, sandbox: Sandbox) -> Result:
    """Train and score one."""
    pairs = proxy.pairs()
    found = _simple(reference, pairs, kind, seed) if reference in SIMPLE else _network(reference, kind, seed, sandbox)
    return replace(found, made_with=made_with(reference))


def _network(reference: str, kind: splits.Kind, seed: int, sandbox: Sandbox) -> Result:
    pairs = proxy.pairs()
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


@cache
def made_with(reference: str) -> str:
    """What a result depends on beside split and seed: the data, the recipe, a network's program."""
    pairs = proxy.pairs()
    digest = hashlib.sha256(repr((ALL_SPLITS, pairs.drugs, pairs.proteins)).encode())
    for column in (pairs.drug_P, pairs.protein_P, pairs.label_P):
        digest.update(column.tobytes())
    if reference in NETWORKS:
        digest.update(program(reference).encode())
    return digest.hexdigest()[:16]


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
    """By training split: every measure in each setting, AUROC at a glance, and how far DrugBAN is from the others."""
    for kind in (*splits.SETTINGS, "joint"):
        mine = [result for result in results if result.split == kind]
        settings = splits.SETTINGS if kind == "joint" else (kind,)
        for setting in settings:
            yield from _setting(mine, kind, setting)
        yield from _summary(mine, kind, settings)
        yield from _differences(mine, kind, settings)
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
    for reference in SHOWN:
        group = [result for result in results if result.reference == reference and result.metrics is not None]
        if group:
            yield _row(reference, group, setting)
    yield ""


def _row(reference: str, group: Sequence[Result], setting: str) -> str:
    cells = []
    for name in scoring.NAMES:
        values = [result.metrics[f"{setting}/{name}"] for result in group if result.metrics is not None]
        cells.append(_mean(values))
    gaps = [
        result.ceiling[setting] - result.metrics[f"{setting}/auroc"]
        for result in group
        if result.metrics is not None and result.ceiling is not None
    ]
    cpu_s = statistics.fmean(result.cpu_s for result in group)
    return f"| {reference} | {' | '.join(cells)} | {statistics.fmean(gaps):.3f} | {cpu_s:.0f} | {len(group)} |"


def _summary(results: Sequence[Result], kind: str, settings: Sequence[str]) -> Iterator[str]:
    found = _auroc_of(results)
    if not found:
        return
    yield f"| {kind}: AUROC, mean ± sd | {' | '.join(settings)} |"
    yield "|---|" + "---:|" * len(settings)
    for name in (*SHOWN, CEILING):
        cells = [[value[setting] for (each, _), value in found.items() if each == name] for setting in settings]
        if cells[0]:
            yield f"| {name} | {' | '.join(map(_mean, cells))} |"
    yield ""


def _mean(values: Sequence[float]) -> str:
    sd = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{sd}"


def _auroc_of(results: Sequence[Result]) -> dict[tuple[str, int], dict[str, float]]:
    """AUROC by setting, of each reference and seed, and of the noise ceiling."""
    found = {}
    for result in results:
        if result.metrics is not None and result.ceiling is not None:
            ranked = {name.partition("/")[0]: v for name, v in result.metrics.items() if name.endswith("/auroc")}
            found[result.reference, result.seed] = ranked
            found[CEILING, result.seed] = result.ceiling
    return found


def _differences(results: Sequence[Result], kind: str, settings: Sequence[str]) -> Iterator[str]:
    """DrugBAN against the other reference that is best in the mean, on seeds that all have, with Student's interval."""
    found = _auroc_of(results)
    others = [name for name in SHOWN[:-1] if name in {name for name, _ in found}]
    seeds = sorted({seed for _, seed in found if all((name, seed) in found for name in (*others, "drugban"))})
    if not seeds or not others:
        return
    yield f"| {kind}: DrugBAN minus the best other, AUROC | best other | mean | 95% interval | above on | {BELOW} |"
    yield "|---|---|---:|---:|---:|---:|"
    for setting in settings:
        yield _difference({key: value[setting] for key, value in found.items()}, setting, others, seeds)
    yield ""


def _difference(found: dict[tuple[str, int], float], setting: str, others: Sequence[str], seeds: Sequence[int]) -> str:
    best = max(others, key=lambda name: statistics.fmean(found[name, seed] for seed in seeds))
    values = [found["drugban", seed] - found[best, seed] for seed in seeds]
    below = [found[CEILING, seed] - found["drugban", seed] for seed in seeds]
    ends = interval(values)
    shown = f"{ends[0]:+.3f} to {ends[1]:+.3f}" if ends is not None else "one seed"
    above = f"{sum(value > 0 for value in values)} of {len(seeds)}"
    left = f"{statistics.fmean(below):.3f}, {min(below):.3f}"
    return f"| {setting} | {best} | {statistics.fmean(values):+.3f} | {shown} | {above} | {left} |"


def read(path: Path) -> list[Result]:
    """The results so far that were made with this proxy, these recipes and these programs."""
    if not path.exists():
        return []
    found = [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [result for result in found if result.made_with == made_with(result.reference)]
    if len(kept) < len(found):
        print(
            f"{path}: {len(found) - len(kept)} results of another proxy, recipe or program left aside", file=sys.stderr
        )
    return kept


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
    parser.add_argument("--splits", nargs="+", choices=(*splits.SETTINGS, "joint"), default=["joint"])
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
