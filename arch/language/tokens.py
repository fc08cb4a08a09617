"""How text becomes tokens: bytes, which need no file and no network, or a Hugging Face tokenizer by name or folder."""

from __future__ import annotations

from typing import Any, Protocol

from tasks.contract import MachineFault

BYTES = "bytes"


class Tokenizer(Protocol):
    """Text to tokens. `separator` is what stands before a text that has nothing before it."""

    @property
    def separator(self) -> int:
        """A token that ends documents."""

    @property
    def size(self) -> int:
        """How many tokens there are."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without any that are not in it."""


class Bytes:
    """UTF-8; a line end separates documents, as it does in the training text."""

    separator = 10
    size = 256

    def encode(self, text: str) -> list[int]:
        """The bytes.

        >>> Bytes().encode("aé")
        [97, 195, 169]
        """
        return list(text.encode())


class Hub:
    """A tokenizer of transformers. Nothing that comes with it is executed (`trust_remote_code` stays off)."""

    def __init__(self, name: str) -> None:
        """Raises MachineFault, in one line, where it cannot be had."""
        self._tokenizer = _loaded(name)
        self.size = len(self._tokenizer)
        separator = self._tokenizer.eos_token_id
        if separator is None:
            raise MachineFault(f"the tokenizer {name} has no end-of-text token: choose one that has")
        self.separator = int(separator)

    def encode(self, text: str) -> list[int]:
        """The tokens, without special ones."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def _loaded(name: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MachineFault("a Hugging Face tokenizer needs transformers: pip install 'nightshift[arch]'") from None
    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:  # not found, no network, gated, broken files
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MachineFault(f"cannot load the tokenizer {name} (no access to the hub?): {first[:200]}") from None


def tokenizer(name: str) -> Tokenizer:
    """The tokenizer of that name. Raises MachineFault."""
    return Bytes() if name == BYTES else Hub(name)
