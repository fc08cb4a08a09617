"""Writes what a study leaves: table, figures, raw data as parquet; and the same as one MLflow run of "studies".

rounds.parquet has a row for every round of every cell, cells.parquet one for every cell. They need nothing of ours to
be read again.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cognition.archive import Archive
from cognition.records import Artefact
from flows import registry
from flows.home import Home
from flows.study import table
from flows.study.figures import figures
from flows.study.ledger import Curve, Ran
from flows.study.record import place_of
from flows.study.results import Results, areas, finals
from flows.study.settings import StudySettings
from tasks.codec import encode
from tasks.publication import Publication
from tasks.tracking import now_ms, open_tracker

logger = logging.getLogger(__name__)

EXPERIMENT = "studies"


def publish(home: Home, study: StudySettings, ran: Ran, results: Results) -> dict[str, Any]:
    """Write the files, tell MLflow, and return the report as plain data. Writing again replaces."""
    domain = registry.load(registry.resolved(study.campaign["problem"]), study.campaign.get("options", {}))
    place = place_of(home, study)
    contents = {
        "table.md": table.markdown(results).encode(),
        "results.json": json.dumps(asdict(results), indent=2).encode(),
        "rounds.parquet": parquet(round_rows(ran.curves)),
        "cells.parquet": parquet(cell_rows(study, ran.curves)),
        **figures(study, ran.curves, domain.brief().shown_as),
    }
    files = tuple(place.write(name, content) for name, content in contents.items())
    _to_mlflow(home, study, results, files)
    return {"study": study.name, "files": place.uri, "results": asdict(results)}


def round_rows(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """One row per round; `cpu_s` and `tokens` are what the cell had spent by then, without its baseline."""
    return [
        {"arm": curve.arm, "seed": curve.seed, "campaign": curve.campaign, "baseline": curve.baseline, **asdict(point)}
        for curve in curves
        for point in curve.points
    ]


def cell_rows(study: StudySettings, curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """One row per cell; an unfinished one has no final best."""
    return [
        {
            "arm": curve.arm,
            "seed": curve.seed,
            "campaign": curve.campaign,
            "baseline": curve.baseline,
            "spent": curve.spent,
            "is_complete": curve.is_complete,
            "final": finals(study, [curve]).get(curve.seed) if curve.is_complete else None,
            "area": areas(study, [curve]).get(curve.seed) if curve.is_complete else None,
        }
        for curve in curves
    ]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    """A table as the bytes of a parquet file."""
    import pyarrow
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), content)
    return content.getvalue()


def _to_mlflow(home: Home, study: StudySettings, results: Results, files: tuple[Artefact, ...]) -> None:
    """One run, found by the study's name. If MLflow is away the publication waits in the outbox, like any other."""
    publication = Publication(
        EXPERIMENT,
        study.name,
        study.name,
        now_ms(),
        tags={"nightshift.study": results.title, "nightshift.problem": str(study.campaign["problem"])},
        metrics=metrics(results),
        files=files,
        status="FINISHED",
    )
    try:
        open_tracker(home.tracking_uri, home.mlflow_artefacts).publish(publication)
    except Exception as error:  # noqa: BLE001  # whatever MLflow raises, the study is done and the answer the same
        logger.warning("MLflow is not taking the study (%s); `nightshift sync` publishes it", type(error).__name__)
        with Archive.open(home.archive_url) as archive:
            archive.enqueue(study.name, study.name, f"study:{now_ms()}", encode(publication))


def metrics(results: Results) -> dict[str, float]:
    """The numbers of each arm; what could not be measured is left out."""
    found: dict[str, float] = {}
    for line in results.arms:
        arm = re.sub(r"[^A-Za-z0-9_.-]", "_", line.arm)
        for name, value in (("final", line.final), ("area", line.area)):
            if value is not None:
                found[f"{arm}/{name}"] = value.mean
        for name, against in (("final", line.final_against), ("area", line.area_against)):
            if against is not None:
                found |= {f"{arm}/{name}_difference": against.difference, f"{arm}/{name}_lower": against.lower}
                found[f"{arm}/{name}_upper"] = against.upper
    return found
