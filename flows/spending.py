"""What was spent, by role and by candidate, for reports: dictionaries for --json, lines for people.

A price that is not known is null in JSON and "price unknown" in words, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from cognition.archive import Archive, Campaign
from cognition.records import Candidate, Evaluation, ModelCall, round_id
from flows.units import hours, usd

#: Limits that are budgets, and not counts of failures.
BUDGETS = ("max_usd", "max_gpu_h", "max_wall_h", "max_total_wall_h")


def campaign_report(archive: Archive, campaign: Campaign) -> dict[str, Any]:
    """The campaign's totals, its calls by role, and its budgets that are set."""
    spend = archive.spend(campaign.name)
    by_role = _summed(
        (each.role, each.calls, each.unpriced_calls, each.dollars, each.prompt_tokens + each.completion_tokens)
        for each in archive.spend_by_role(campaign.name)
    )
    totals = {**asdict(spend), "dollars": known_usd(spend.dollars, spend.calls, spend.unpriced_calls)}
    limits = campaign.settings.get("limits", {})  # as an earlier version stored them: keys may be missing
    return {
        "spend": {**totals, "by_role": by_role},
        "budgets": {name: limits[name] for name in BUDGETS if limits.get(name) is not None},
    }


def candidate_report(
    archive: Archive, candidate: Candidate, calls: Sequence[ModelCall], evaluations: Sequence[Evaluation]
) -> dict[str, Any]:
    """What one candidate's round has taken, with all its tries; `calls` are the round's."""
    settled_gpu_s = archive.round_gpu_s(round_id(candidate.campaign, candidate.round_index))
    by_role = _summed(
        (call.role, 1, call.price_usd is None, call.price_usd or 0.0, call.prompt_tokens + call.completion_tokens)
        for call in calls
    )
    unpriced = sum(call.price_usd is None for call in calls)
    costs = [evaluation.measurements.cost for evaluation in evaluations]
    return {
        "dollars": known_usd(sum(call.price_usd or 0.0 for call in calls), len(calls), unpriced),
        "calls": len(calls),
        "unpriced_calls": unpriced,
        "cpu_s": sum(cost.cpu_s for cost in costs),
        "gpu_s": max(settled_gpu_s, sum(cost.gpu_s for cost in costs)),
        "by_role": by_role,
    }


def known_usd(dollars: float, calls: int, unpriced_calls: int) -> float | None:
    """The dollars of the calls whose price is known; None if there are calls and not one has a price.

    >>> known_usd(0.0, 0, 0), known_usd(0.0, 2, 2), known_usd(0.5, 3, 2)
    (0.0, None, 0.5)
    """
    return None if calls and calls == unpriced_calls else dollars


def line(spend: dict[str, Any]) -> str:
    """One line: dollars with their roles, calls, CPU and GPU time."""
    parts = [_price(spend["dollars"], spend["unpriced_calls"])]
    roles = ", ".join(f"{role} {_price(of['dollars'], of['unpriced_calls'])}" for role, of in spend["by_role"].items())
    parts[0] += f" ({roles})" if roles else ""
    parts += [f"{spend['calls']} calls", f"{spend['cpu_s']:.0f} CPU-s"]
    if spend["gpu_s"]:
        parts.append(f"{spend['gpu_s'] / 3600:.3g} GPU-hours")
    if spend.get("wall_s"):
        parts.append(f"{hours(spend['wall_s'] / 3600)} of runs")
    return ", ".join(parts)


def cell(campaign: dict[str, Any]) -> str:
    """The line, and under it the budgets."""
    budgets = ", ".join(f"{name} = {value:g}" for name, value in campaign["budgets"].items())
    return line(campaign["spend"]) + (f"\nbudget: {budgets}" if budgets else "")


def _price(dollars: float | None, unpriced_calls: int) -> str:
    if dollars is None:
        return "price unknown"
    return usd(dollars) + (f" and {unpriced_calls} calls of unknown price" if unpriced_calls else "")


def _summed(calls: Iterable[tuple[str, int, int, float, int]]) -> dict[str, dict[str, Any]]:
    """(role, calls, unpriced calls, dollars, tokens), added up by role."""
    found: dict[str, list[float]] = {}
    for role, *numbers in calls:
        before = found.setdefault(role, [0, 0, 0.0, 0])
        found[role] = [old + new for old, new in zip(before, numbers, strict=True)]
    return {
        role: {
            "dollars": known_usd(dollars, int(count), int(unpriced)),
            "calls": int(count),
            "unpriced_calls": int(unpriced),
            "tokens": int(tokens),
        }
        for role, (count, unpriced, dollars, tokens) in found.items()
    }
