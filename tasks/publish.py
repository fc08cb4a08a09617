"""What each step of a round shows in MLflow, put into the archive's outbox after the step's result is stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cognition import tree
from cognition.records import JSON, Artefact, Candidate, Failure, Measurements, ModelCall, Outcome, Score, round_id
from tasks.analyze import Analysed
from tasks.check import Checked
from tasks.codec import encode, fingerprint
from tasks.contract import JUDGE_LOG, Trained
from tasks.engine import Engine, Round
from tasks.propose import Proposed
from tasks.publication import Publication, unified_diff
from tasks.retrieve import Retrieved
from tasks.tracking import now_ms


def publish(engine: Engine, round: Round, step: str, **content: Any) -> None:
    """Queue one step's publication for the candidate's run; queued twice, it counts once."""
    engine.archive.enqueue(round.campaign, round.id, step, publication(engine, round, **content))


def publication(engine: Engine, round: Round, **content: Any) -> dict[str, JSON]:
    """A publication for the candidate's run, encoded."""
    return encode(Publication(engine.domain.name, round.campaign, round.id, now_ms(), **content))


def opened(engine: Engine, round: Round, retrieved: Retrieved) -> None:
    """After retrieve: the run exists, so a round that fails later has one too."""
    tags = {
        "nightshift.round_index": str(round.index),
        "nightshift.candidate": round.candidate_id,
        "nightshift.parents": ",".join(filter(None, [round.parent, *round.references])),
        "nightshift.sampler": round.sampler,
        "nightshift.rung": engine.evaluate.rung,
        "nightshift.sandbox_tier": engine.sandbox.tier,
        "nightshift.items": ",".join(retrieved.items),
    }
    if round.island is not None:
        tags["nightshift.island"] = str(round.island)
    publish(engine, round, "retrieve", tags=tags)


def proposed(engine: Engine, round: Round, proposal: Proposed, code_hash: str) -> None:
    """After propose: program, motivation, difference to the parent."""
    texts = {**_program(proposal.code), "motivation.md": proposal.motivation}
    lineage = proposal.provenance.built_on
    if lineage is None:
        lineage = (round.parent,) if round.parent else ()
    if lineage:
        parent = engine.archive.candidate(lineage[0])
        texts["parent.diff"] = unified_diff(parent.code, proposal.code, parent.id, round.candidate_id)
    tags = {
        "nightshift.proposer": proposal.provenance.proposer,
        "nightshift.form": proposal.provenance.form,
        "nightshift.model": proposal.provenance.model or "none",
        "nightshift.code_hash": code_hash,
        "nightshift.lineage": ",".join(lineage),
        "nightshift.sources": ",".join(proposal.provenance.sources),
        "nightshift.source_candidates": ",".join(proposal.provenance.candidates),
    }
    publish(engine, round, "propose", tags=tags, texts=texts)


def _program(code: str) -> dict[str, str]:
    """The program as artefacts: program.py, or the files of a tree below program/."""
    try:
        return {f"program/{name}": text for name, text in tree.read(code).items()}
    except tree.TreeError:
        return {"program.py": code}


def checked(engine: Engine, round: Round, result: Checked) -> None:
    """After check: the program as it runs, if the debugger changed it."""
    if result.repairs:
        publish(engine, round, "check", texts=_program(result.code))


def trained(engine: Engine, round: Round, results: Sequence[Trained | Failure]) -> None:
    """After train: logs."""
    logs = "\n".join(result.logs for result in results if isinstance(result, Trained) and result.logs)
    if logs:
        publish(engine, round, "train", texts={"train.log": logs})


