"""Do the three cheap measures rank cleaning strategies as they should? Run from the repository's root:

    python -m benchmarks.curation_proxy                         # the references, on the development families
    python -m benchmarks.curation_proxy --strategy FILE ...     # further strategies beside them
    python -m benchmarks.curation_proxy --finalist FILE ...     # on the hidden families, against `sensible`: once each

Every strategy goes through the domain as a candidate does, in the sandbox. Intervals are 95%: bootstrap over documents
for F1, over judged pairs for the judge, over held-out texts for bits per byte. `gain` columns are paired: both sides of
a difference are measured on the same documents, pairs and texts. The judge is a rule judge, no model.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cognition.records import Failure, Measurements
from curation import references
from curation.corpus import build
from curation.corpus.build import Corpus
from curation.domain import CLEANED, Curation
from curation.measure import tokens
from tasks.artefacts import UriWorkspace
from tasks.sandbox import Pool, open_sandbox

RANKED = ("over_delete", "raw", "html_only", "sensible")
MEASURES = ("f1", "judge", "bits_per_byte")


@dataclass(frozen=True)
class Row:
    """One strategy's result."""

    name: str
    measured: Measurements
    cleaned: tuple[str | None, ...]
    cpu_s: float  # of sandbox and measuring together


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--strategy", nargs="*", default=[], help="further programs")
    parser.add_argument("--finalist", nargs="*", default=[], help="programs for the hidden families")
    parser.add_argument("--fineweb-edu", type=Path, help="a folder with FineWeb-Edu's classifier")
    asked = parser.parse_args()
    domain = Curation(Curation.Options(documents=asked.documents))
    with tempfile.TemporaryDirectory() as folder, open_sandbox(Path(folder), preload=domain.preload) as sandbox:
        print(f"sandbox {sandbox.tier}, {asked.documents} documents, load {os.getloadavg()[0]:.1f}")
        if asked.finalist:
            finalists(domain, asked.finalist, sandbox, Path(folder))
        else:
            ranking(domain, asked.strategy, sandbox, Path(folder), asked.fineweb_edu)


def ranking(
    domain: Curation, further: Sequence[str], sandbox: Pool, folder: Path, classifier: Path | None = None
) -> None:
    """The table on the development families, and whether each measure ranks RANKED as listed."""
    names = (*references.NAMES, *references.HEURISTIC_FILTERS)
    programs = {references.LABELS.get(name, name): references.code(name) for name in names}
    programs |= {Path(name).stem: Path(name).read_text() for name in further}
    rows = {name: run(domain, name, code, sandbox, folder, hidden=False) for name, code in programs.items()}
    missing = dict(references.NOT_HERE)
    if classifier is not None:
        missing.pop("FineWeb-Edu")
        rows["FineWeb-Edu (its classifier)"] = selected(domain.development(), classifier)
    print(f"corpus {domain.development().fingerprint}, development families; the judge is a rule judge, no model\n")
    table(list(rows.values()), missing)
    wrong = [measure for measure in MEASURES if not is_ranked([rows[name] for name in RANKED], measure)]
    for measure in MEASURES:
        print(f"{measure}: {' < '.join(RANKED)}: {'no' if measure in wrong else 'yes'}")
    for one, other in zip(RANKED[1:], RANKED, strict=False):
        gain = difference(domain.development(), rows[one], rows[other])
        print(f"F1 of {one} - {other}: {gain.value:+.4f} (95%: {gain.low:+.4f} to {gain.high:+.4f})")
    sys.exit(1 if wrong else 0)


