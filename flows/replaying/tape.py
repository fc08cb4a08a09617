"""Cassettes as files: one JSON object a line, the header first, a checksum last.

Prompts may be left out or blacked out: answers are found by the hash of the prompt that was really sent. The answers
themselves have to stay as they were. Keys are never part of a call; where one turns up in a text all the same (a person
pasted it into a brief or an item, a server repeated it), it is blacked out in a prompt; anywhere else, nothing is
exported.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cognition.records import JSON, Item, ModelCall, Recall
from flows.config import ConfigError
from flows.replaying.records import FORMAT, Cassette, Event, Header, Picture, RecalledItem
from flows.trust_settings import CassetteSettings

BLACK = "[redacted]"
#: An environment variable's value shorter than this is no secret, and would black out words.
LEAST_KEY_CHARS = 8


def redacted(cassette: Cassette, settings: CassetteSettings, keys: Sequence[str] = ()) -> Cassette:
    """With its prompts as configured. `keys`: names of environment variables that hold secrets. Raises ConfigError."""
    patterns = [_compiled(pattern) for pattern in settings.patterns] if settings.prompts == "patterns" else []
    secrets = [value for name in keys if len(value := os.environ.get(name, "").strip()) >= LEAST_KEY_CHARS]
    calls = []
    for call in cassette.calls:
        if any(secret in call.answer for secret in secrets):
            raise ConfigError(
                f"the answer of {call.role} in {call.round_id} contains an API key: it cannot be exported without "
                "changing what the campaign was told. Revoke that key; unset its variable to export all the same"
            )
        prompt = "" if settings.prompts == "hashed" else call.prompt
        for secret in secrets:
            prompt = prompt.replace(secret, BLACK)
        for pattern in patterns:
            prompt = pattern.sub(BLACK, prompt)
        calls.append(replace(call, prompt=prompt))
    made = replace(cassette, header=replace(cassette.header, prompts=settings.prompts), calls=tuple(calls))
    _refuse_keys(made, secrets)
    return made


def _refuse_keys(cassette: Cassette, secrets: Sequence[str]) -> None:
    """A key anywhere else: a person pasted it into a cognition item, an option, a program. Raises ConfigError."""
    written = [json.dumps(secret)[1:-1] for secret in secrets]
    for kind, value in _lines(cassette) if secrets else ():
        line = json.dumps(value)
        if any(secret in line for secret in written):
            raise ConfigError(
                f"an API key stands in the recording, in a line {kind!r} ({_name_of(value)}): it cannot be exported "
                "without changing what is replayed. Revoke that key; unset its variable to export all the same"
            )


def _name_of(value: JSON) -> str:
    """What a line is about, as far as it says."""
    inner = value.get("item", value) if isinstance(value, dict) else {}
    named = inner if isinstance(inner, dict) else {}
    return str(next((named[key] for key in ("id", "index", "round", "campaign") if key in named), "unnamed"))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"cassette.patterns: {pattern!r} is no regular expression: {error}") from None


def write(cassette: Cassette, path: Path) -> None:
    """The whole file, or nothing if it cannot be written. Raises OSError."""
    lines = [json.dumps({kind: value}, separators=(",", ":")) for kind, value in _lines(cassette)]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    end = json.dumps({"end": {"lines": len(lines), "sha256": digest}}, separators=(",", ":"))
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text("\n".join([*lines, end]) + "\n", encoding="utf-8")
    temporary.replace(path)


def _lines(cassette: Cassette) -> Iterator[tuple[str, JSON]]:
    yield "header", asdict(cassette.header)
    yield from (("event", asdict(event)) for event in cassette.events)
    yield from (("item", _dumped(RecalledItem, item)) for item in cassette.items)
    yield from (("base", _dumped(Item, item)) for item in cassette.base)
    yield from (("block", _dumped(Item, item)) for item in cassette.blocks)
    for index, recalls in cassette.recalls.items():
        yield "recalls", {"round": index, "recalls": [asdict(recall) for recall in recalls]}
    yield from (("call", asdict(call)) for call in cassette.calls)
    for index, round in cassette.picture.rounds.items():
        yield "round", {"index": index, "picture": round}
    yield "archive", {"cells": list(cassette.picture.cells), "ranking": list(cassette.picture.ranking)}


def read(path: Path) -> Cassette:
    """A cassette from its file. Raises ConfigError for one that is not there, cut off, damaged or too new."""
    try:
        *lines, end = path.read_text(encoding="utf-8").splitlines()
        rows = [next(iter(json.loads(line).items())) for line in lines]
        closing = json.loads(end)["end"]
    except OSError as error:
        raise ConfigError(f"cannot read the cassette {path}: {error.strerror}") from None
    except (ValueError, KeyError, StopIteration, AttributeError, TypeError):
        raise ConfigError(f"{path} is no cassette, or is cut off: export it again") from None
    if closing != {"lines": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}:
        raise ConfigError(f"{path} was changed or damaged since it was exported: its checksum is another")
    try:
        return _cassette(rows)
    except (ValidationError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read by this version: {str(error).splitlines()[0]}") from None


def _cassette(rows: Sequence[tuple[str, JSON]]) -> Cassette:
    def of(kind: str) -> list[JSON]:
        return [value for name, value in rows if name == kind]

    header = TypeAdapter(Header).validate_python(of("header")[0])
    if header.format != FORMAT:
        raise KeyError(f"format {header.format}, not {FORMAT}")
    recalls = TypeAdapter(tuple[Recall, ...])
    (archive,) = of("archive")
    return Cassette(
        header,
        TypeAdapter(tuple[Event, ...]).validate_python(of("event")),
        {row["round"]: recalls.validate_python(row["recalls"]) for row in of("recalls")},
        TypeAdapter(tuple[RecalledItem, ...]).validate_python(of("item")),
        TypeAdapter(tuple[Item, ...]).validate_python(of("base")),
        TypeAdapter(tuple[Item, ...]).validate_python(of("block")),
        TypeAdapter(tuple[ModelCall, ...]).validate_python(of("call")),
        Picture(
            {row["index"]: row["picture"] for row in of("round")}, tuple(archive["cells"]), tuple(archive["ranking"])
        ),
    )


def _dumped(kind: Any, value: object) -> JSON:
    return TypeAdapter(kind).dump_python(value, mode="json")
