"""Text for the rungs on GPUs, made into token shards by trusted code: the sandbox has no network and reads shards only.

    python -m arch.shards --tokenizer bytes --out shards --tokens 1000000 notes.txt more.jsonl
    python -m arch.shards --tokenizer NAME --out shards --tokens 1050000000 --dataset HuggingFaceFW/fineweb-edu

From local files (.txt, or .jsonl with a text column) or from the hub by streaming `datasets`. A shard is a flat file of
uint32; a document ends with the tokenizer's separator. A shard is complete or not there, and where all are there none
is made again. The first documents are held out (held-out.json, `--held-out` tokens of them): the validation loss is
measured on them, outside the sandbox. Nothing looks for a copy of them among those that are trained on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from arch.language.tokens import Tokenizer, tokenizer
from tasks.contract import MachineFault

SHARD_TOKENS = 50_000_000
HELD_OUT = "held-out.json"


def local_texts(files: Iterable[Path], column: str = "text") -> Iterator[str]:
    """Documents of local files, in their order. Raises MachineFault for a line that is none."""
    for path in files:
        if path.suffix != ".jsonl":
            yield path.read_text(encoding="utf-8")
            continue
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield json.loads(line)[column]
                except (ValueError, KeyError, TypeError):
                    raise MachineFault(f"{path}, line {number}: expected a JSON object with {column!r}") from None


def streamed_texts(dataset: str, split: str = "train", column: str = "text") -> Iterator[str]:
    """Documents of a data set on the hub, streamed. Raises MachineFault, in one line, without access to it."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise MachineFault("streaming needs datasets: pip install 'nightshift[arch]'") from None
    try:
        for row in load_dataset(dataset, split=split, streaming=True):
            yield row[column]
    except (OSError, RuntimeError, ValueError) as error:  # not found, no network, gated
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MachineFault(f"cannot stream {dataset} (no access to the hub?): {first[:200]}") from None


def write(
    texts: Iterable[str], encoder: Tokenizer, folder: Path, tokens: int, shard_tokens: int = SHARD_TOKENS
) -> list[Path]:
    """Shards of so many tokens together. Raises MachineFault if the text ends before."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [min(shard_tokens, tokens - start) for start in range(0, tokens, shard_tokens)]
    paths = [folder / f"{number:05d}.bin" for number in range(len(sizes))]
    if all(path.exists() and path.stat().st_size == 4 * size for path, size in zip(paths, sizes, strict=True)):
        return paths
    stream, held = iter(texts), np.zeros(0, dtype=np.uint32)
    for path, size in zip(paths, sizes, strict=True):
        parts = [held]
        while sum(map(len, parts)) < size:
            text = next(stream, None)
            if text is None:
                raise MachineFault(f"the text ended before {tokens} tokens: give more of it, or ask for fewer")
            parts.append(np.array([*encoder.encode(text), encoder.separator], dtype=np.uint32))
        whole = np.concatenate(parts)
        held = whole[size:]
        unfinished = path.with_suffix(".part")
        whole[:size].astype("<u4").tofile(unfinished)
        unfinished.replace(path)
    return paths


def hold_out(texts: Iterable[str], encoder: Tokenizer, folder: Path, tokens: int) -> Iterator[str]:
    """Keep documents of so many tokens apart, then go on with the others. Raises MachineFault if the text ends."""
    stream, kept, counted = iter(texts), [], 0
    while counted < tokens:
        text = next(stream, None)
        if text is None:
            raise MachineFault(
                f"the text ended before {tokens} tokens were held out: give more of it, or ask for fewer"
            )
        kept.append(text)
        counted += len(encoder.encode(text))
    if kept:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{HELD_OUT}.part"
        unfinished.write_text(json.dumps(kept), encoding="utf-8")
        unfinished.replace(folder / HELD_OUT)
    return stream


def main() -> None:
    """Write shards, or say in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--dataset", default="")
    parser.add_argument("--tokenizer", default="bytes")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--held-out", type=int, default=262_144, help="tokens of the first documents, 0 for none")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    if bool(asked.files) == bool(asked.dataset):
        parser.error("expected files or --dataset")
    try:
        texts = streamed_texts(asked.dataset) if asked.dataset else local_texts(asked.files)
        encoder = tokenizer(asked.tokenizer)
        paths = write(hold_out(texts, encoder, asked.out, asked.held_out), encoder, asked.out, asked.tokens)
    except (MachineFault, OSError) as error:
        sys.exit(f"shards: {error}")
    sys.stdout.write(f"{len(paths)} shards in {asked.out}\n")


if __name__ == "__main__":
    main()
