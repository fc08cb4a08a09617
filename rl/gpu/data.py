"""The prompts that a run trains on: a file or a data set of the hub, as TRL wants them. A leaf: it imports datasets.

`prompt` is text, which is sent as it is, or a list of messages, which goes through the model's chat template. All other
columns stay: reward functions are given them.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from rl.gpu.plan import Plan

FEWEST = 8  # prompts, where a quarter of them is kept apart


class Unusable(ValueError):
    """The data set cannot be read, or a row lacks something; the message is one line."""


def parts(plan: Plan, apart: int) -> tuple[Any, Any]:
    """The prompts to train on, and so many to choose by: those with the smallest hashes, whatever the seed is.

    Of few prompts a quarter is kept apart. One that comes several times is in one part alone. Raises Unusable.
    """
    rows = prompts(plan)
    hashes = [hashlib.sha256(json.dumps(prompt).encode()).hexdigest() for prompt in rows["prompt"]]
    first = {key: place for place, key in reversed(list(enumerate(hashes)))}
    if apart and len(first) < FEWEST:
        raise Unusable(f"{plan.data} has {len(first)} prompts: at least {FEWEST} are needed to keep some apart")
    smallest = set(sorted(first)[: min(apart, len(first) // 4)])
    choosing = sorted(first[key] for key in smallest)
    return rows.select([place for place, key in enumerate(hashes) if key not in smallest]), rows.select(choosing)


def prompts(plan: Plan) -> Any:
    """A Dataset with `prompt` and `answer`. Raises Unusable."""
    from datasets import Dataset

    rows = _read(plan)
    wanted = {plan.prompt_column, plan.answer_column.partition(".")[0]}
    if missing := sorted(wanted - set(rows.column_names)):
        raise Unusable(f"{plan.data} has no column {missing[0]!r}, only {', '.join(rows.column_names)}")
    if len(rows) == 0:
        raise Unusable(f"{plan.data} is empty")
    pairs = [_row(plan, row, number) for number, row in enumerate(rows.select_columns(sorted(wanted)))]
    others = {name: list(rows[name]) for name in rows.column_names if name not in ("prompt", "answer")}
    made = {"prompt": [pair[0] for pair in pairs], "answer": [pair[1] for pair in pairs]}
    return Dataset.from_dict(made | others)


def _read(plan: Plan) -> Any:
    from datasets import Dataset, load_dataset

    try:
        if plan.data.endswith(".jsonl"):
            return Dataset.from_json(plan.data)
        if plan.data.endswith(".parquet"):
            return Dataset.from_parquet(plan.data)
        return load_dataset(plan.data, split=plan.split)
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Unusable(f"cannot read {plan.data} (no access to the hub, or damaged): {first[:200]}") from None


def _row(plan: Plan, row: Mapping[str, Any], number: int) -> tuple[str | list[Any], str]:
    prompt, answer = row[plan.prompt_column], _answer(row, plan.answer_column)
    if not prompt or not isinstance(prompt, str | list):
        raise Unusable(f"{plan.data}, row {number}: {plan.prompt_column} is neither text nor a list of messages")
    if not answer:
        raise Unusable(f"{plan.data}, row {number}: {plan.answer_column} is empty")
    return prompt, answer


def _answer(row: Mapping[str, Any], column: str) -> str:
    """The right answer as text; of a list, also one that is written as text (Skywork OR1), the only entry.

    >>> _answer({"a": {"b": '["7"]'}}, "a.b"), _answer({"a": 7}, "a"), _answer({"a": ["1", "2"]}, "a")
    ('7', '7', '')
    """
    value: Any = row
    for part in column.split("."):
        value = value[part] if isinstance(value, Mapping) and part in value else None
    if isinstance(value, str) and value.startswith("["):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return str(value).strip()
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return "" if value is None else str(value).strip()
