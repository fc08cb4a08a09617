"""Embeddings for the cognition base's vectors: from an OpenAI-compatible endpoint, or from a model on this disk.

Optional: without one, search is by text alone. Which of the three it is, the settings say: `model` and `base_url` name
an endpoint, `path` a model's folder (tasks/text_encoder.py) or a file of word vectors (tasks/word_vectors.py). Nothing
is loaded or asked before the first text. There is no ledger: embeddings are cheap, kept with the items, and their price
is not counted in a campaign's budget. An endpoint that is down is our machine's fault and raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.llm import ModelMisconfigured, ModelServerDown, ModelSettings
from tasks.llm.server import api_key
from tasks.llm.settings import OPENAI_URL, plain

if TYPE_CHECKING:
    from cognition.items import ItemStore
    from cognition.vectors import Vector

#: So many items are embedded with one round at most; the rest waits for the next one.
ITEMS_A_ROUND = 256
#: Endpoints take about 8,000 tokens a text, or refuse it as too long: then half of it is tried, down to this.
MAX_CHARS = 16_000
LEAST_CHARS = 500
_OF_A_MODEL = frozenset({".json", ".model", ".safetensors", ".txt"})
_END_BYTES = 1_000_000
_TOO_LONG = frozenset({400, 413, 422})


class EmbeddingSettings(BaseModel):
    """What embeds. The name is that of the vectors' space: another model, another space."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str = Field(
        "", description="An endpoint's model; with `path`, a name of your own (else the path's last part)"
    )
    path: str = Field("", description="Instead of an endpoint: a model's folder, or a file of word vectors")
    base_url: str = OPENAI_URL
    api_key_env: str | None = None  # as of a role's model (tasks/llm/settings.py)
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=3, ge=0)
    batch: int = Field(default=64, ge=1, le=2_048)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.path:
            if self.base_url != OPENAI_URL or self.api_key_env is not None:
                raise ValueError("base_url and api_key_env are of an endpoint; with `path` no server is asked")
        elif not self.model:
            raise ValueError("expected `model` (and `base_url`) of an endpoint, or `path` of a model on this machine")
        else:
            self.as_model()
        return self

    def as_model(self) -> ModelSettings:
        """An endpoint's address and key, checked as those of any model are."""
        return ModelSettings(model=self.model, base_url=self.base_url, api_key_env=self.api_key_env)


class Source(Protocol):
    """Where the numbers come from."""

    def numbers(self, texts: Sequence[str]) -> Sequence[object]:
        """One list of numbers per text, in order; texts are not empty. Raises MachineFault."""


