"""A campaign's budgets: what a round costs at most, what is refused before the start, what `resume` may change.

Pure, except that `spent_before` reads the archive. flows/meter.py watches the budgets while a campaign runs;
docs/budgets.md explains them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, get_args

from cognition.archive import Archive
from flows.config import ConfigError, Settings, merge
from flows.units import hours, usd
from tasks import judge, novelty
from tasks.agents import MAX_CODE_CHARS, MAX_TRACE_CHARS
from tasks.analyzer import PROMPT_TOKENS
from tasks.contract import Domain, Step
from tasks.llm import Role, Spent, require_prices
from tasks.prompts import CHARS_PER_TOKEN

logger = logging.getLogger(__name__)

#: Goal, contract and wording of the prompts that have no bound of their own.
WORDING_TOKENS = 2_000
#: What may change from one run of a campaign to the next without making its scores incomparable.
MAY_CHANGE = ("rounds", "workers", "lease_s", "limits", "rate", "tracking", "approval")
PRICE_KEYS = frozenset({"price_prompt_usd_per_mtok", "price_completion_usd_per_mtok"})


def calls_per_round(settings: Settings) -> dict[Role, int]:
    """How often each role that is on may be asked in one round: every try refused, every repair needed."""
    attempts = settings.propose.attempts
    calls: dict[Role, int] = {}
    if settings.propose.kind == "openai":
        calls["researcher"] = attempts
    if settings.check.reviewer == "model":
        calls["reviewer"] = attempts
    if settings.check.novelty == "model":
        calls["novelty"] = attempts
    if settings.check.debugger == "model" and settings.check.repairs:
        calls["debugger"] = settings.check.repairs
    if settings.analyze.kind == "model":
        calls["analyzer"] = 1
    if settings.analyze.judge == "model":
        calls["judge"] = 1
    return {role: count for role, count in calls.items() if role in settings.models}


def worst_call_usd(settings: Settings, role: Role) -> float | None:
    """One call at its token limits; None: the model's price is not known."""
    prompt_tokens: dict[str, int] = {
        "researcher": settings.researcher.prompt_tokens,
        "reviewer": MAX_CODE_CHARS // CHARS_PER_TOKEN + WORDING_TOKENS,
        "debugger": (MAX_CODE_CHARS + 2 * MAX_TRACE_CHARS) // CHARS_PER_TOKEN + WORDING_TOKENS,
        "analyzer": PROMPT_TOKENS,
        "novelty": novelty.PROMPT_TOKENS,
        "judge": judge.PROMPT_TOKENS,
    }
    models = settings.researchers if role == "researcher" else (settings.models[role],)
    costs = [model.price_usd(prompt_tokens[role], model.max_tokens) for model in models]
    return None if None in costs else max(cost for cost in costs if cost is not None)


def least_round_usd(settings: Settings) -> dict[str, float]:
    """One worst-case call of each role that is on; unknown prices are left out."""
    costs = {role: worst_call_usd(settings, role) for role in calls_per_round(settings)}
    return {role: cost for role, cost in costs.items() if cost is not None}


def candidate_gpu_h(settings: Settings, domain: Domain) -> float | None:
    """The GPU-hours that one candidate may take in train and benchmark, on all its seeds; None: no bound."""
    seconds = [domain.needs(step, settings.evaluate.rung).gpu_s for step in steps()]
    if any(each is None for each in seconds):
        return None
    return sum(each or 0.0 for each in seconds) * settings.evaluate.replicates / 3600


def steps() -> tuple[Step, ...]:
    """The steps that a domain declares its needs for."""
    return get_args(Step)


def refuse(settings: Settings, domain: Domain) -> None:
    """Refuse budgets that cannot be kept or cannot pay for one round. Raises ConfigError."""
    _refuse_free_choice(settings)
    _refuse_dollars(settings)
    _refuse_gpu_hours(settings, domain)
    served = {model.base_url for model in settings.all_models.values()}
    for base_url in settings.rate.servers:
        if base_url not in served:
            raise ConfigError(
                f"rate.servers: no model is served from {base_url} (served from: {', '.join(sorted(served)) or 'none'})"
            )


def _refuse_free_choice(settings: Settings) -> None:
    """A bandit by gain per dollar needs the prices of all its models."""
    unpriced = [model.model for model in settings.researchers if model.price is None]
    if settings.more_researchers and unpriced:
        raise ConfigError(
            f"more_researchers: models are chosen by gain per dollar, and the price of {', '.join(unpriced)} is not "
            f"known: set {' and '.join(sorted(PRICE_KEYS))} of each (0 for a server of your own)"
        )


def _refuse_dollars(settings: Settings) -> None:
    budget = settings.limits.max_usd
    if budget is None:
        return
    try:
        require_prices(settings.models)
    except ValueError as error:
        raise ConfigError(f"limits.max_usd: {error}") from None
    costs = least_round_usd(settings)
    if sum(costs.values()) > budget:
        each = ", ".join(f"{role} {usd(cost)}" for role, cost in costs.items())
        raise ConfigError(
            f"limits.max_usd: {usd(budget)} cannot pay for one round, in which one call of each role may cost "
            f"{usd(sum(costs.values()))} ({each}): raise it, or lower models.ROLE.max_tokens"
        )


