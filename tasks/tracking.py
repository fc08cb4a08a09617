"""Publishes the archive's outbox to MLflow. The only file that imports mlflow.

Experiment = problem; parent run = campaign; child run = candidate. A run is found by its round id and resumed, never
duplicated. `Publisher` drains the outbox in a thread of its own, so that no step waits for MLflow; when MLflow is down
the entries stay in the outbox and `nightshift sync` (or the next run) publishes them. Publishing an entry twice gives
the same run: tags, texts and files are replaced, and metrics carry the time and step of the original.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cognition.records import JSON, Artefact, MachineFault
from tasks import artefacts
from tasks.codec import UndecodableResult, decode
from tasks.publication import Publication, clip_tag

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

ROUND_TAG = "nightshift.round_id"
CAMPAIGN_TAG = "nightshift.campaign"
PARENT_TAG = "mlflow.parentRunId"
#: How often a waiting publisher looks; what one run got in the meantime goes in one call.
POLL_S = 2.0
#: How often a publisher that wants to end asks whether it is its turn.
TURN_S = 0.2
#: Entries of the outbox at a time, and how many are looked at when a publisher ends.
BATCH = 200
MOST_AT_THE_END = 10_000
#: MLflow refuses more in one call.
METRICS_PER_CALL = 1_000


class Entry(Protocol):
    """One row of the outbox."""

    @property
    def id(self) -> int:
        """Its key."""

    @property
    def payload(self) -> JSON:
        """An encoded Publication."""


class Outbox(Protocol):
    """The part of the archive that a publisher needs."""

    def publishing(self) -> AbstractContextManager[bool]:
        """Try to be the only publisher of all processes; never waits."""

    def pending(self, limit: int) -> Sequence[Entry]:
        """The oldest entries not published yet."""

    def mark_published(self, ids: Iterable[int]) -> None:
        """Never hand these out again."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that was found or made."""

    id: str
    artefact_uri: str


@dataclass(slots=True)
class Tracker:
    """Writes publications to one MLflow server or database. Not thread-safe: one thread owns it."""

    client: MlflowClient
    artefact_location: str | None  # None: the server decides
    _experiments: dict[str, str]
    _runs: dict[tuple[str, str], _Run]

    def publish(self, *publications: Publication) -> str:
        """Merge publications of one run into it, oldest first, and return the run's id."""
        first, last = publications[0], publications[-1]
        run = self._run(first)  # a new run starts when its first step ended
        self._log(run.id, publications)
        self._artefacts(run.artefact_uri, publications)
        if last.status != "RUNNING":
            self.client.set_terminated(run.id, last.status, end_time=last.at_ms)
        return run.id

    def _log(self, run_id: str, publications: Sequence[Publication]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(k, v, p.at_ms, p.step) for p in publications for k, v in p.metrics.items()]
        params = [Param(k, v) for p in publications for k, v in p.params.items()]
        tags = {name: value for p in publications for name, value in p.tags.items()}  # later ones win
        for start in range(0, max(1, len(metrics)), METRICS_PER_CALL):
            some = metrics[start : start + METRICS_PER_CALL]
            if some or params or tags:
                self.client.log_batch(run_id, some, params, [RunTag(k, clip_tag(v)) for k, v in tags.items()])
            params, tags = [], {}

    def _artefacts(self, artefact_uri: str, publications: Sequence[Publication]) -> None:
        texts = {name: text for p in publications for name, text in p.texts.items()}
        files = {artefact.name: artefact for p in publications for artefact in p.files}
        if not texts and not files:
            return
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tempfile.TemporaryDirectory() as folder:
            for name, text in texts.items():
                file = Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            for artefact in files.values():
                _fetch(artefact, Path(folder))
            # Its methods carry no types. A server that keeps artefacts itself is asked for by its own address.
            repository: Any = get_artifact_repository(artefact_uri, tracking_uri=self.client.tracking_uri)
            repository.log_artifacts(folder)

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            found = self.client.get_experiment_by_name(name)
            self._experiments[name] = found.experiment_id if found else self._create_experiment(name)
        return self._experiments[name]

    def _create_experiment(self, name: str) -> str:
        location = f"{self.artefact_location}/{name}" if self.artefact_location else None
        return str(self.client.create_experiment(name, artifact_location=location))

    def _run(self, publication: Publication) -> _Run:
        key = (publication.experiment, publication.run_key)
        if key not in self._runs:
            self._runs[key] = self._find(publication) or self._create(publication)
        return self._runs[key]

    def _find(self, publication: Publication) -> _Run | None:
        tag = CAMPAIGN_TAG if publication.is_campaign else ROUND_TAG
        condition = f"tags.`{tag}` = '{publication.run_key}'"
        if publication.is_campaign:
            condition += " AND tags.`nightshift.kind` = 'campaign'"
        found = self.client.search_runs([self._experiment(publication.experiment)], condition, max_results=1)
        return _Run(found[0].info.run_id, found[0].info.artifact_uri) if found else None

    def _create(self, publication: Publication) -> _Run:
        tags = {CAMPAIGN_TAG: publication.campaign, "nightshift.kind": "campaign"}
        if not publication.is_campaign:
            parent = Publication(publication.experiment, publication.campaign, publication.campaign, publication.at_ms)
            tags = {
                CAMPAIGN_TAG: publication.campaign,
                "nightshift.kind": "candidate",
                ROUND_TAG: publication.run_key,
                PARENT_TAG: self._run(parent).id,
            }
        experiment = self._experiment(publication.experiment)
        run = self.client.create_run(experiment, publication.at_ms, tags, run_name=publication.run_key)
        return _Run(run.info.run_id, run.info.artifact_uri)