class Embedder:
    """Turns texts into unit vectors. Thread-safe; blocking, so call it in a thread."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        """Raises ModelMisconfigured for a path where nothing is."""
        self.settings = settings
        if settings.path and not Path(settings.path).expanduser().exists():
            raise ModelMisconfigured(f"retrieve.embedding.path: there is nothing at {settings.path}")

    @property
    def space(self) -> str:
        """The name that its vectors are kept under; of a path, unless it was given a name, with a hash of its files.

        Two folders are often called `model`, and files are replaced: what one model made, another must not search.
        """
        return self.settings.model or _named_by_content(*_place(self.settings.path))

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, in order. Raises ModelServerDown, ModelMisconfigured, VectorMismatch."""
        from cognition.vectors import Vector

        source = _on_disk(self.settings.path) if self.settings.path else Endpoint(self.settings)
        wanted = [plain(text)[:MAX_CHARS] or " " for text in texts]  # an empty text is refused by some endpoints
        found: list[Vector] = []
        for start in range(0, len(wanted), self.settings.batch):
            numbers = source.numbers(wanted[start : start + self.settings.batch])
            found += [Vector.of(self.space, each) for each in numbers]
        return found


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible `/v1/embeddings`. Imports openai only when a request is made."""

    settings: EmbeddingSettings

    def numbers(self, texts: Sequence[str]) -> Sequence[object]:
        """See Source. One text that is too long for the model does not keep the others from their vectors."""
        found, status = self._asked(texts)
        if found is not None:
            return found
        if status in _TOO_LONG and len(texts) > 1:
            middle = len(texts) // 2
            return [*self.numbers(texts[:middle]), *self.numbers(texts[middle:])]
        if status in _TOO_LONG and len(texts[0]) >= 2 * LEAST_CHARS:
            return self.numbers([texts[0][: len(texts[0]) // 2]])
        raise ModelMisconfigured(
            f"{self._who} refused the request (HTTP {status}); check model, base_url and api_key_env"
        )

    @property
    def _who(self) -> str:
        return f"the embedding endpoint at {self.settings.base_url}"

    def _asked(self, texts: Sequence[str]) -> tuple[Sequence[object] | None, int]:
        """The answer, or None and the status of a refusal. Raises ModelServerDown, ModelMisconfigured."""
        from openai import APIConnectionError, APIStatusError, OpenAI

        settings, down = self.settings, ""
        key = api_key(settings.as_model())
        with OpenAI(
            base_url=settings.base_url, api_key=key, max_retries=settings.retries, timeout=settings.timeout_s
        ) as client:
            try:
                answer = client.embeddings.create(model=settings.model, input=list(texts), encoding_format="float")
            except APIStatusError as error:
                if error.status_code not in {408, 409, 425, 429} and error.status_code < 500:
                    return None, error.status_code
                down = f"HTTP {error.status_code}"
            except APIConnectionError as error:
                down = type(error.__cause__ or error).__name__
        # Raised out here, because openai's own exceptions carry the request and so the key.
        if down:
            raise ModelServerDown(f"{self._who} gave no answer ({down}); check that it runs, then run the step again")
        ordered = sorted(answer.data or [], key=lambda entry: entry.index)
        if len(ordered) != len(texts):
            raise ModelMisconfigured(f"{self._who} gave {len(ordered)} vectors for {len(texts)} texts")
        return [entry.embedding for entry in ordered], 200


_LOADING = Lock()


def _on_disk(path: str) -> Source:
    """The model at that path, loaded once in this process, and anew if the file was replaced."""
    with _LOADING:  # two threads would load the same model twice
        return _loaded(*_place(path))


def _place(path: str) -> tuple[Path, int]:
    """Where it is, and when it was changed."""
    place = Path(path).expanduser().resolve()
    try:
        return place, place.stat().st_mtime_ns
    except OSError as error:
        raise ModelMisconfigured(f"retrieve.embedding.path: {path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=8)
def _named_by_content(place: Path, changed_ns: int) -> str:
    """The path's last part, and a hash of names, sizes and both ends of the files that a model consists of."""
    inside = [file for file in place.rglob("*") if file.suffix in _OF_A_MODEL and file.is_file()]
    digest = hashlib.sha256()
    for file in sorted(inside) if place.is_dir() else [place]:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(place).as_posix()}\0{size}\0".encode())
        with file.open("rb") as content:
            digest.update(content.read(_END_BYTES))
            content.seek(max(0, size - _END_BYTES))
            digest.update(content.read(_END_BYTES))
    return f"{place.name}@{digest.hexdigest()[:8]}"


@lru_cache(maxsize=2)
def _loaded(place: Path, changed_ns: int) -> Source:
    if place.is_dir():
        from tasks.text_encoder import TextEncoder  # torch and transformers

        return TextEncoder(place)
    from tasks.word_vectors import WordVectors  # numpy

    return WordVectors.of_file(place)


def embed_missing(items: ItemStore, embedder: Embedder, domain: str, most: int = ITEMS_A_ROUND) -> int:
    """Give vectors to items that have none of this model; returns how many. Raises as `embed`, and VectorMismatch."""
    missing = items.without_vector(domain, embedder.space, most)
    if not missing:
        return 0
    vectors = embedder.embed([item.text for item in missing])
    by_id = {item.id: vector for item, vector in zip(missing, vectors, strict=True)}
    return items.store_vectors(domain, by_id, {item.id: item.version for item in missing})
