"""Three small tasks for runs without a network: a choice, a last word, and whole passages.

The documents are cut from the held-out half of the corpus (arch/corpus.py), so a model of the laptop rung has a chance
at them, and they differ between Python versions as the corpus does. They are kept outside the sandbox.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from arch import scoring
from arch.corpus import corpus
from arch.language.suites import CHOICE, CLOZE, ROLLING

DOCUMENTS = 100
PASSAGE = 240  # bytes
CONTEXT = 140  # of them, about, before a choice
CHOICES = 4
WORD = re.compile(r" ([A-Za-z]{4,})\b")
Document = dict[str, Any]


@cache
def passages() -> tuple[str, ...]:
    """Passages that do not overlap, each from a word's start to a word's end."""
    rows = scoring.windows(corpus().held_out, PASSAGE - 1, DOCUMENTS, seed=0)
    texts = (bytes(row.astype("uint8")).decode("ascii") for row in rows)
    return tuple(text[text.find(" ") + 1 : text.rfind(" ")] for text in texts)


def choices() -> list[Document]:
    """A passage's beginning, and how it goes on: as it does, or as one of three others."""
    halves = [_cut(text) for text in passages()]
    chance = random.Random(0)
    documents = []
    for number, (context, ending) in enumerate(halves):
        others = chance.sample([other for i, (_, other) in enumerate(halves) if i != number], CHOICES - 1)
        gold = chance.randrange(CHOICES)
        documents.append({"context": context, "choices": [*others[:gold], ending, *others[gold:]], "gold": gold})
    return documents


def _cut(text: str) -> tuple[str, str]:
    """In two before the first space after CONTEXT bytes; the second part is as long as a line or less."""
    at = text.index(" ", CONTEXT)
    end = text.find(" ", at + 40)
    return text[:at], text[at : end if end > 0 else len(text)]


def clozes() -> list[Document]:
    """A passage up to one of its words, and that word: the last one that was there before, else the last one."""
    return [_cloze(text) for text in passages()]


def _cloze(text: str) -> Document:
    words = [match for match in WORD.finditer(text) if match.start() > PASSAGE // 4]
    again = [match for match in words if match[1] in text[: match.start()].split()]
    chosen = (again or words)[-1]
    return {"context": text[: chosen.start()], "word": chosen[0]}


def rolling() -> list[Document]:
    """Whole passages."""
    return [{"text": text} for text in passages()]


def settings(name: str) -> dict[str, Any]:
    """lm-eval's configuration of a local task. Raises KeyError."""
    make, more = TASKS[name]

    def splits(**_: Any) -> dict[str, Any]:
        from datasets import Dataset  # heavy, and lm-eval wants its form

        return {"test": Dataset.from_list(make())}

    return {"task": name, "custom_dataset": splits, "test_split": "test", "target_delimiter": "", **more}


def _metric(name: str, aggregation: str, up: bool) -> dict[str, Any]:
    return {"metric": name, "aggregation": aggregation, "higher_is_better": up}


TASKS: dict[str, tuple[Callable[[], list[Document]], dict[str, Any]]] = {
    CHOICE: (
        choices,
        {
            "output_type": "multiple_choice",
            "doc_to_text": "context",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "metric_list": [_metric("acc", "mean", True), _metric("acc_bytes", "mean", True)],
        },
    ),
    CLOZE: (
        clozes,
        {
            "output_type": "loglikelihood",
            "doc_to_text": "context",
            "doc_to_target": "word",
            "metric_list": [_metric("acc", "mean", True), _metric("perplexity", "perplexity", False)],
        },
    ),
    ROLLING: (
        rolling,
        {
            "output_type": "loglikelihood_rolling",
            "doc_to_text": "",
            "doc_to_target": "text",
            "metric_list": [
                _metric("bits_per_byte", "bits_per_byte", False),
                _metric("byte_perplexity", "weighted_perplexity", False),
            ],
        },
    ),
}
