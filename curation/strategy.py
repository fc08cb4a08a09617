"""What a cleaning strategy is: a module with `clean(text, metadata) -> str | None`, and optional stock steps before it.

`STOCK` is the whitelist of Datatrove steps that a strategy may name in its list `STEPS`, each with the thresholds that
may be set and their ranges. No step that needs a download, a model or a regular expression of the candidate's is on
it, since stock steps run outside the sandbox. Nothing here imports Datatrove (pipeline.py does) or runs a candidate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cognition.records import JSON

MOST_STEPS = 6
FILTERS, FORMATTERS = "datatrove.pipeline.filters", "datatrove.pipeline.formatters"

#: A tag in place of removed private data; the referee and the measures look through them.
PLACEHOLDERS = ("[email]", "[phone]", "[ip]", "[id]", "[address]", "[name]")


class StrategyError(ValueError):
    """The list of stock steps is not one that may be run; the message says why."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The values that one parameter of a stock step may take. A bool where low and high are both None."""

    low: float | None = None
    high: float | None = None
    whole: bool = False

    def check(self, place: str, value: JSON) -> None:
        """Raises StrategyError."""
        if self.low is None or self.high is None:
            if not isinstance(value, bool):
                raise StrategyError(f"{place}: expected true or false, got {value!r}")
            return
        number = isinstance(value, int) if self.whole else isinstance(value, int | float)
        if not number or isinstance(value, bool) or not self.low <= value <= self.high:
            kind = "a whole number" if self.whole else "a number"
            raise StrategyError(f"{place}: expected {kind} from {self.low:g} to {self.high:g}, got {value!r}")


@dataclass(frozen=True, slots=True)
class Stock:
    """A stock step of Datatrove: where it is, and what may be set."""

    module: str
    thresholds: Mapping[str, Threshold]
    extra: str = ""  # the package that it needs beside Datatrove


_SHARE, _FLAG = Threshold(0.0, 1.0), Threshold()
STOCK: Mapping[str, Stock] = {
    "C4QualityFilter": Stock(
        FILTERS,
        {
            "remove_citations": _FLAG,
            "filter_no_terminal_punct": _FLAG,
            "min_num_sentences": Threshold(-1, 100, whole=True),
            "min_words_per_line": Threshold(-1, 50, whole=True),
            "max_word_length": Threshold(-1, 10_000, whole=True),
            "filter_lorem_ipsum": _FLAG,
            "filter_javascript": _FLAG,
            "filter_curly_bracket": _FLAG,
            "filter_policy": _FLAG,
        },
        "spacy",
    ),
    "C4ParagraphFilter": Stock(FILTERS, {}),
    "FineWebQualityFilter": Stock(
        FILTERS,
        {
            "line_punct_thr": _SHARE,
            "line_punct_exclude_zero": _FLAG,
            "short_line_thr": _SHARE,
            "short_line_length": Threshold(0, 1000, whole=True),
            "char_duplicates_ratio": _SHARE,
            "new_line_ratio": _SHARE,
        },
        "spacy",
    ),
    "GopherQualityFilter": Stock(
        FILTERS,
        {
            "min_doc_words": Threshold(0, 10_000, whole=True),
            "max_doc_words": Threshold(1, 10**9, whole=True),
            "min_avg_word_length": Threshold(0, 20),
            "max_avg_word_length": Threshold(1, 100),
            "max_symbol_word_ratio": _SHARE,
            "max_bullet_lines_ratio": _SHARE,
            "max_ellipsis_lines_ratio": _SHARE,
            "max_non_alpha_words_ratio": _SHARE,
            "min_stop_words": Threshold(0, 8, whole=True),
        },
        "spacy",
    ),
    "GopherRepetitionFilter": Stock(
        FILTERS,
        {
            "dup_line_frac": _SHARE,
            "dup_para_frac": _SHARE,
            "dup_line_char_frac": _SHARE,
            "dup_para_char_frac": _SHARE,
        },
        "spacy",
    ),
    "PIIFormatter": Stock(FORMATTERS, {"remove_emails": _FLAG, "remove_ips": _FLAG, "only_remove_public_ips": _FLAG}),
    "SymbolLinesFormatter": Stock(FORMATTERS, {}),
    "FTFYFormatter": Stock(FORMATTERS, {}, "ftfy"),
}


@dataclass(frozen=True, slots=True)
class StockStep:
    """One stock step with its thresholds."""

    name: str
    thresholds: tuple[tuple[str, float | int | bool], ...] = ()


def read_steps(claimed: JSON) -> tuple[StockStep, ...]:
    """The stock steps of a strategy's list `STEPS`. Raises StrategyError.

    >>> read_steps([["C4QualityFilter", {"min_num_sentences": 3}]])
    (StockStep(name='C4QualityFilter', thresholds=(('min_num_sentences', 3),)),)
    """
    if not isinstance(claimed, list) or len(claimed) > MOST_STEPS:
        raise StrategyError(f"STEPS is a list of at most {MOST_STEPS} pairs (name, thresholds)")
    return tuple(_read_step(entry) for entry in claimed)


def _read_step(entry: JSON) -> StockStep:
    if not isinstance(entry, list | tuple) or len(entry) != 2 or not isinstance(entry[1], dict):
        raise StrategyError(f"a step is a pair (name, {{threshold: value}}), not {str(entry)[:80]}")
    name, values = entry
    if not isinstance(name, str) or name not in STOCK:
        raise StrategyError(f"there is no stock step {str(name)[:60]!r}; there are {', '.join(STOCK)}")
    known = STOCK[name].thresholds
    for key, value in values.items():
        if key not in known:
            raise StrategyError(f"{name} has no threshold {str(key)[:60]!r}; it has {', '.join(known) or 'none'}")
        known[key].check(f"{name}.{key}", value)
    return StockStep(name, tuple(sorted(values.items())))


def strategy_hash(code: str, *settings: JSON) -> str:
    """The identity of a strategy under some settings: what may not change where work is resumed."""
    return hashlib.sha256(json.dumps([code, *settings], sort_keys=True).encode()).hexdigest()[:16]
