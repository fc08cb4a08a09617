"""Against a real MLflow on SQLite; the outbox is a list."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cognition.records import JSON, Artefact
from tasks.codec import encode
from tasks.publication import Publication
from tasks.tracking import Publisher, Tracker, open_tracker, publish_entries

OPENED = Publication("toy", "c", "c-0001", 1_000, tags={"nightshift.parents": "c-0000"})


@dataclass(frozen=True)
class Row:
    id: int
    payload: JSON


@dataclass
class ListOutbox:
    rows: list[Row] = field(default_factory=list)
    published: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def publishing(self) -> Iterator[bool]:
        alone = self.lock.acquire(blocking=False)
        try:
            yield alone
        finally:
            if alone:
                self.lock.release()

    def pending(self, limit: int) -> list[Row]:
        return [row for row in self.rows if row.id not in self.published][:limit]

    def mark_published(self, ids: Iterable[int]) -> None:
        self.published.update(ids)

    def add(self, publication: Publication) -> None:
        self.rows.append(Row(len(self.rows) + 1, encode(publication)))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def tracker(database: Path) -> Tracker:
    return open_tracker(f"sqlite:///{database / 'mlflow.db'}", database / "artefacts")


def _runs(tracker: Tracker, condition: str) -> list[Any]:
    experiment = tracker.client.get_experiment_by_name("toy")
    assert experiment is not None
    return list(tracker.client.search_runs([experiment.experiment_id], condition))


def test_a_round_is_one_run_with_its_lineage(tracker: Tracker, tmp_path: Path) -> None:
    figure = tmp_path / "figure.svg"
    figure.write_bytes(b"<svg/>")
    run_id = tracker.publish(OPENED)
    scored = replace(
        OPENED,
        metrics={"fitness": 2.0},
        texts={"program.py": "x = 1", "program/pkg/a.py": "x = 1"},  # the second as trees have it
        files=(Artefact("figure.svg", figure.as_uri()),),
        status="FINISHED",
    )
    assert tracker.publish(scored) == run_id
    run = tracker.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["fitness"] == 2.0
    assert run.data.tags["nightshift.parents"] == "c-0000"
    parent = tracker.client.get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.data.tags["nightshift.kind"] == "campaign"
    assert sorted(f.path for f in tracker.client.list_artifacts(run_id)) == ["figure.svg", "program", "program.py"]
    assert [f.path for f in tracker.client.list_artifacts(run_id, "program/pkg")] == ["program/pkg/a.py"]


def test_another_process_resumes_the_same_run(tracker: Tracker, database: Path) -> None:
    first = tracker.publish(replace(OPENED, run_key="c-0002"))
    fresh = open_tracker(f"sqlite:///{database / 'mlflow.db'}", database / "artefacts")
    assert fresh.publish(replace(OPENED, run_key="c-0002", metrics={"fitness": 1.0})) == first
    assert len(_runs(fresh, "tags.`nightshift.round_id` = 'c-0002'")) == 1


def test_publishing_twice_changes_nothing(tracker: Tracker) -> None:
    publication = replace(OPENED, run_key="c-0003", metrics={"fitness": 1.0}, texts={"a.md": "a"})
    run_id = tracker.publish(publication)
    tracker.publish(publication)
    assert len(tracker.client.get_metric_history(run_id, "fitness")) == 1


def test_a_missing_artefact_does_not_hold_up_the_rest(tracker: Tracker, tmp_path: Path) -> None:
    lost = Artefact("lost.png", (tmp_path / "lost.png").as_uri())
    run_id = tracker.publish(replace(OPENED, run_key="c-0004", files=(lost,), metrics={"fitness": 1.0}))
    assert tracker.client.get_run(run_id).data.metrics["fitness"] == 1.0
    assert [f.path for f in tracker.client.list_artifacts(run_id)] == ["lost.png.missing.txt"]


def test_entries_of_one_run_are_merged_and_later_ones_win(tracker: Tracker) -> None:
    first = replace(OPENED, run_key="c-0008", tags={"a": "1", "b": "1"}, metrics={"m": 1.0}, step=1)
    run_id = tracker.publish(first, replace(first, tags={"b": "2"}, metrics={"m": 2.0}, step=2, status="FINISHED"))
    run = tracker.client.get_run(run_id)
    assert (run.data.tags["a"], run.data.tags["b"]) == ("1", "2")
    assert [(m.step, m.value) for m in tracker.client.get_metric_history(run_id, "m")] == [(1, 1.0), (2, 2.0)]
    assert run.info.status == "FINISHED"


def test_an_unreadable_entry_is_dropped_and_the_others_published(tracker: Tracker) -> None:
    outbox = ListOutbox([Row(1, {"type": "Nonsense"})])
    outbox.add(replace(OPENED, run_key="c-0005"))
    assert sorted(publish_entries(tracker, outbox.pending(10))) == [1, 2]
    assert len(_runs(tracker, "tags.`nightshift.round_id` = 'c-0005'")) == 1


def test_a_run_that_mlflow_refuses_does_not_hold_up_the_others(tracker: Tracker) -> None:
    outbox = ListOutbox()
    outbox.add(replace(OPENED, run_key="c-0009", metrics={"bad|name": 1.0}))
    outbox.add(replace(OPENED, run_key="c-0010", metrics={"good": 1.0}))
    assert publish_entries(tracker, outbox.pending(10)) == [2]
    assert len(_runs(tracker, "tags.`nightshift.round_id` = 'c-0010'")) == 1


def test_what_mlflow_missed_is_published_later(database: Path) -> None:
    outbox = ListOutbox()
    outbox.add(replace(OPENED, run_key="c-0006"))
    down = Publisher(outbox, lambda: (_ for _ in ()).throw(ConnectionError("MLflow is down")))
    down.start()
    assert down.close(timeout_s=10) == 1
    assert down.last_error == "ConnectionError: MLflow is down"
    up = Publisher(outbox, lambda: open_tracker(f"sqlite:///{database / 'mlflow.db'}", database / "artefacts"))
    up.start()
    assert up.close(timeout_s=30) == 0


def test_the_publisher_does_not_wait_to_be_closed(database: Path) -> None:
    outbox = ListOutbox()
    publisher = Publisher(outbox, lambda: open_tracker(f"sqlite:///{database / 'mlflow.db'}", database / "artefacts"))
    publisher.start()
    outbox.add(replace(OPENED, run_key="c-0007"))
    deadline = time.monotonic() + 20
    while outbox.pending(1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert outbox.pending(1) == []
    publisher.close()


def test_publishers_that_share_an_outbox_make_one_run_per_round(database: Path) -> None:
    outbox = ListOutbox()

    def connect() -> Tracker:
        return open_tracker(f"sqlite:///{database / 'mlflow.db'}", database / "artefacts")

    publishers = [Publisher(outbox, connect) for _ in range(3)]
    for publisher in publishers:
        publisher.start()
    for round in range(6):
        for step in ("retrieve", "propose", "record"):
            outbox.add(replace(OPENED, campaign="shared", run_key=f"shared-{round:04d}", tags={"step": step}))
            time.sleep(0.02)
    assert [publisher.close() for publisher in publishers] == [0, 0, 0]
    found = _runs(connect(), "tags.`nightshift.campaign` = 'shared'")
    keys = [run.data.tags.get("nightshift.round_id", "campaign") for run in found]
    assert sorted(keys) == sorted(["campaign", *(f"shared-{round:04d}" for round in range(6))])


def test_closing_waits_for_what_another_publishes_and_not_for_what_comes_later(database: Path) -> None:
    outbox = ListOutbox()
    publisher = Publisher(outbox, lambda: open_tracker(f"sqlite:///{database / 'mlflow.db'}", database / "artefacts"))
    publisher.start()
    outbox.lock.acquire()  # another process is at it
    outbox.add(replace(OPENED, run_key="c-0011"))

    def later() -> None:
        outbox.add(replace(OPENED, run_key="c-0012"))
        outbox.mark_published([1])

    threading.Timer(0.5, later).start()
    assert publisher.close(timeout_s=10) == 0
    assert outbox.published == {1}
