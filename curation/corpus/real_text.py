"""Real technical English that this machine has: Python's reference texts and docstrings, and those of numpy and scipy.

Read as files, never imported. Nothing of it is committed. The texts depend on the installed versions, so a corpus
carries its fingerprint and scores name it. Left out: descriptions of other installed packages, which differ from one
environment to the next and carry markup of their own; and modules that a strategy may import, since it could read
their docstrings from memory.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

from curation.inside.adapter import ALLOWED

SHORTEST_WORDS, LONGEST_CHARS = 70, 2_400
STRING = re.compile(r'r?"""(.*?)"""', re.DOTALL)
LEFT_OUT = re.compile(r"(^|/)(site-packages|tests?|idlelib|lib2to3|ensurepip|encodings|pydoc_data|turtledemo)(/|$)")
WORDS = "the of to and in a is that for it as be this with are by on not or if from which"
STOP_WORDS = frozenset(WORDS.split())


@dataclass(frozen=True, slots=True)
class Passage:
    """A clean text of a few paragraphs, and its category in the paper's words."""

    text: str
    category: str


@lru_cache(maxsize=2)
def passages(seed: int = 0) -> tuple[Passage, ...]:
    """Every usable passage, without repetitions, in a random order that the seed fixes."""
    found: dict[str, Passage] = {}
    for category, text in _texts():
        for chunk in chunks(text):
            found.setdefault(hashlib.sha256(" ".join(chunk.split()).encode()).hexdigest(), Passage(chunk, category))
    ordered = [found[key] for key in sorted(found)]
    Random(seed).shuffle(ordered)
    return tuple(ordered)


def chunks(text: str) -> Iterator[str]:
    """Consecutive paragraphs of up to LONGEST_CHARS that read like English."""
    taken: list[str] = []
    size = 0
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if taken and size + len(paragraph) > LONGEST_CHARS:
            yield from _if_english("\n\n".join(taken))
            taken, size = [], 0
        taken.append(paragraph.rstrip())
        size += len(paragraph)
    yield from _if_english("\n\n".join(taken))


def _if_english(chunk: str) -> Iterator[str]:
    words = re.findall(r"[A-Za-z]+", chunk.lower())
    letters = sum(map(len, words))
    is_prose = sum(word in STOP_WORDS for word in words) > 0.2 * len(words)
    # Texts about markup, mail and web pages would count as noise by themselves, and fairly so.
    is_about_markup = re.search(r"</?[a-z]+[^<>\n]*>|https?://|\S@\S+\.\w|&\w+;|[^\x00-\x7f\u2013-\u2026]", chunk)
    if len(words) >= SHORTEST_WORDS and letters > 0.5 * len(chunk) and is_prose and not is_about_markup:
        yield chunk if len(chunk) <= LONGEST_CHARS else chunk[:LONGEST_CHARS].rpartition("\n")[0] or chunk


def _texts() -> Iterator[tuple[str, str]]:
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield "computer_science", _without_markup(topics[name])
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library).as_posix()
        module = relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if not LEFT_OUT.search(relative) and module not in ALLOWED:
            yield from (("computer_science", text) for text in docstrings(path))
    for package, category in (("numpy", "mathematics"), ("scipy", "other_stem")):
        for path in _files_of(package):
            yield from ((category, text) for text in docstrings(path))


def docstrings(path: Path) -> Iterator[str]:
    """Every triple-quoted text of a file, its indentation removed."""
    for match in STRING.finditer(path.read_text(encoding="utf-8", errors="replace")):
        yield inspect.cleandoc(match.group(1))


def _files_of(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent
    return [path for path in sorted(root.rglob("*.py")) if not LEFT_OUT.search(path.relative_to(root).as_posix())]


def _without_markup(text: str) -> str:
    """The reference texts of Python underline headings and mark names with asterisks: both go."""
    text = re.sub(r"\*\*?([\w.()\[\], ]+?)\*\*?", r"\1", text)
    return re.sub(r"(?m)^([*=\-^~\"])\1{3,}$\n?", "", text)
