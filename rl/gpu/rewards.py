"""Reward functions by name: `math` (math-verify, in a process of its own), or the user's by file or import path.

They run in the trainer's process, which also holds the right answers; a candidate's functions run in another one and
get numbers only.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rl.gpu.chosen import MATH
from rl.verifying import Verifier

Reward = Callable[..., list[float | None]]


class Unknown(ValueError):
    """A reward function that cannot be loaded; the message says why, in one line."""


def loaded(name: str) -> Reward:
    """The function of that name. Raises Unknown."""
    if name == MATH:
        return math_reward(Verifier())
    place, _, function = name.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
        found = getattr(module, function)
    except Exception as error:  # noqa: BLE001 - the user's code raises what it likes while it is imported
        raise Unknown(f"reward {name}: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise Unknown(f"reward {name}: {function} is not a function")
    reward: Reward = found
    return reward


def math_reward(verifier: Verifier) -> Reward:
    """1 for a completion that ends in the right answer, else 0."""

    def math(completions: Sequence[Any], answer: Sequence[str], **_: Any) -> list[float | None]:
        pairs = zip(answer, completions, strict=True)
        return [float(verifier.judge(gold, _text(completion)).right) for gold, completion in pairs]

    return math


def _text(completion: Any) -> str:
    """Of a plain completion, or of the last message of a chat."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
