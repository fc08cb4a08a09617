"""Where the text of a rung on GPUs is: token shards, which a job reads, and held-out documents, which stay outside.

A folder that the option `shards` names, or one in the state folder's cache. `prepare` makes the latter, by streaming,
for the rung that the option `stream_for` names: a billion tokens are 4 GB and take hours. Trusted; no torch.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arch import shards
from arch.corpus import corpus
from arch.language.tokens import tokenizer
from arch.scales import Scale
from tasks.contract import MachineFault

LEAST_SHARE = 0.5  # of the tokens that a run reads; with fewer it would see each of them more than twice


class NoShards(MachineFault):
    """The text of a rung is not there; the message says how to make it."""

    may_pass = False


@dataclass(frozen=True, slots=True)
class Data:
    """The text of one rung."""

    folder: Path

    @property
    def shards(self) -> tuple[Path, ...]:
        """In their order."""
        return tuple(sorted(self.folder.glob("*.bin")))

    @property
    def tokens(self) -> int:
        """In all shards together."""
        return sum(path.stat().st_size for path in self.shards) // 4

    def held_out(self) -> list[str]:
        """Documents that no run trains on. Raises NoShards."""
        try:
            found = json.loads((self.folder / shards.HELD_OUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise NoShards(f"{self.folder} has no {shards.HELD_OUT}: `python -m arch.shards` makes it") from None
        return [str(text) for text in found]


def place(scale: Scale, configured: str) -> Path:
    """The configured folder, or the one in the cache for this text, tokenizer and number of tokens."""
    if configured:
        return Path(configured).expanduser().resolve()
    home = Path(os.environ.get("NIGHTSHIFT_HOME", ".nightshift")).expanduser().resolve()
    what = [scale.tokenizer, scale.dataset or corpus().held_out.decode(), scale.tokens, scale.held_out_tokens]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:10]
    label = re.sub(r"[^a-z0-9]+", "-", (scale.dataset or "offline").lower()).strip("-")
    return home / "cache" / "arch" / f"{label}-{scale.tokens}-{digest}"


def data(rung: str, scale: Scale, configured: str) -> Data:
    """The text of a rung, complete. Raises NoShards, in one line."""
    found = Data(place(scale, configured))
    wanted = round(scale.tokens * LEAST_SHARE)
    if found.tokens < wanted:
        raise NoShards(
            f"{rung} reads {scale.tokens} tokens, and there are {found.tokens} in {found.folder}: make them with "
            f"`python -m arch.shards --tokenizer {scale.tokenizer} --dataset {scale.dataset} --tokens {scale.tokens} "
            f'--out FOLDER` and set options.shards, or set options.stream_for = "{rung}"'
        )
    found.held_out()
    return found


def make(scale: Scale) -> None:
    """Write what is missing in the cache, one process at a time. Raises MachineFault, in one line."""
    folder = place(scale, "")
    with _alone(folder):
        if Data(folder).tokens == scale.tokens and (folder / shards.HELD_OUT).exists():
            return
        texts = shards.streamed_texts(scale.dataset) if scale.dataset else _offline(scale.held_out_tokens)
        encoder = tokenizer(scale.tokenizer)
        shards.write(shards.hold_out(texts, encoder, folder, scale.held_out_tokens), encoder, folder, scale.tokens)


def _offline(held_out_bytes: int) -> Iterator[str]:
    """The corpus of this Python: first a document to hold out, of what is held out there too, then what is not."""
    held_out = corpus().held_out.decode()
    yield held_out[: held_out.index("\n\n", held_out_bytes)]
    yield corpus().train.decode()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
