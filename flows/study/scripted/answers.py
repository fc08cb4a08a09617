"""What the scripted researcher sees in a prompt, and what it answers. A pure function of script and prompt.

A good answer is one step up the ladder from the parent, any other stays or falls. So a sampler that hands over better
parents makes better programs, without anything planted for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from flows.study.scripted.ladder import Ladder, step_of
from flows.study.scripted.settings import Scripted

_DATA = re.compile(r'<data label="([^"\n]*)" key="(\w+)">\n(.*?)\n</data key="\2">', re.DOTALL)
_FITNESS = re.compile(r"^outcome: fitness (\S+)$", re.MULTILINE)
PROSE = "Certainly! A better packing might be found by trying something else."


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a prompt counts."""

    parent: str  # the parent's program
    knowledge: tuple[str, ...]  # ids of the items shown
    has_analysis: bool
    is_best: bool  # no other candidate that is shown has a higher fitness than the parent

    @property
    def step(self) -> int:
        """The parent's; the seed program is below the ladder."""
        found = step_of(self.parent)
        return -1 if found is None else found


@dataclass(frozen=True, slots=True)
class Answer:
    """The next program, and how it came about."""

    program: str
    step: int
    is_good: bool
    chance: float


def prompt_hash(body: Mapping[str, Any]) -> str:
    """What was asked: the messages, whatever the other parameters."""
    return hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()[:16]


def see(prompt: str) -> Seen:
    """Read a Researcher's prompt (tasks/prompts/researcher_user.j2)."""
    parts = [(match.group(1), match.group(3)) for match in _DATA.finditer(prompt)]
    report = _first(parts, "parent results")
    others = [_fitness(text) for label, text in parts if label.startswith("candidate ")]
    own = _fitness(report)
    return Seen(
        parent=_first(parts, "parent program"),
        knowledge=tuple(label.removeprefix("item ") for label, _ in parts if label.startswith("item ")),
        has_analysis="\nanalysis: " in report,
        is_best=own is not None and all(other is None or other <= own for other in others),
    )


def _first(parts: list[tuple[str, str]], wanted: str) -> str:
    return next((text for label, text in parts if label == wanted), "")


def _fitness(report: str) -> float | None:
    found = _FITNESS.search(report)
    return float(found.group(1)) if found else None


def answer(script: Scripted, ladder: Ladder, seen: Seen, key: str) -> Answer:
    """The next program; `key` is the prompt's hash."""
    rng = Random(f"{script.seed}/{key}")
    chance = script.chances.of(knowledge=bool(seen.knowledge), analysis=seen.has_analysis, best_parent=seen.is_best)
    is_good = rng.random() < chance
    move = 1 if is_good else -1 if rng.random() < script.fall else 0
    step = min(ladder.top, max(0, seen.step + move))
    return Answer(ladder.program(step, rng), step, is_good, chance)


def compose(body: Mapping[str, Any], script: Scripted, ladder: Ladder) -> str:
    """The content of a reply, with the fields and in the form that the request asks for."""
    text = str(body["messages"][-1]["content"])
    if "response_format" in body:
        names = list(body["response_format"]["json_schema"]["schema"]["properties"])
        return json.dumps(_fields(names, text, body, script, ladder))
    names = re.findall(r"^<(\w+)>$", text, re.MULTILINE)
    fields = _fields(names, text, body, script, ladder)
    return "\n".join(f"<{name}>\n{_as_text(value)}\n</{name}>" for name, value in fields.items())


def _fields(
    names: list[str], prompt: str, body: Mapping[str, Any], script: Scripted, ladder: Ladder
) -> dict[str, object]:
    if "report" in names:
        report = f"Scripted report; no model was involved. {ladder.topic}"
        return {name: report if name == "report" else [] for name in names}
    seen = see(prompt)
    made = answer(script, ladder, seen, prompt_hash(body))
    fields: dict[str, Callable[[], object]] = {
        "code": lambda: made.program,
        "edits": lambda: _edit(seen.parent, made.program),
        "motivation": lambda: _motivation(made, ladder.topic),
        "sources": lambda: list(seen.knowledge[:1]),
    }
    return {name: fields[name]() if name in fields else "" for name in names}


def _motivation(made: Answer, topic: str) -> str:
    luck = "good" if made.is_good else "poor"
    return f"Scripted, no model involved: a {luck} answer at a chance of {made.chance:.3f}, step {made.step}. {topic}"


def _edit(before: str, after: str) -> str:
    """The whole parent replaced, as one edit."""
    return f"<<<<<<< SEARCH\n{before}\n=======\n{after.rstrip()}\n>>>>>>> REPLACE"


def _as_text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
