"""What is known of a candidate, for whoever gets its change: EVIDENCE.md for people, evidence.json for programs.

Read from the archive alone, and the same for the same archive. Texts of models and candidates are escaped in Markdown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cognition import tree
from cognition.archive import Archive
from cognition.records import Candidate, Evaluation, Failure, Outcome, Score
from flows.report import ancestry
from flows.report.escape import markdown_block, markdown_text
from tasks import trees

MARKDOWN, JSON_FILE = "EVIDENCE.md", "evidence.json"
CONFIDENCE = 0.95
SELF_REPORTED = "self_reported/"


def gather(archive: Archive, candidate: Candidate, seed: Candidate) -> dict[str, Any]:
    """Everything, as plain data."""
    campaign = archive.campaign(candidate.campaign)
    measured = archive.evaluations(candidate.id)
    rungs = sorted({each.rung for each in measured})
    fresh = [each for rung in rungs for each in archive.confirmations(candidate.id, rung)]
    digests = {digest.id: digest for digest in archive.digests(candidate.campaign)}
    return {
        "candidate": candidate.id,
        "campaign": campaign.name,
        "problem": campaign.problem.rpartition("/")[2],
        "options": campaign.settings["options"],
        "round": candidate.round_index,
        "recorded_at": candidate.created_at,
        "outcome": _outcome(candidate.outcome),
        "seed": {"candidate": seed.id, "outcome": _outcome(seed.outcome)},
        "metrics": candidate.metrics,
        "evaluations": [_evaluation(each) for each in measured],
        "fresh_evaluations": [_evaluation(each) for each in fresh],
        "contract_versions": sorted({each.contract_version for each in measured}) or [campaign.contract_version],
        "sandbox_tier": candidate.sandbox_tier,
        "code_hash": candidate.code_hash,
        "proposer": candidate.provenance.proposer,
        "model": candidate.provenance.model,
        "sources": list(candidate.provenance.sources),
        "lineage": [
            {
                "candidate": each.id,
                "round": each.round_index,
                "made_from": list(each.made_from),
                "fitness": each.fitness,
            }
            for each in ancestry.lineage(candidate.id, digests)[0]
        ],
        "files": [
            {
                "name": change.path,
                "change": change.word,
                "lines_added": change.counts[0],
                "lines_removed": change.counts[1],
            }
            for change in trees.changes(tree.files_of(seed.code), tree.files_of(candidate.code))
        ],
        "motivation": candidate.motivation,
        "analysis": candidate.analysis,
        "self_reported": any(name.startswith(SELF_REPORTED) for name in candidate.metrics),
    }


def interval(score: Score) -> tuple[float, float] | None:
    """The 95% t-interval of the mean; None where no standard error is known.

    >>> [round(end, 3) for end in interval(Score(1.0, 0.1, 4))]
    [0.682, 1.318]
    """
    if score.standard_error is None or score.evaluations < 2:
        return None
    from scipy.special import stdtrit

    reach = float(stdtrit(score.evaluations - 1, 0.5 + CONFIDENCE / 2)) * score.standard_error
    return (score.fitness - reach, score.fitness + reach) if math.isfinite(reach) else None


def as_json(evidence: dict[str, Any]) -> str:
    """For programs."""
    return json.dumps(evidence, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def as_markdown(evidence: dict[str, Any]) -> str:
    """For people."""
    about = {
        "score": _score_text(evidence["outcome"]),
        "95% interval": _interval_text(evidence["outcome"]),
        "the seed's score": _score_text(evidence["seed"]["outcome"]),
        "campaign": f"{evidence['campaign']}, round {evidence['round']}",
        "problem": f"{evidence['problem']}, options {json.dumps(evidence['options'], sort_keys=True)}",
        "contract version": ", ".join(evidence["contract_versions"]),
        "sandbox tier": evidence["sandbox_tier"],
        "proposer": f"{evidence['proposer']}, model {evidence['model'] or 'none'}",
        "code hash": evidence["code_hash"],
        "recorded": evidence["recorded_at"],
    }
    parts = [
        f"# {markdown_text(evidence['candidate'])}",
        "A candidate's change against the seed of its campaign, and what was measured. A score that was the best of "
        "many is too high by chance where measurements are noisy; evaluations on fresh seeds are not.",
        _table(("", ""), [(name, value) for name, value in about.items()]),
    ]
    if evidence["self_reported"]:
        parts.append("**The scores are self-reported**: the evaluator ran beside the program and may have been fooled.")
    parts += ["## Files", _table(("file", "change", "lines"), [_file_row(each) for each in evidence["files"]])]
    parts += ["## Evaluations", _evaluations(evidence["evaluations"])]
    if evidence["fresh_evaluations"]:
        parts += ["## Evaluations on fresh seeds", _evaluations(evidence["fresh_evaluations"])]
    parts += [
        "## Lineage",
        _table(("candidate", "made from", "score"), [_ancestor_row(x) for x in evidence["lineage"]]),
    ]
    for name in ("motivation", "analysis"):
        if evidence[name]:
            parts += [f"## {name.capitalize()}", "As the proposer or a model wrote it.", markdown_block(evidence[name])]
    return "\n\n".join(parts) + "\n"


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"kind": str(outcome.kind), "reason": outcome.reason}
    return {
        "kind": "scored",
        "fitness": outcome.fitness,
        "standard_error": outcome.standard_error,
        "interval": interval(outcome),
        "evaluations": outcome.evaluations,
        "unranked": outcome.unranked,
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "rung": evaluation.rung,
        "seed": evaluation.seed,
        "contract_version": evaluation.contract_version,
        "metrics": evaluation.measurements.metrics,
        "cpu_s": evaluation.measurements.cost.cpu_s,
        "gpu_s": evaluation.measurements.cost.gpu_s,
    }


def _score_text(outcome: dict[str, Any]) -> str:
    if outcome["kind"] != "scored":
        return f"none ({outcome['kind']}): {outcome['reason']}"
    count = outcome["evaluations"]
    unranked = f"; not ranked: {outcome['unranked']}" if outcome["unranked"] else ""
    return f"{outcome['fitness']:.10g}, {count} evaluation{'' if count == 1 else 's'}{unranked}"


def _interval_text(outcome: dict[str, Any]) -> str:
    if outcome["kind"] != "scored":
        return "none"
    if outcome["interval"] is None:
        return "not known: no standard error (one evaluation, or an exact value)"
    low, high = outcome["interval"]
    return f"{low:.8g} to {high:.8g}"


def _evaluations(evaluations: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            each["rung"],
            str(each["seed"]),
            each["contract_version"],
            ", ".join(f"{name} {value:.8g}" for name, value in each["metrics"].items()),
            f"{each['cpu_s']:.3g}",
        )
        for each in evaluations
    ]
    return _table(("rung", "seed", "contract", "metrics", "CPU s"), rows) if rows else "None."


def _file_row(change: dict[str, Any]) -> tuple[str, ...]:
    return change["name"], change["change"], f"+{change['lines_added']} -{change['lines_removed']}"


def _ancestor_row(ancestor: dict[str, Any]) -> tuple[str, ...]:
    fitness = ancestor["fitness"]
    made_from = ", ".join(ancestor["made_from"]) or "nothing before it"
    return ancestor["candidate"], made_from, "none" if fitness is None else f"{fitness:.10g}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(markdown_text(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