def _refuse_gpu_hours(settings: Settings, domain: Domain) -> None:
    budget = settings.limits.max_gpu_h
    if budget is None:
        return
    worst_h = candidate_gpu_h(settings, domain)
    if worst_h is None:
        raise ConfigError(
            f"limits.max_gpu_h: {domain.name} does not say how long a GPU step may run at {settings.evaluate.rung} "
            "(`needs` of its domain, wall_s), so no budget can be kept"
        )
    if worst_h > budget:
        raise ConfigError(
            f"limits.max_gpu_h: {budget:g} GPU-hours cannot pay for one candidate, which may take {worst_h:.3g}"
        )


#: Sums taken in another order must not disagree on whether a call fits: one would wait for ever.
ROUNDING_USD = 1e-9


@dataclass(frozen=True, slots=True)
class CampaignBook:
    """The campaign's dollars in the archive, which all its processes share (tasks/llm/budget.py)."""

    archive: Archive
    campaign: str
    priced_later_usd: float  # of calls that the ledger holds without a price

    def spent_usd(self) -> float:
        """Of calls that are over, or lost with their process."""
        return self.archive.spent_usd(self.campaign) + self.priced_later_usd

    def committed_usd(self) -> float:
        """With what calls under way have set aside."""
        return self.archive.committed_usd(self.campaign) + self.priced_later_usd

    def hold_usd(self, dollars: float, limit_usd: float) -> int | None:
        """Set dollars aside; None if they do not fit the limit."""
        return self.archive.hold_usd(self.campaign, dollars, limit_usd - self.priced_later_usd + ROUNDING_USD)

    def release_usd(self, hold: int) -> None:
        """The call is in the ledger, or came to nothing."""
        self.archive.release_usd(hold)


def book_of(archive: Archive, settings: Settings) -> CampaignBook:
    """The campaign's book, with earlier calls at today's prices."""
    return CampaignBook(archive, settings.name, priced_later(archive, settings)[0])


def spent_before(archive: Archive, settings: Settings) -> Spent:
    """What the ledger has counted, with the calls whose price was not known then at today's price."""
    spend = archive.spend(settings.name)
    later_usd, unknown = priced_later(archive, settings)
    if unknown and settings.limits.max_usd is not None:
        logger.warning("%d earlier calls have no price and are missing in the budget", unknown)
    return Spent(spend.dollars + later_usd, spend.tokens, spend.calls)


def priced_later(archive: Archive, settings: Settings) -> tuple[float, int]:
    """Dollars of the calls that were stored without a price and have one now; and how many still have none."""
    prices = {model.model: model.price for model in settings.all_models.values()}
    dollars, unknown = 0.0, 0
    for spend in archive.spend_by_role(settings.name):
        price = prices.get(spend.model)
        if price is None:
            unknown += spend.unpriced_calls
        else:
            dollars += price.of(spend.unpriced_prompt_tokens, spend.unpriced_completion_tokens)
    return dollars, unknown


def topped_up(stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A campaign's settings with what `resume` may change. Raises ConfigError for anything else."""
    for section, change in changes.items():
        if section not in MAY_CHANGE and not _only_prices(stored, section, change):
            raise ConfigError(
                f"--set {section}: a resumed campaign keeps its settings, except {', '.join(MAY_CHANGE)} and prices "
                "(models.ROLE.price_...); for others use `nightshift run`, with another --name if scores would change"
            )
    return merge(stored, changes)


def _only_prices(stored: dict[str, Any], section: str, change: Any) -> bool:
    if section != "models" or not isinstance(change, dict):
        return False
    known = stored.get("models", {})
    return all(isinstance(new, dict) and role in known and set(new) <= PRICE_KEYS for role, new in change.items())


def money_used_up(settings: Settings, committed_usd: float) -> str | None:
    """The sentence to end with if the rest does not pay for one more round."""
    budget, round_usd = settings.limits.max_usd, sum(least_round_usd(settings).values())
    if budget is None or not calls_per_round(settings) or committed_usd + round_usd <= budget:
        return None
    return (
        f"the budget of {usd(budget)} (limits.max_usd) is used up: {usd(committed_usd)} spent or reserved, and another "
        f"round may cost {usd(round_usd)}; {top_up(settings, 'max_usd', budget)}"
    )


def gpu_used_up(settings: Settings, domain: Domain, committed_h: float) -> str | None:
    """The sentence to end with if the rest does not pay for one more candidate."""
    budget, worst_h = settings.limits.max_gpu_h, candidate_gpu_h(settings, domain) or 0.0
    if budget is None or worst_h == 0.0 or committed_h + worst_h <= budget:
        return None
    return (
        f"the budget of {budget:g} GPU-hours (limits.max_gpu_h) is used up: {committed_h:.3g} used or reserved, and "
        f"another candidate may take {worst_h:.3g}; {top_up(settings, 'max_gpu_h', budget)}"
    )


def time_used_up(settings: Settings, run_h: float, total_h: float) -> str | None:
    """The sentence to end with if a limit of wall time is reached, by this run or by all runs together."""
    limits = settings.limits
    if limits.max_total_wall_h is not None and total_h > limits.max_total_wall_h:
        more = top_up(settings, "max_total_wall_h", limits.max_total_wall_h)
        return f"the {hours(limits.max_total_wall_h)} of all runs together (limits.max_total_wall_h) are over; {more}"
    if limits.max_wall_h is not None and run_h > limits.max_wall_h:
        again = f"`nightshift resume {settings.name}` goes on for as long again"
        return f"the time limit of {hours(limits.max_wall_h)} for one run (limits.max_wall_h) is reached; {again}"
    return None


def top_up(settings: Settings, key: str, budget: float) -> str:
    """How to go on with twice the budget."""
    return f"`nightshift resume {settings.name} --set limits.{key}={2 * budget:g}` goes on"
