"""`curate apply --dedup minhash`: planted near-duplicates go, everything else stays, and every stage can be resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cognition.records import Cost, Failure
from curation.scale import dedup
from curation.scale.apply import Applied, Plan, apply
from curation.scale.dedup import Deduped
from tasks.sandbox.handle import Finished, Job, Sandbox

WORDS = [f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "re", "ti", "vo", "zu") for second in
         ("ban", "der", "fil", "gon", "hut", "jas", "kel", "mor", "pin", "sot")]  # fmt: skip


class Fake:
    """A sandbox that takes tags out."""

    tier = "fake"

    def __init__(self) -> None:
        self.jobs = 0

    def run(self, job: Job) -> Finished | Failure:
        self.jobs += 1
        return Finished([text.replace("<b>", "") for text, _ in job.request["documents"]], cost=Cost(0.1))


def text(seed: int, words: int = 120) -> str:
    rng = Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


def nearly(original: str, seed: int) -> str:
    """Two words of 120 differ, and the case and signs of others."""
    words = original.split()
    for place in Random(seed).sample(range(len(words)), 2):
        words[place] = "other"
    return " ".join(words).capitalize() + "."


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def opener(fake: Fake) -> Any:
    @contextmanager
    def open_fake() -> Iterator[Sandbox]:
        yield fake

    return open_fake


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Three files: ten texts of their own, a cluster of three over two files, one of two, an exact copy, short ones."""
    rows = [[{"id": f"own-{n}", "text": text(n), "n": n} for n in range(10)], [], []]
    rows[0] += [{"id": "a1", "text": text(100)}, {"id": "b1", "text": f"<b>{text(200)}"}]
    rows[1] += [{"id": "a2", "text": nearly(text(100), 1)}, {"id": "b2", "text": text(200)}]
    rows[1] += [{"id": "a3", "text": nearly(text(100), 2)}, {"id": "short-1", "text": "too short"}]
    rows[2] += [{"id": "short-2", "text": "too short"}]
    (tmp_path / "in").mkdir()
    for number, lines in enumerate(rows):
        content = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "in" / f"{number}.jsonl").write_text(content)
    return Plan("#", (), tmp_path / "in", tmp_path / "out", dedup=True, audit_every=0)


def written(plan: Plan) -> dict[str, dict[str, Any]]:
    lines = [line for path in sorted(plan.target.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return {row["id"]: row for row in map(json.loads, lines)}


def removed(plan: Plan) -> set[str]:
    folder = plan.books / "dedup" / "removed"
    return {json.loads(line)["document"] for path in folder.glob("*") for line in path.read_text().splitlines()}


def check(plan: Plan, done: Applied) -> None:
    rows = written(plan)
    assert len({"a1", "a2", "a3"} & set(rows)) == 1
    assert len({"b1", "b2"} & set(rows)) == 1
    assert {f"own-{n}" for n in range(10)} | {"short-1", "short-2"} <= set(rows)
    assert removed(plan) == {"a1", "a2", "a3", "b1", "b2"} - set(rows)
    assert rows["own-3"] == {"id": "own-3", "text": text(3), "n": 3}
    chars = sum(len(row["text"]) for row in rows.values())
    assert done.deduped == Deduped(removed=3, kept=14, clusters=2, chars_out=chars)
    assert done.counts.kept == 17


def test_one_of_each_cluster_stays(plan: Plan, opener: Any, fake: Fake) -> None:
    check(plan, apply(plan, opener))
    assert not dedup.cleaned(plan.books).exists()
    jobs = fake.jobs
    check(plan, apply(plan, opener))  # nothing is left to do, and the same is said of it
    assert fake.jobs == jobs


@pytest.mark.parametrize(
    "stage", ["pairs", *(pytest.param(name, marks=pytest.mark.slow) for name in ("signatures", "clusters", "filter"))]
)
def test_a_run_that_was_stopped_goes_on_with_the_stage(
    plan: Plan, opener: Any, fake: Fake, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    real = dedup.stages

    def stopping(*arguments: Any) -> list[Any]:
        stages = real(*arguments)
        at = ["signatures", "pairs", "clusters", "filter"].index(stage)

        def die(data: Any, rank: int = 0, world_size: int = 1) -> Any:
            raise KeyboardInterrupt

        stages[at].pipeline = [*stages[at].pipeline[:-1], die]
        return stages

    monkeypatch.setattr(dedup, "stages", stopping)
    with pytest.raises(KeyboardInterrupt):
        apply(plan, opener)
    jobs = fake.jobs
    monkeypatch.setattr(dedup, "stages", real)
    check(plan, apply(plan, opener))
    assert fake.jobs == jobs  # the cleaning was not done again


def test_parquet_keeps_its_form_and_another_choice_is_refused(plan: Plan, opener: Any) -> None:
    from curation.scale.apply import ApplyError

    parquet = replace(plan, form="parquet")
    done = apply(parquet, opener)
    assert done.deduped.removed == 3
    assert sorted(path.name for path in plan.target.glob("*.parquet")) == [f"0000{n}.parquet" for n in range(3)]
    with pytest.raises(ApplyError, match="another strategy or other settings"):
        apply(replace(parquet, dedup=False), opener)
