"""What it costs to read a source into the cognition base, without the model's time.

    OMP_NUM_THREADS=1 python -m benchmarks.ingestion [--pages 30] [--repeats 5]

CPU seconds of this process and of the one that parses, for a PDF of that many pages (about 3,000 characters each, two
columns of words) and for an HTML page of as many words: read, cut, normalised; then every chunk is answered by a model
that answers at once with three items, two of them quoting the text, and the answers are judged and stored. The target
is 3 CPU-seconds for 30 pages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import resource
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from cognition.archive import Archive
from cognition.ingest.documents import chunks
from cognition.ingest.sources import Reader, Source
from cognition.items import ItemStore
from cognition.records import ModelCall
from flows.ingest import Job, work
from tasks.librarian import LibrarianAnswer
from tasks.llm import Answer, Model, ModelSettings

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its path, what is not installed is found here

from tests.pdf_writer import pdf

TARGET_CPU_S = 3.0
LINES, WORDS = 46, 10


class QuickModel:
    """Answers at once; the second and third item quote lines of the passage, the first quotes nothing that is there."""

    def settings_of(self, role: str) -> ModelSettings:
        """Of any role."""
        return ModelSettings(model="none")

    async def ask(self, role: str, id: str, attempt: int, messages: Any, kind: Any) -> Answer[LibrarianAnswer]:
        """Three items."""
        passage = messages[-1].text.split('<data label="passage"')[1].split("\n</data")[0]
        sentences = [line for line in re.split(r"\.\s", passage)[1:-1] if "#" not in line]
        quotes = ("this sentence is nowhere in the source", *sentences[:2])
        found = [
            {"insight": f"Claim {id} {n}: {quote[::-1][:60]}", "symptoms": ["a plateau"], "quote": quote}
            for n, quote in enumerate(quotes)
        ]
        call = ModelCall(id, role, attempt, "", "none", "", "", 0, 0, 0.0, 0.0)
        return Answer(LibrarianAnswer.model_validate({"items": found}), call)


def pages(count: int) -> list[list[str]]:
    """Made-up words, as many as a page of a paper holds."""
    rng = random.Random(count)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(5_000)]
    return [[" ".join(rng.choices(words, k=WORDS)) + "." for _ in range(LINES)] for _ in range(count)]


def html(content: list[list[str]]) -> bytes:
    """The same as a page."""
    sections = "".join(f"<h2>Section {n}</h2><p>{' '.join(lines)}</p>" for n, lines in enumerate(content))
    return f"<html><head><title>T</title></head><body><article>{sections}</article></body></html>".encode()


def cpu_s() -> float:
    """Of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure(file: Path, folder: Path, number: int) -> dict[str, float]:
    """One file into a fresh base."""
    with Archive.open(f"sqlite:///{folder / f'{file.suffix[1:]}-{number}.db'}") as archive:
        started = cpu_s()
        document = Reader(None).read(Source("file", str(file)))
        read_s, started = cpu_s() - started, cpu_s()
        job = Job(ItemStore(archive), "bench", "Find something.", cast(Model, QuickModel()))
        outcome = asyncio.run(work(job, [document]))
        told = outcome.sources[0]
        return {
            "read_cpu_s": read_s,
            "extract_cpu_s": cpu_s() - started,
            "chunks": len(chunks(document.parts)),
            "items": len(told.new),
            "quarantined": len(told.quarantined),
            "chars": len(document.text),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pages", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    content = pages(arguments.pages)
    report: dict[str, Any] = {"load": os.getloadavg()[0], "pages": arguments.pages, "target_cpu_s": TARGET_CPU_S}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "paper.pdf").write_bytes(pdf(content, "A made-up paper"))
        (folder / "page.html").write_bytes(html(content))
        for file in (folder / "paper.pdf", folder / "page.html"):
            runs = [measure(file, folder, number) for number in range(arguments.repeats)]
            report[file.suffix[1:]] = {key: statistics.median(run[key] for run in runs) for key in runs[0]} | {
                "worst_cpu_s": max(run["read_cpu_s"] + run["extract_cpu_s"] for run in runs)
            }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
