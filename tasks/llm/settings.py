"""Which model serves a role, where, at what price and within which limits. API keys are never part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.llm.prices import Price, list_price

Role = Literal["researcher", "reviewer", "novelty", "debugger", "judge", "analyzer", "librarian"]
Structured = Literal["auto", "json_schema", "tags"]

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    speaker: Literal["system", "user", "assistant"]
    text: str


class ModelSettings(BaseModel):
    """One role's model. Prices are in US dollars per million tokens; None: that of the price list, if it has one."""

    # hide_input_in_errors: a key pasted into the wrong field must not come back in an error message.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    model: str = Field(min_length=1)
    base_url: str = OPENAI_URL
    #: Name of the environment variable with the key; "": the server wants none; None: OPENAI_API_KEY for OpenAI's
    #: own address and none for any other, so that a key never travels to a server it was not meant for.
    api_key_env: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)  # None: the server's default
    max_tokens: int = Field(default=16_384, ge=1)  # of the answer, thinking included
    timeout_s: float = Field(default=600.0, gt=0)  # of one request as a whole, not per byte
    retries: int = Field(default=5, ge=0)  # after the first try
    backoff_s: float = Field(default=1.0, ge=0)  # first wait; doubles with every retry
    max_wait_s: float = Field(default=60.0, ge=0)  # cap of any wait, the server's Retry-After included
    structured: Structured = "auto"
    price_prompt_usd_per_mtok: float | None = Field(default=None, ge=0)
    price_completion_usd_per_mtok: float | None = Field(default=None, ge=0)

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("expected an address such as http://localhost:11434/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("an address without user, password or query: keys come from the environment (api_key_env)")
        return url.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _variable_name(cls, name: str | None) -> str | None:
        if name and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            raise ValueError("expected the name of an environment variable in capitals, not a key")
        return name

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        if (self.price_prompt_usd_per_mtok is None) != (self.price_completion_usd_per_mtok is None):
            raise ValueError("give both prices (price_prompt_usd_per_mtok, price_completion_usd_per_mtok) or neither")
        return self

    @property
    def key_variable(self) -> str:
        """Name of the environment variable with the key, or "" if none is sent."""
        if self.api_key_env is None:
            return "OPENAI_API_KEY" if urlsplit(self.base_url).hostname == "api.openai.com" else ""
        return self.api_key_env

    @property
    def price(self) -> Price | None:
        """The price set here, else the public list price, else None: not known."""
        if self.price_prompt_usd_per_mtok is None or self.price_completion_usd_per_mtok is None:
            return list_price(self.base_url, self.model)
        return Price(self.price_prompt_usd_per_mtok, self.price_completion_usd_per_mtok)

    def price_usd(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What these tokens cost, or None if the price is not known."""
        return None if self.price is None else self.price.of(prompt_tokens, completion_tokens)


def approximate_tokens(text: str) -> int:
    """About how many tokens a text is: four characters each.

    >>> approximate_tokens("evolve")
    2
    """
    return -(-len(text) // 4)


def plain(text: str) -> str:
    """The text as every database and wire takes it: half surrogate pairs and NUL become question marks.

    >>> plain("a\\x00b")
    'a?b'
    """
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")
