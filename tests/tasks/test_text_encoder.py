"""An encoder's folder: pooled as the folder says, the same vector whatever else is asked for, refused where unknown."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.embedding import Embedder, EmbeddingSettings
from tasks.llm import ModelMisconfigured
from tasks.text_encoder import MAX_TOKENS, Pooling, pooling_of

MEAN = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
FIRST = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
TEXTS = ["sort the rows", "corners", "the rows of the corners " * 30]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer with random weights, as its library saves it."""
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("model")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sort", "the", "rows", "of", "corner", "##s"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast.from_pretrained(str(folder)).save_pretrained(str(folder))
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes)
    transformers.BertModel(config).save_pretrained(str(folder))
    return folder


def sentence_folder(model: Path, folder: Path, pooling: dict[str, Any] | None, *kinds: str, limit: int = 32) -> Path:
    shutil.copytree(model, folder)
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    types = [f"sentence_transformers.models.{kind}" for kind in kinds]
    modules = [{"type": type, "path": paths.get(kind, "")} for type, kind in zip(types, kinds, strict=True)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit}))
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def embedded(path: Path, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([vector.values_D for vector in Embedder(EmbeddingSettings(path=str(path))).embed(texts)])


def expected(model: Path, text: str, by: str, limit: int) -> Any:
    import torch
    from transformers import AutoModel, AutoTokenizer

    given = AutoTokenizer.from_pretrained(str(model))(text, truncation=True, max_length=limit, return_tensors="pt")
    with torch.no_grad():
        states_TD = AutoModel.from_pretrained(str(model))(**given).last_hidden_state[0]
    pooled_D = states_TD[0] if by == "first" else states_TD.mean(0)
    return (pooled_D / pooled_D.norm()).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "by"), [(MEAN, "mean"), (FIRST, "first"), ({"pooling_mode": "mean"}, "mean")])
def test_a_folder_is_pooled_as_it_says(model: Path, tmp_path: Path, pooling: dict[str, Any], by: str) -> None:
    folder = sentence_folder(model, tmp_path / "m", pooling, "Transformer", "Pooling", "Normalize")
    found = embedded(folder, TEXTS)
    for text, vector_D in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector_D, expected(model, text, by, 32), atol=1e-6)


@pytest.mark.slow
def test_a_text_s_vector_does_not_depend_on_the_others(model: Path, tmp_path: Path) -> None:
    folder = sentence_folder(model, tmp_path / "m", MEAN, "Transformer", "Pooling")
    together = embedded(folder, TEXTS)
    for at, text in enumerate(TEXTS):
        np.testing.assert_array_equal(together[at], embedded(folder, [text])[0])


def test_a_plain_model_is_pooled_by_the_mean(tmp_path: Path) -> None:
    assert pooling_of(tmp_path) == Pooling("mean", MAX_TOKENS)


@pytest.mark.parametrize(
    ("pooling", "kinds", "said"),
    [
        (MEAN, ("Transformer", "Pooling", "Dense"), "has a layer Dense"),
        ({"pooling_mode_max_tokens": True}, ("Transformer", "Pooling"), "pools by max_tokens"),
        ({**MEAN, "pooling_mode_cls_token": True}, ("Transformer", "Pooling"), "pools by cls_token, mean_tokens"),
        ({}, ("Transformer", "Pooling"), "pools by nothing"),
    ],
)
def test_what_cannot_be_pooled_is_refused(
    tmp_path: Path, pooling: dict[str, Any], kinds: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelMisconfigured, match=said):
        pooling_of(sentence_folder(tmp_path / "empty", tmp_path / "m", pooling, *kinds))


@pytest.mark.slow
def test_a_folder_without_a_model_and_one_with_pickled_weights_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelMisconfigured, match=f"no model can be loaded from {tmp_path / 'empty'}: "):
        embedded(tmp_path / "empty", ["text"])
    shutil.copytree(model, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ModelMisconfigured, match="no model can be loaded"):
        embedded(tmp_path / "pickled", ["text"])


@pytest.mark.slow
def test_a_missing_library_is_one_line(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(model, tmp_path / "m")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelMisconfigured, match=r"is not installed: pip install 'nightshift\[embed\]'$"):
        embedded(tmp_path / "m", ["text"])
