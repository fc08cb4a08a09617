"""What the asked rounds will take, said before they start: measured on this campaign's rounds, or the worst case.

The worst case assumes every try refused, every repair needed, every call at its token limits and every candidate at
its time limit. The measured one divides what the campaign has used by its recorded rounds; failed tries count too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cognition.archive import Archive, Spend
from flows import budgets
from flows.config import Settings
from flows.home import Home
from flows.units import hours, usd
from tasks.contract import Domain


@dataclass(frozen=True, slots=True)
class Past:
    """What the campaign has used so far. `dollars` None: the price of some calls is not known."""

    rounds: int = 0  # recorded, without the baseline
    spend: Spend = field(default_factory=Spend)
    dollars: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """For the rounds still to do. None: not known. `measured_on` 0: the worst case."""

    rounds: int
    measured_on: int
    dollars: float | None
    gpu_h: float | None
    wall_h: float | None


def before_start(settings: Settings, domain: Domain, home: Home) -> str:
    """Refuse budgets and rungs that cannot be had, then say what to expect. Raises ConfigError, MachineFault."""
    budgets.refuse(settings, domain)
    outlook = domain.outlook(settings.evaluate.rung)
    with Archive.open(home.archive_url) as archive:
        past = past_of(archive, settings)
    expected = sentence(settings, forecast(settings, domain, past), past)
    return f"{outlook}\n{expected}" if outlook else expected


def past_of(archive: Archive, settings: Settings) -> Past:
    """Read it from the archive; nothing for a campaign that does not exist yet."""
    spend = archive.spend(settings.name)
    later_usd, unknown = budgets.priced_later(archive, settings)
    rounds = len(archive.recorded_rounds(settings.name) - {0})
    return Past(rounds, spend, None if unknown else spend.dollars + later_usd)


def forecast(settings: Settings, domain: Domain, past: Past) -> Forecast:
    """From averages if a round was recorded, else the worst case. Pure."""
    todo = max(0, settings.rounds - past.rounds)
    if past.rounds == 0:
        return worst_case(settings, domain, todo)
    share = todo / past.rounds
    wall_h = past.spend.wall_s / 3600 * share if past.spend.wall_s else None
    dollars = None if past.dollars is None else past.dollars * share
    return Forecast(todo, past.rounds, dollars, past.spend.gpu_s / 3600 * share, wall_h)


def worst_case(settings: Settings, domain: Domain, rounds: int) -> Forecast:
    """The baseline counts as a round without a Researcher."""
    calls = budgets.calls_per_round(settings)
    prices = {role: budgets.worst_call_usd(settings, role) for role in calls}
    known = [price * calls[role] for role, price in prices.items() if price is not None]
    baseline_usd = prices.get("analyzer") or 0.0
    dollars = sum(known) * rounds + baseline_usd if len(known) == len(calls) else None
    tries = 1 + calls.get("debugger", 0)
    one_gpu_h = budgets.candidate_gpu_h(settings, domain)
    gpu_h = None if one_gpu_h is None else one_gpu_h * (rounds * tries + 1)
    return Forecast(rounds, 0, dollars, gpu_h, _worst_wall_h(settings, domain, rounds))


def _worst_wall_h(settings: Settings, domain: Domain, rounds: int) -> float | None:
    needs = [domain.needs(step, settings.evaluate.rung) for step in budgets.steps()]
    bounds = [each.wall_s for each in needs if each.wall_s is not None]
    if len(bounds) < len(needs):
        return None
    tries = 1 + budgets.calls_per_round(settings).get("debugger", 0)
    one_h = sum(bounds) * tries / 3600
    return one_h * (1 + -(-rounds // settings.workers))


def sentence(settings: Settings, expected: Forecast, past: Past) -> str:
    """One line for people."""
    basis = f"from {expected.measured_on} recorded" if expected.measured_on else "worst case"
    parts = [_dollars(settings, expected), _gpu(expected), _wall(settings, expected)]
    rounds = "1 round" if expected.rounds == 1 else f"{expected.rounds} rounds"
    line = f"forecast for {rounds}, {basis}: {', '.join(parts)}"
    ends = ends_first(settings, expected, past)
    return line + (f"; {' and '.join(ends)} may end it earlier" if ends else "")


def ends_first(settings: Settings, expected: Forecast, past: Past) -> list[str]:
    """The limits that the forecast goes beyond, with what has been used."""
    limits, spend = settings.limits, past.spend
    asked = {
        "max_usd": (limits.max_usd, expected.dollars, past.dollars),
        "max_gpu_h": (limits.max_gpu_h, expected.gpu_h, spend.gpu_s / 3600),
        "max_wall_h": (limits.max_wall_h, expected.wall_h, 0.0),
        "max_total_wall_h": (limits.max_total_wall_h, expected.wall_h, spend.wall_s / 3600),
    }
    return [
        f"limits.{key} = {limit:g}"
        for key, (limit, more, used) in asked.items()
        if limit is not None and more is not None and more + (used or 0.0) > limit
    ]


def _dollars(settings: Settings, expected: Forecast) -> str:
    if not budgets.calls_per_round(settings):
        return "no model calls"
    if expected.dollars is None:
        return "price unknown"
    dates = {model.price.as_of for model in settings.models.values() if model.price and model.price.as_of}
    listed = f" (prices as listed on {', '.join(sorted(dates))}; check them)" if dates else ""
    return usd(expected.dollars) + listed


def _gpu(expected: Forecast) -> str:
    if expected.gpu_h is None:
        return "GPU-hours unknown"
    return f"{expected.gpu_h:.3g} GPU-hours" if expected.gpu_h else "no GPU"


def _wall(settings: Settings, expected: Forecast) -> str:
    if expected.wall_h is None:
        return "wall time unknown"
    models = budgets.calls_per_round(settings) and not expected.measured_on
    return hours(expected.wall_h) + (" plus the models' answers" if models else "")