def open_tracker(tracking_uri: str, artefact_folder: Path) -> Tracker:
    """Connect to MLflow. A database URI gets an absolute artefact location; a server has its own."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    # An unreachable server must be noticed in seconds; the outbox does the long-term retrying.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    for name in ("mlflow", "alembic", "alembic.runtime.migration"):
        # Its tracebacks would cover the live view; the publisher says in one line what is wrong.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from mlflow.tracking import MlflowClient

    is_server = tracking_uri.startswith(("http://", "https://", "databricks"))
    location = None if is_server else artefact_folder.resolve().as_uri()
    return Tracker(MlflowClient(tracking_uri), location, {}, {})


class Publisher:
    """A thread that carries the outbox to MLflow until it is closed.

    Several processes may have one: they take turns, batch by batch, so that no run is made twice. Whoever closes waits
    until what was queued by then is published, by whomever.
    """

    def __init__(self, outbox: Outbox, connect: Callable[[], Tracker]) -> None:
        self._outbox = outbox
        self._connect = connect
        self._tracker: Tracker | None = None
        self._closing = threading.Event()
        self._until = 0  # the newest entry that closing waits for
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._work, name="mlflow-publisher", daemon=True)

    def start(self) -> None:
        """Begin publishing."""
        self._thread.start()

    def close(self, timeout_s: float = 60.0) -> int:
        """Publish what is left, stop, and return how many entries remain (MLflow down, or out of time)."""
        self._until = max((entry.id for entry in self._outbox.pending(MOST_AT_THE_END)), default=0)
        self._closing.set()
        self._thread.join(timeout_s)
        return sum(entry.id <= self._until for entry in self._outbox.pending(MOST_AT_THE_END))

    def _work(self) -> None:
        while True:
            closing = self._closing.is_set()
            done = self._publish_some()
            if closing and (done == "refused" or self._is_drained()):
                return
            if closing:
                time.sleep(TURN_S if done == "not ours" else 0)
            elif done != "some":
                self._closing.wait(POLL_S)

    def _is_drained(self) -> bool:
        try:
            oldest = self._outbox.pending(1)
        except MachineFault:  # the archive is away: nothing more can be published now
            return True
        return not oldest or oldest[0].id > self._until

    def _publish_some(self) -> Literal["some", "nothing", "not ours", "refused"]:
        """Publish one batch, if nobody else is at it."""
        try:
            with self._outbox.publishing() as alone:
                if not alone:
                    return "not ours"
                entries = self._outbox.pending(BATCH)
                if not entries:
                    return "nothing"
                self._outbox.mark_published(publish_entries(self._tracker_or_connect(), entries))
        except Exception as error:  # noqa: BLE001  # edge of a thread: whatever MLflow or the archive says means "later"
            self._note(error)
            return "refused"
        self.last_error = None
        return "some"

    def _tracker_or_connect(self) -> Tracker:
        if self._tracker is None:
            self._tracker = self._connect()
        return self._tracker

    def _note(self, error: Exception) -> None:
        message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if message != self.last_error:
            who = "the archive" if isinstance(error, MachineFault) else "MLflow"
            logger.warning("%s is not taking results (%s); they wait in the outbox", who, message)
        self.last_error = message
        self._tracker = None
        self._closing.wait(POLL_S * 2)


def drain(tracker: Tracker, outbox: Outbox) -> int:
    """Publish everything that waits, in turns with other processes; returns how many entries were published here."""
    published = 0
    while True:
        with outbox.publishing() as alone:
            entries = outbox.pending(BATCH) if alone else []
            if alone and not entries:
                return published
            ids = publish_entries(tracker, entries)
            outbox.mark_published(ids)
            published += len(ids)
        if not alone:
            time.sleep(TURN_S)


def _fetch(artefact: Artefact, folder: Path) -> None:
    """Copy an artefact; one that is gone leaves a note instead of holding up everything behind it."""
    try:
        (folder / artefact.name).write_bytes(artefacts.read(artefact.uri))
    except artefacts.ArtefactError as error:
        logger.warning("%s", error)
        (folder / f"{artefact.name}.missing.txt").write_text(f"{error}\n")


def publish_entries(tracker: Tracker, entries: Sequence[Entry]) -> list[int]:
    """Publish entries, those of one run merged into one call each, and return their ids."""
    groups: dict[tuple[str, str], list[Publication]] = {}
    run_of: dict[int, tuple[str, str]] = {}
    waiting: set[int] = set()
    for entry in entries:
        try:
            publication = decode(entry.payload, Publication)
        except UndecodableResult as error:
            logger.error("an entry of the outbox is dropped, `nightshift sync CAMPAIGN` makes no new one: %s", error)
            continue
        run_of[entry.id] = (publication.experiment, publication.run_key)
        groups.setdefault(run_of[entry.id], []).append(publication)
    refused: list[Exception] = []
    for key, group in groups.items():
        try:
            tracker.publish(*group)
        except Exception as error:  # noqa: BLE001  # one run that MLflow refuses must not hold up the others
            refused.append(error)
            waiting.update(entry_id for entry_id, run in run_of.items() if run == key)
    if refused and len(refused) == len(groups):
        raise refused[0]
    return [entry.id for entry in entries if entry.id not in waiting]


@dataclass(frozen=True, slots=True)
class FoundRun:
    """Where a candidate is in MLflow."""

    experiment: str  # its id
    run: str  # its id


def find_runs(tracker: Tracker, round_ids: Sequence[str]) -> dict[str, FoundRun]:
    """The runs of these rounds, by round id, in whatever experiment; one that is not there is left out."""
    experiments = [experiment.experiment_id for experiment in tracker.client.search_experiments()]
    found: dict[str, FoundRun] = {}
    for round_id in round_ids:
        condition = f"tags.`{ROUND_TAG}` = '{round_id}'"
        for run in tracker.client.search_runs(experiments, condition, max_results=1):
            found[round_id] = FoundRun(run.info.experiment_id, run.info.run_id)
    return found


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
