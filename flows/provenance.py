"""Where an exported program comes from: candidate, campaign, lineage, evaluations, licence. Reads the archive."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cognition.archive import Archive
from cognition.records import JSON, Candidate
from flows.home import Home
from flows.programs import Named

OLDEST_ANCESTORS = 200


def where_from(home: Home, name: str, found: Named) -> dict[str, JSON]:
    """What is written beside an exported program about its origin."""
    if found.candidate is None:
        return {"file": Path(name).name, **dated()}
    with Archive.open(home.archive_url) as archive:
        return _provenance(archive, found.candidate)


def dated() -> dict[str, JSON]:
    """When it was written, and under which licence."""
    return {"exported_at": datetime.now(UTC).isoformat(timespec="seconds"), "licence": "Apache-2.0"}


def _provenance(archive: Archive, found: Candidate) -> dict[str, JSON]:
    evaluations: list[JSON] = [
        {
            "rung": each.rung,
            "seed": each.seed,
            "contract_version": each.contract_version,
            "metrics": dict(each.measurements.metrics),
        }
        for each in archive.evaluations(found.id)
    ]
    return {
        "candidate": found.id,
        "campaign": found.campaign,
        "code_sha256": found.code_hash,
        "proposer": found.provenance.proposer,
        "model": found.provenance.model,
        "sources": list(found.provenance.sources),
        "fitness": found.fitness,
        "evaluations": evaluations,
        "lineage": _lineage(archive, found),
        "motivation": found.motivation,
        **dated(),
    }


def _lineage(archive: Archive, found: Candidate) -> list[JSON]:
    """Everything it was made from, back to the baseline: ids, their parents and fitness; nearest first."""
    seen: dict[str, JSON] = {}
    waiting = list(found.lineage)
    while waiting and len(seen) < OLDEST_ANCESTORS:
        name = waiting.pop(0)
        if name not in seen:
            ancestor = archive.candidate(name)
            seen[name] = {"candidate": name, "made_from": list(ancestor.lineage), "fitness": ancestor.fitness}
            waiting.extend(ancestor.lineage)
    return list(seen.values())
