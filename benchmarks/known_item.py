"""Known items: does a symptom recall the item it was written for? Hit@5 by text, by vectors, and by both.

    OMP_NUM_THREADS=1 python -m benchmarks.known_item [--path MODEL | --base-url URL --model NAME] [--half tune|report]

The queries are benchmarks/symptoms.jsonl; docs/cognition.md says how they were written. Each is asked against the whole
base that is shipped with its problem. Intervals: Wilson's for a share, percentiles of 10,000 resampled sets of queries
for a difference between two ways on the same queries. What is tuned is tuned on one half (`tune`) and reported on the
other; a query's half is drawn from its words.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cognition.archive import Archive
from cognition.items import ItemStore
from cognition.recall import Rule
from cognition.records import Item
from cognition.vectors import Vector
from tasks.embedding import Embedder, EmbeddingSettings, embed_missing

SYMPTOMS = Path(__file__).parent / "symptoms.jsonl"
K = 5
#: Of a normal distribution, for 95%.
Z = 1.96


@dataclass(frozen=True, slots=True)
class Query:
    """A symptom, and the item that it was written for."""

    problem: str
    item: str
    text: str

    @property
    def half(self) -> str:
        """Which half of the queries it belongs to; the same for ever."""
        return "tune" if hashlib.sha256(self.text.encode()).digest()[0] % 2 == 0 else "report"


def queries(half: str = "") -> list[Query]:
    """All of them, or one half."""
    lines = [json.loads(line) for line in SYMPTOMS.read_text(encoding="utf-8").splitlines()]
    found = [Query(line["problem"], line["item"], line["query"]) for line in lines]
    return [query for query in found if half in ("", query.half)]


def shipped(problems: Sequence[str]) -> list[Item]:
    """Every item that comes with these problems, code blocks too."""
    from flows import registry

    return [item for name in problems for item in registry.load(registry.resolved(name), {}).brief().items]


def ranks(
    store: ItemStore, asked: Sequence[Query], domains: Mapping[str, str], vectors: Sequence[Vector] | None, rule: Rule
) -> dict[str, list[int | None]]:
    """The place of each query's item among the first five, by way; None: it is not among them."""

    def rank(query: Query, text: str, vector: Vector | None) -> int | None:
        found = [hit.item.id for hit in store.recall(domains[query.item], text, K, vector, rule)]
        return found.index(query.item) + 1 if query.item in found else None

    by_way = {"text": [rank(query, query.text, None) for query in asked]}
    if vectors is not None:
        pairs = list(zip(asked, vectors, strict=True))
        by_way["vectors"] = [rank(query, "", vector) for query, vector in pairs]
        by_way["fused"] = [rank(query, query.text, vector) for query, vector in pairs]
    return by_way


def wilson(hits: int, count: int) -> tuple[float, float]:
    """A share's interval of 95%.

    >>> tuple(round(bound, 2) for bound in wilson(22, 24))
    (0.74, 0.98)
    """
    share, spread = hits / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * (share * (1 - share) / count + spread / (4 * count)) ** 0.5 / (1 + spread)
    return middle - half, middle + half


def difference(one: Sequence[bool], other: Sequence[bool], seed: int = 0) -> tuple[float, float, float]:
    """The mean of one less the other on the same queries, and its interval of 95% (bootstrap over queries)."""
    gains_Q = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, gains_Q.size, size=(10_000, gains_Q.size))
    low, high = np.percentile(gains_Q[drawn].mean(axis=1), [2.5, 97.5])
    return float(gains_Q.mean()), float(low), float(high)


def summary(by_way: Mapping[str, Sequence[int | None]], chosen: Sequence[int]) -> dict[str, object]:
    """Hit@5 with its interval and the mean reciprocal rank of each way, and what each gains over text."""
    report: dict[str, object] = {"queries": len(chosen)}
    hits = {way: [found[at] is not None for at in chosen] for way, found in by_way.items()}
    for way, found in by_way.items():
        places = [found[at] for at in chosen]
        low, high = wilson(sum(hits[way]), len(chosen))
        mrr = sum(1.0 / place for place in places if place) / len(chosen)
        report[way] = {"hit@5": sum(hits[way]) / len(chosen), "low": low, "high": high, "mrr@5": mrr}
        if way != "text":
            gain, lower, upper = difference(hits[way], hits["text"])
            won = sum(a and not b for a, b in zip(hits[way], hits["text"], strict=True))
            lost = sum(b and not a for a, b in zip(hits[way], hits["text"], strict=True))
            report[f"{way} - text"] = {"gain": gain, "low": lower, "high": upper, "won": won, "lost": lost}
    return report


def measured(embedder: Embedder | None, half: str = "", rule: Rule | None = None) -> dict[str, object]:
    """All problems that have queries, each and together."""
    asked = queries(half)
    problems = sorted({query.problem for query in asked})
    base = shipped(problems)
    domains = {item.id: item.domain for item in base}
    if unknown := sorted({query.item for query in asked} - set(domains)):
        raise SystemExit(f"symptoms.jsonl names items that are not shipped: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as folder, Archive.open(f"sqlite:///{Path(folder) / 'base.db'}") as archive:
        store = ItemStore(archive)
        store.upsert(base)
        vectors = None if embedder is None else _embedded(store, embedder, sorted(set(domains.values())), asked)
        by_way = ranks(store, asked, domains, vectors, rule or Rule())
    report: dict[str, object] = {"items": len(base)}
    for problem in problems:
        report[problem] = summary(by_way, [at for at, query in enumerate(asked) if query.problem == problem])
    report["all"] = summary(by_way, range(len(asked)))
    report["missed"] = {
        way: [query.text for query, place in zip(asked, found, strict=True) if place is None]
        for way, found in by_way.items()
    }
    return report


def _embedded(store: ItemStore, embedder: Embedder, domains: Sequence[str], asked: Sequence[Query]) -> list[Vector]:
    for domain in domains:
        while embed_missing(store, embedder, domain):
            pass
    return embedder.embed([query.text for query in asked])


def add_embedding_options(parser: argparse.ArgumentParser) -> None:
    """The options that name what embeds."""
    parser.add_argument("--path", default="", help="a model's folder, or a file of word vectors")
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint for embeddings")
    parser.add_argument("--model", default="", help="the embedding model's name there")


def embedder_of(arguments: argparse.Namespace) -> Embedder | None:
    """What embeds, if anything was named."""
    if arguments.path:
        return Embedder(EmbeddingSettings(path=arguments.path))
    if arguments.base_url and arguments.model:
        return Embedder(EmbeddingSettings(model=arguments.model, base_url=arguments.base_url))
    return None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_embedding_options(parser)
    parser.add_argument("--half", choices=["", "tune", "report"], default="", help="one half of the queries only")
    arguments = parser.parse_args()
    print(json.dumps(measured(embedder_of(arguments), arguments.half), indent=2))


if __name__ == "__main__":
    main()