def finalists(domain: Curation, names: Sequence[str], sandbox: Pool, folder: Path) -> None:
    """The table on the hidden families, and each finalist against `sensible`."""
    corpus = build.test(domain.options.documents, domain.options.corpus_seed)
    print(f"corpus {corpus.fingerprint}, hidden families; the judge is a rule judge, no model\n")
    programs = {name: references.code(name) for name in ("raw", "html_only", "sensible")}
    programs |= {Path(name).stem: Path(name).read_text() for name in names}
    rows = {name: run(domain, name, code, sandbox, folder, hidden=True) for name, code in programs.items()}
    table(list(rows.values()))
    for name in names:
        gain = difference(corpus, rows[Path(name).stem], rows["sensible"])
        print(f"F1 of {name} - sensible: {gain.value:+.4f} (95%: {gain.low:+.4f} to {gain.high:+.4f})")


def run(domain: Curation, name: str, code: str, sandbox: Pool, folder: Path, hidden: bool) -> Row:
    """One strategy through the domain. Stops the benchmark if it fails."""
    place = UriWorkspace((folder / f"{'hidden' if hidden else 'development'}-{name.split()[0]}").as_uri())
    started_s = time.process_time()
    measured: Measurements | Failure
    if hidden:
        measured = domain.examine(code, 0, sandbox, place)
    else:
        trained = domain.train(code, "explore", 0, sandbox, place)
        if isinstance(trained, Failure):
            raise SystemExit(f"{name}: {trained}")
        measured = domain.benchmark(code, trained, "explore", 0, sandbox, place)
    if isinstance(measured, Failure):
        raise SystemExit(f"{name}: {measured}")
    cpu_s = time.process_time() - started_s + measured.cost.cpu_s
    cleaned = json.loads(place.read(CLEANED))["cleaned"]
    return Row(name, measured, tuple(cleaned), cpu_s)


def selected(corpus: Corpus, classifier: Path) -> Row:
    """FineWeb-Edu's selection of whole documents, outside of the sandbox: no candidate is in it."""
    from curation.evaluation import evaluate
    from curation.references.classifiers import fineweb_edu

    started_s = time.process_time()
    cleaned = fineweb_edu([document.text for document in corpus.documents], classifier)
    report = evaluate(corpus, cleaned, 0)
    measured = Measurements(report.metrics, report.breakdown)
    return Row("FineWeb-Edu (its classifier)", measured, tuple(cleaned), time.process_time() - started_s)


def table(rows: Sequence[Row], skipped: Mapping[str, str] | None = None) -> None:
    """Values with 95% intervals, gains over the raw texts, and what is left; what was skipped, with the reason."""
    print("| strategy | F1 of kept tokens | rule judge 1-10 | bits per byte | saved | private | repeated | CPU-s |")
    print("|---|---|---|---|---|---:|---:|---:|")
    for row in rows:
        metrics, intervals = row.measured.metrics, row.measured.breakdown["intervals_95"]
        cells = [f"{metrics[m]:.3f} ({intervals[m][0]:.3f}-{intervals[m][1]:.3f})" for m in MEASURES]
        low, high = intervals["bits_saved_over_raw"]
        cells.append(f"{metrics['bits_saved_over_raw']:+.3f} ({low:+.3f} to {high:+.3f})")
        cells += [f"{metrics['private_left']:.2f}", f"{metrics['repeated_left']:.3f}", f"{row.cpu_s:.1f}"]
        print(f"| {row.name} | {' | '.join(cells)} |")
    for name, why in (skipped or {}).items():
        print(f"| {name} | skipped: {why} | | | | | | |")
    print()


def is_ranked(rows: Sequence[Row], measure: str) -> bool:
    """Whether each is better than the one before it."""
    sign = -1.0 if measure == "bits_per_byte" else 1.0
    values = [sign * row.measured.metrics[measure] for row in rows]
    return all(low < high for low, high in itertools.pairwise(values))


def difference(corpus: Corpus, one: Row, other: Row) -> tokens.Estimate:
    """F1 of one minus the other's, on the same resampled documents."""
    truths = [document.truth for document in corpus.documents]
    return tokens.difference(tokens.kept(one.cleaned, truths), tokens.kept(other.cleaned, truths))


if __name__ == "__main__":
    main()
