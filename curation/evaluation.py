"""All measures on one strategy's cleaned documents, by trusted code, paired with the same documents' raw texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cognition.records import JSON
from curation.corpus.build import Corpus
from curation.measure import ngram, spiked, tokens
from curation.measure.issues import PRIVATE, repeated_share
from curation.measure.judge import Judge, RuleJudge, Verdict, judge_pairs, judge_untouched
from curation.measure.novel import observations
from curation.measure.tokens import Estimate, Kept

SHOWN_CHARS = 160


@dataclass(frozen=True, slots=True)
class Report:
    """Every measure of one strategy."""

    kept: Kept
    verdict: Verdict
    bits: tuple[float, ...]  # per held-out text
    metrics: dict[str, float]
    breakdown: dict[str, JSON]


def evaluate(corpus: Corpus, cleaned: Sequence[str | None], seed: int, judge: Judge | None = None) -> Report:
    """The measures, with standard errors and with the gain over the raw texts of the same documents."""
    originals = [document.text for document in corpus.documents]
    judge = judge or RuleJudge()
    kept = kept_of(corpus, cleaned)
    verdict = judge_pairs(originals, cleaned, judge, seed)
    bits = bits_of(corpus, cleaned)
    raw = raw_report(corpus)
    untouched = judge_untouched(originals, verdict.chosen, judge)
    gains = [score - untouched[i] for i, score in zip(verdict.chosen, verdict.scores, strict=True) if i in untouched]
    estimates = {
        "f1": tokens.estimate(kept),
        "f1_gain_over_raw": tokens.difference(kept, raw.kept),
        "judge": tokens.mean(verdict.scores),
        "judge_gain_over_raw": tokens.mean(gains),
        "bits_per_byte": tokens.mean(bits),
        "bits_saved_over_raw": tokens.mean([a - b for a, b in zip(raw.bits, bits, strict=True)]),
    }
    metrics = {name: each.value for name, each in estimates.items()}
    metrics |= {f"{name}_se": each.standard_error for name, each in estimates.items()}
    metrics |= _plain(corpus, cleaned, kept, verdict)
    breakdown = _breakdown(corpus, cleaned, kept, verdict, estimates)
    breakdown |= {"judge": judge.label, "observed": observations(corpus, cleaned, verdict, judge.label)}
    return Report(kept, verdict, bits, metrics, breakdown)


@dataclass(frozen=True, slots=True)
class Raw:
    """What the untouched texts measure."""

    kept: Kept
    bits: tuple[float, ...]


_raw: dict[str, Raw] = {}


def raw_report(corpus: Corpus) -> Raw:
    """Cached per corpus: every strategy is compared with it."""
    if corpus.fingerprint not in _raw:
        texts = [document.text for document in corpus.documents]
        _raw[corpus.fingerprint] = Raw(kept_of(corpus, texts), bits_of(corpus, texts))
    return _raw[corpus.fingerprint]


def kept_of(corpus: Corpus, cleaned: Sequence[str | None]) -> Kept:
    """Against the truth; on real documents against the known passages among their lines."""
    if corpus.spikes:
        return spiked.kept(corpus, cleaned)
    return tokens.kept(cleaned, [document.truth for document in corpus.documents])


def bits_of(corpus: Corpus, cleaned: Sequence[str | None]) -> tuple[float, ...]:
    """Bits per byte of each held-out text, after training on the cleaned ones within the raw ones' size."""
    budget_bytes = ngram.size_bytes([document.text for document in corpus.documents])
    return tuple(ngram.bits_per_byte([text for text in cleaned if text], budget_bytes, corpus.held_out))


def _plain(corpus: Corpus, cleaned: Sequence[str | None], kept: Kept, verdict: Verdict) -> dict[str, float]:
    texts = [text for text in cleaned if text]
    controls = {"judge_identity": verdict.identity, "judge_over_deleted": verdict.over_deleted}
    return {
        "precision": kept.precision,
        "recall": kept.recall,
        "retention": _retention(corpus, cleaned, kept),
        "private_left": _private_left(corpus, cleaned),
        "repeated_left": sum(map(repeated_share, texts)) / max(1, len(texts)),
        "dropped": sum(not text for text in cleaned) / len(cleaned),
        "coverage": sum(verdict.coverage.values()) / max(1, len(verdict.coverage)),
        "judge_calibrated": float(verdict.is_calibrated),
        **{name: value for name, value in controls.items() if value is not None},
    }


def _retention(corpus: Corpus, cleaned: Sequence[str | None], kept: Kept) -> float:
    if corpus.spikes:  # the counts are of the known passages alone
        after = sum(len(tokens.tokens(text or "")) for text in cleaned)
        return after / max(1, sum(len(tokens.tokens(document.text)) for document in corpus.documents))
    return float(kept.kept_D.sum()) / max(1.0, float(raw_report(corpus).kept.kept_D.sum()))


def _private_left(corpus: Corpus, cleaned: Sequence[str | None]) -> float:
    """The share of planted private data that is still there; on real documents, of what rules take for private."""
    if corpus.spikes:
        before = sum(len(PRIVATE.findall(document.text)) for document in corpus.documents)
        return sum(len(PRIVATE.findall(text or "")) for text in cleaned) / max(1, before)
    planted = [
        (text or "", value) for text, doc in zip(cleaned, corpus.documents, strict=True) for value in doc.private
    ]
    return sum(value in text for text, value in planted) / max(1, len(planted))


def _breakdown(
    corpus: Corpus, cleaned: Sequence[str | None], kept: Kept, verdict: Verdict, estimates: dict[str, Estimate]
) -> dict[str, JSON]:
    return {
        "corpus": corpus.fingerprint,
        "truth": f"{len(corpus.spikes)} known passages among real lines" if corpus.spikes else "all documents",
        "intervals_95": {name: [round(each.low, 4), round(each.high, 4)] for name, each in estimates.items()},
        "issues_gone": {name: round(share, 3) for name, share in verdict.coverage.items()},
        "f1_where": {name: round(kept.subset(at).f1, 4) for name, at in _groups(corpus).items()},
        "worst_documents": _worst(corpus, cleaned, kept),
    }


def _groups(corpus: Corpus) -> dict[str, list[int]]:
    """Documents by the family of noise that they carry, by category and by quality."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, document in enumerate(corpus.documents):
        for name in (*document.families, document.category, f"quality {document.quality}"):
            groups[name].append(index)
    return dict(sorted(groups.items()))


def _worst(corpus: Corpus, cleaned: Sequence[str | None], kept: Kept) -> list[dict[str, JSON]]:
    """The three documents that are most wrong, for the Analyzer. Texts are shortened, truth is not shown."""
    wrong_D = kept.kept_D + kept.true_D - 2.0 * kept.right_D
    worst = sorted(range(len(cleaned)), key=lambda i: -wrong_D[i])[:3]
    return [
        {
            "document": i,
            "original": corpus.documents[i].text[:SHOWN_CHARS],
            "cleaned": (cleaned[i] or "")[:SHOWN_CHARS],
            "kept_tokens": int(kept.kept_D[i]),
            "missing_tokens": int(kept.true_D[i] - kept.right_D[i]),
            "superfluous_tokens": int(kept.kept_D[i] - kept.right_D[i]),
        }
        for i in worst
    ]
