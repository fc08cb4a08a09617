"""Selection of whole documents by a published classifier, where it is on this machine. Trusted code, no sandbox.

FineWeb-Edu's is a sequence classifier of transformers with one output, an educational score from 0 to 5; documents that
round to 3 or more are kept, as its authors did. It is read from a folder and never downloaded here. Those of DCLM and
Ultra-FineWeb are fastText models, which nothing here loads. A leaf: importing it imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from cognition.records import MachineFault

LEAST_SCORE, LONGEST_TOKENS = 3, 512


def fineweb_edu(texts: Sequence[str], folder: Path) -> list[str | None]:
    """The texts that are kept, None for the others. Raises MachineFault where the folder holds no such model."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise MachineFault(f"{folder} holds no classifier of transformers: {first[:200]}") from error
    if model.config.num_labels != 1:
        raise MachineFault(f"{folder}: expected a model with one output, found {model.config.num_labels}")
    torch.set_num_threads(1)
    model.eval()
    kept: list[str | None] = []
    for text in texts:
        with torch.no_grad():
            encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=LONGEST_TOKENS)
            score = float(model(**encoded).logits.squeeze())
        kept.append(text if round(min(5.0, max(0.0, score))) >= LEAST_SCORE else None)
    return kept
