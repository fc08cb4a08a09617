"""Runs reader.py in a process of its own: limited in CPU time, memory and wall time, and without our environment.

The parsers are large and meet foreign bytes; a broken file may cost this process nothing but a refusal. It is no
sandbox: the process may still read files and the network, it only holds no secrets.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cognition.ingest.documents import MOST_CHARS, Part, sections
from cognition.ingest.refused import Refused

READER = Path(__file__).with_name("reader.py")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Of one file."""

    max_pages: int = 200
    cpu_s: int = 60
    wall_s: float = 180.0
    memory_mb: int = 2_048


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says."""

    title: str
    parts: tuple[Part, ...]


def read(kind: str, content: bytes, limits: ReadLimits) -> Read:
    """The text of an HTML page or a PDF. Raises Refused."""
    numbers = (limits.max_pages, limits.cpu_s, limits.memory_mb)
    command = [sys.executable, "-P", str(READER), kind, *map(str, numbers)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    environment = {**kept, "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=limits.wall_s, env=environment)
    except subprocess.TimeoutExpired:
        raise Refused(f"reading it took more than {limits.wall_s:g} s") from None
    if done.returncode != 0:
        raise Refused(_end(done.returncode, done.stderr, limits))
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise Refused(str(answer["refused"]))
    parts = tuple(part for place, text in answer["parts"] for part in _parts(kind, str(place), str(text)))
    refuse_too_long(parts)
    return Read(" ".join(str(answer["title"]).split())[:200], parts)


def refuse_too_long(parts: tuple[Part, ...]) -> None:
    """Raises Refused for a text that is no source of a few items."""
    chars = sum(len(part.text) for part in parts)
    if chars > MOST_CHARS:
        raise Refused(f"it has {chars} characters of text; {MOST_CHARS} are read at most: give its chapters one by one")


def _parts(kind: str, place: str, text: str) -> tuple[Part, ...]:
    return sections(text) if kind == "html" else (Part(place, text),) if text.strip() else ()


def _end(returncode: int, stderr: bytes, limits: ReadLimits) -> str:
    if returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"reading it took more than {limits.cpu_s} s of CPU time"
    last = stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
    return f"it broke the parser (exit {returncode}: {last[0][:200]})"