def benchmarked(engine: Engine, round: Round, results: Sequence[Measurements | Failure], judge_log: str = "") -> None:
    """After benchmark: means of metrics over the replicates, cost, figures of the first one; what the judge met."""
    measured = [result for result in results if isinstance(result, Measurements)]
    said = {JUDGE_LOG: judge_log} if judge_log else {}
    if not measured:
        if said:
            publish(engine, round, "benchmark", texts=said)
        return
    rung = engine.evaluate.rung
    metrics = {f"{rung}/{name}": mean(measured, name) for name in measured[0].metrics}
    metrics[f"{rung}/cpu_s"] = sum(result.cost.cpu_s for result in measured)
    metrics[f"{rung}/peak_memory_mb"] = max(result.cost.peak_memory_mb for result in measured)
    files: tuple[Artefact, ...] = measured[0].artefacts
    texts = {"benchmark.log": measured[0].logs} if measured[0].logs else {}
    texts |= said
    publish(engine, round, "benchmark", metrics=metrics, files=files, texts=texts)


def analysed(engine: Engine, round: Round, result: Analysed) -> None:
    """After analyze: the report and the fitness."""
    metrics = {"fitness": result.outcome.fitness} if isinstance(result.outcome, Score) else {}
    metrics |= {f"feature/{name}": value for name, value in result.features.items()}
    publish(engine, round, "analyze", metrics=metrics, texts={"analysis.md": result.report})


def recorded(engine: Engine, round: Round, outcome: Outcome) -> dict[str, JSON]:
    """For record: outcome and model traffic, and the run is over. The recording transaction queues it."""
    calls = engine.archive.calls(round.id)
    texts = {"model_calls.jsonl": "".join(json.dumps(asdict(call)) + "\n" for call in calls)} if calls else {}
    metrics = {**spend_metrics(calls), **gpu_metrics(engine, round)}
    tags = outcome_tags(outcome)
    return publication(engine, round, tags=tags, texts=texts, metrics=metrics, status="FINISHED")


def retested(engine: Engine, candidate: Candidate, sentence: str) -> None:
    """After a promotion: the verdict as a tag of the candidate's run. The same verdict again is not published again."""
    round = round_id(candidate.campaign, candidate.round_index)
    tags = {"nightshift.retest": sentence}
    content = encode(Publication(engine.domain.name, candidate.campaign, round, now_ms(), tags=tags, status="FINISHED"))
    engine.archive.enqueue(candidate.campaign, round, f"retest:{fingerprint(sentence)[:16]}", content)


def spend_metrics(calls: Sequence[ModelCall]) -> dict[str, float]:
    """Calls and dollars, in all and by role. Without a single known price there are no dollars to show, not 0."""
    if not calls:
        return {}
    by_role = {f"model/{call.role}": [each for each in calls if each.role == call.role] for call in calls}
    metrics: dict[str, float] = {}
    for name, some in {"model": list(calls), **by_role}.items():
        prices = [call.price_usd for call in some if call.price_usd is not None]
        metrics[f"{name}/calls"] = float(len(some))
        if prices:
            metrics[f"{name}/spend_usd"] = sum(prices)
    return metrics


def gpu_metrics(engine: Engine, round: Round) -> dict[str, float]:
    """GPU time of the round with all its tries, if it has used any."""
    gpu_s = engine.archive.round_gpu_s(round.id)
    return {"gpu_s": gpu_s} if gpu_s else {}


def machine_failed(engine: Engine, round: Round, step: str, reason: str) -> None:
    """Our machine's fault: the run is marked failed until the round is run again."""
    tags = {"nightshift.outcome": "machine_fault", "nightshift.reason": reason}
    publish(engine, round, f"failed:{step}:{round.token}", tags=tags, status="FAILED")


def outcome_tags(outcome: Outcome) -> dict[str, str]:
    """Outcome and reason as tags."""
    if isinstance(outcome, Score):
        return {"nightshift.outcome": "scored", "nightshift.reason": outcome.unranked}
    return {"nightshift.outcome": str(outcome.kind), "nightshift.reason": outcome.reason}


def mean(measured: Sequence[Measurements], name: str) -> float:
    """The mean of one metric over the replicates that have it."""
    values = [result.metrics[name] for result in measured if name in result.metrics]
    return sum(values) / len(values)
