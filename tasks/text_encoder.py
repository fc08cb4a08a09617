"""A text encoder from a folder on disk, as sentence-transformers and Hugging Face keep them. A leaf of torch.

Loaded with plain transformers: only the folder's own files, weights as safetensors (never pickle), no code of the
folder's. A folder of sentence-transformers says how tokens are pooled and how many are read; without that it is the
mean. What has further layers, or pools otherwise than by mean or first token, is refused instead of embedded wrongly.
Prompts that some models want before a query are not added. On the CPU, one text at a time, so that a text's vector does
not depend on what else was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.llm import ModelMisconfigured

#: Tokens that are read of a text where the folder does not say: what encoders of this kind were trained on.
MAX_TOKENS = 512
_KNOWN_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a text's tokens become one vector, and how many tokens are read."""

    by: Literal["mean", "first"] = "mean"
    max_tokens: int = MAX_TOKENS


class TextEncoder:
    """See tasks.embedding.Source."""

    def __init__(self, folder: Path) -> None:
        """Load tokenizer and weights. Raises ModelMisconfigured."""
        self._pooling = pooling_of(folder)
        self._tokenizer, self._model = _load(folder)

    def numbers(self, texts: Sequence[str]) -> Sequence[object]:
        """See Source."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> object:
        import torch

        given = self._tokenizer(text, truncation=True, max_length=self._pooling.max_tokens, return_tensors="pt")
        with torch.inference_mode():
            states_TD = self._model(**given).last_hidden_state[0]  # T: tokens, D: width
        pooled_D = states_TD[0] if self._pooling.by == "first" else states_TD.mean(0)
        return pooled_D.float().numpy()


def pooling_of(folder: Path) -> Pooling:
    """What the folder says about pooling. Raises ModelMisconfigured for what cannot be done here."""
    modules = _json(folder / "modules.json") or []
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    if unknown := [kind for kind in kinds if kind not in _KNOWN_MODULES]:
        raise ModelMisconfigured(
            f"{folder} has a layer {unknown[0]}; this loads encoders of {', '.join(sorted(_KNOWN_MODULES))} alone: "
            "serve it behind an endpoint (base_url) instead"
        )
    places = [folder / str(module["path"]) for module, kind in zip(modules, kinds, strict=True) if kind == "Pooling"]
    said = _json(places[0] / "config.json") if places else None
    limit = _json(folder / "sentence_bert_config.json")
    return Pooling(_pooled_by(folder, said), int(limit["max_seq_length"]) if _has_limit(limit) else MAX_TOKENS)


def _has_limit(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("max_seq_length"), int)


def _pooled_by(folder: Path, said: Any) -> Literal["mean", "first"]:
    if said is None:
        return "mean"
    chosen = {
        name.removeprefix("pooling_mode_") for name, on in said.items() if name.startswith("pooling_mode_") and on
    }
    if "pooling_mode" in said:  # sentence-transformers since version 5
        chosen.add(str(said["pooling_mode"]))
    if chosen and chosen <= {"mean_tokens", "mean"}:
        return "mean"
    if chosen and chosen <= {"cls_token", "cls"}:
        return "first"
    raise ModelMisconfigured(
        f"{folder} pools by {', '.join(sorted(chosen)) or 'nothing'}; known: mean, first token (cls)"
    )


def _json(path: Path) -> Any:
    """A file's content; None if it is not there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelMisconfigured(f"{path} cannot be read: {error}") from error


def _load(folder: Path) -> tuple[Any, Any]:
    try:
        import torch  # noqa: F401  # transformers without it says so only when a model is made, in many lines
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ModelMisconfigured(
            f"retrieve.embedding.path is a model's folder, and {error.name} is not installed: "
            "pip install 'nightshift[embed]'"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = AutoModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelMisconfigured(f"retrieve.embedding.path: no model can be loaded from {folder}: {reason}") from error
    return tokenizer, model.eval()
