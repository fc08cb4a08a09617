"""Sources by configuration, on local files of the public schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from curation.scale.sources import HUB, SEED_WORDS, SourceSettings, category_of, sample

MEDICAL = "The patient got a dose of the drug; clinical symptoms of the disease improved."


def test_local_parquet_is_sampled_with_the_sources_labels(tmp_path: Path) -> None:
    (tmp_path / "4plus").mkdir()
    table = pa.table({"id": ["a", "b", "c"], "text": ["one", "two", "three"], "metadata": [json.dumps({"k": 1})] * 3})
    pq.write_table(table, tmp_path / "4plus" / "part.parquet")
    source = HUB["nemotron-cc-math-4plus"].model_copy(update={"root": str(tmp_path)})
    found = sample(source, 2)
    assert [(each.id, each.text, each.category, each.quality) for each in found] == [
        ("a", "one", "mathematics", "high"),
        ("b", "two", "mathematics", "high"),
    ]


def test_compressed_json_lines_without_labels_are_classified(tmp_path: Path) -> None:
    lines = b"".join(
        json.dumps({"id": str(n), "text": text}).encode() + b"\n" for n, text in enumerate([MEDICAL, "hm"])
    )
    with pa.CompressedOutputStream(str(tmp_path / "part.jsonl.zstd"), "zstd") as out:
        out.write(lines)
    source = HUB["nemotron-cc"].model_copy(update={"root": str(tmp_path), "pattern": "*.jsonl.zstd"})
    assert [each.category for each in sample(source, 10)] == ["medicine", None]


@pytest.mark.parametrize("name", sorted(SEED_WORDS))
def test_each_category_is_recognised_by_its_words(name: str) -> None:
    seeds = {key: sorted(words) for key, words in SEED_WORDS.items()}
    assert category_of(" ".join(seeds[name])) == name  # type: ignore[index]  # the parameter is a key


def test_a_typo_is_refused() -> None:
    with pytest.raises(ValidationError, match="glob"):
        SourceSettings.model_validate({"root": "x", "glob": "*"})
