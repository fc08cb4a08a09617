"""All measures on one strategy's cleaned documents, by trusted code, paired with the same documents' raw texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cognition.records import JSON
from curation.corpus.build import Corpus
from curation.measure import ngram, tokens
from curation.measure.issues import repeated_share
from curation.measure.judge import LABEL, Judge, RuleJudge, Verdict, judge_pairs
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
    kept = tokens.kept(cleaned, [document.truth for document in corpus.documents])
    verdict = judge_pairs(originals, cleaned, judge or RuleJudge(), seed)
    bits = bits_of(corpus, cleaned)
    raw = raw_report(corpus)
    f1, gain = tokens.estimate(kept), tokens.difference(kept, raw.kept)
    judged, saved = tokens.mean(verdict.scores), tokens.mean([a - b for a, b in zip(raw.bits, bits, strict=True)])
    raw_scores = judge_pairs(originals, originals, judge or RuleJudge(), seed).scores
    judged_gain = tokens.mean([a - b for a, b in zip(verdict.scores, raw_scores, strict=True)])
    estimates = {
        "f1": f1,
        "f1_gain_over_raw": gain,
        "judge": judged,
        "judge_gain_over_raw": judged_gain,
        "bits_per_byte": tokens.mean(bits),
        "bits_saved_over_raw": saved,
    }
    metrics = {name: each.value for name, each in estimates.items()}
    metrics |= {f"{name}_se": each.standard_error for name, each in estimates.items()}
    metrics |= _plain(corpus, cleaned, kept, verdict)
    return Report(kept, verdict, bits, metrics, _breakdown(corpus, cleaned, kept, verdict, estimates))


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
        kept = tokens.kept(texts, [document.truth for document in corpus.documents])
        _raw[corpus.fingerprint] = Raw(kept, bits_of(corpus, texts))
    return _raw[corpus.fingerprint]


def bits_of(corpus: Corpus, cleaned: Sequence[str | None]) -> tuple[float, ...]:
    """Bits per byte of each held-out text, after training on the cleaned ones within the raw ones' size."""
    budget_bytes = ngram.size_bytes([document.text for document in corpus.documents])
    return tuple(ngram.bits_per_byte([text for text in cleaned if text], budget_bytes, corpus.held_out))


def _plain(corpus: Corpus, cleaned: Sequence[str | None], kept: Kept, verdict: Verdict) -> dict[str, float]:
    raw_tokens = float(raw_report(corpus).kept.kept_D.sum())
    planted = [
        (text or "", value) for text, doc in zip(cleaned, corpus.documents, strict=True) for value in doc.private
    ]
    texts = [text for text in cleaned if text]
    return {
        "precision": kept.precision,
        "recall": kept.recall,
        "retention": float(kept.kept_D.sum()) / max(1.0, raw_tokens),
        "private_left": sum(value in text for text, value in planted) / max(1, len(planted)),
        "repeated_left": sum(map(repeated_share, texts)) / max(1, len(texts)),
        "dropped": sum(not text for text in cleaned) / len(cleaned),
        "coverage": sum(verdict.coverage.values()) / max(1, len(verdict.coverage)),
        "judge_identity": verdict.identity,
        "judge_over_deleted": verdict.over_deleted,
        "judge_calibrated": float(verdict.is_calibrated),
    }


def _breakdown(
    corpus: Corpus, cleaned: Sequence[str | None], kept: Kept, verdict: Verdict, estimates: dict[str, Estimate]
) -> dict[str, JSON]:
    return {
        "judge": LABEL,
        "corpus": corpus.fingerprint,
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
