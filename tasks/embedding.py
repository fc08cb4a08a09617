"""Embeddings from an OpenAI-compatible endpoint, for the cognition base's vectors. Optional: without one, text alone.

Imports openai only when a request is made. It has no ledger: embeddings are cheap, kept with the items, and their price
is not counted in a campaign's budget. An endpoint that is down is our machine's fault and raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.llm import ModelMisconfigured, ModelServerDown, ModelSettings
from tasks.llm.server import api_key
from tasks.llm.settings import OPENAI_URL, plain

if TYPE_CHECKING:
    from cognition.items import ItemStore
    from cognition.vectors import Vector

#: So many items are embedded with one round at most; the rest waits for the next one.
ITEMS_A_ROUND = 256
#: Endpoints take about 8,000 tokens a text.
MAX_CHARS = 16_000


class EmbeddingSettings(BaseModel):
    """Which endpoint embeds. The model's name is the name of the vectors' space: another model, another space."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str = Field(min_length=1)
    base_url: str = OPENAI_URL
    api_key_env: str | None = None  # as of a role's model (tasks/llm/settings.py)
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=3, ge=0)
    batch: int = Field(default=64, ge=1, le=2_048)

    @model_validator(mode="after")
    def _like_any_model(self) -> Self:
        self.as_model()
        return self

    def as_model(self) -> ModelSettings:
        """Address and key, checked as those of any model are."""
        return ModelSettings(model=self.model, base_url=self.base_url, api_key_env=self.api_key_env)


class Embedder:
    """Turns texts into unit vectors. Thread-safe; blocking, so call it in a thread."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        self.settings = settings

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, in order. Raises ModelServerDown, ModelMisconfigured, VectorMismatch."""
        found: list[Vector] = []
        for start in range(0, len(texts), self.settings.batch):
            found += self._batch(texts[start : start + self.settings.batch])
        return found

    def _batch(self, texts: Sequence[str]) -> list[Vector]:
        from openai import APIConnectionError, APIStatusError, OpenAI

        from cognition.vectors import Vector

        settings, who = self.settings, f"the embedding endpoint at {self.settings.base_url}"
        key = api_key(settings.as_model())
        # An empty text is refused by some endpoints.
        wanted = [plain(text)[:MAX_CHARS] or " " for text in texts]
        down, refused = "", ""
        with OpenAI(
            base_url=settings.base_url, api_key=key, max_retries=settings.retries, timeout=settings.timeout_s
        ) as client:
            try:
                answer = client.embeddings.create(model=settings.model, input=wanted, encoding_format="float")
            except APIStatusError as error:
                is_transient = error.status_code in {408, 409, 425, 429} or error.status_code >= 500
                down, refused = (
                    ("", f"HTTP {error.status_code}") if not is_transient else (f"HTTP {error.status_code}", "")
                )
            except APIConnectionError as error:
                down = type(error.__cause__ or error).__name__
        # Raised out here, because openai's own exceptions carry the request and so the key.
        if down:
            raise ModelServerDown(f"{who} gave no answer ({down}); check that it runs, then run the step again")
        if refused:
            raise ModelMisconfigured(f"{who} refused the request ({refused}); check model, base_url and api_key_env")
        ordered = sorted(answer.data or [], key=lambda entry: entry.index)
        if len(ordered) != len(texts):
            raise ModelMisconfigured(f"{who} gave {len(ordered)} vectors for {len(texts)} texts")
        return [Vector.of(settings.model, entry.embedding) for entry in ordered]


def embed_missing(items: ItemStore, embedder: Embedder, domain: str, most: int = ITEMS_A_ROUND) -> int:
    """Give vectors to items that have none of this model; returns how many. Raises as `embed`, and VectorMismatch."""
    missing = items.without_vector(domain, embedder.settings.model, most)
    if not missing:
        return 0
    vectors = embedder.embed([text for _, text in missing])
    return items.store_vectors(domain, dict(zip([id for id, _ in missing], vectors, strict=True)))
