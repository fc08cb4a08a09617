"""How much of a campaign's limits is used: what the budget alert looks at."""

from __future__ import annotations

from cognition.archive import Spend
from flows.alerts import Budget
from flows.config import LimitsSettings


def budgets_of(limits: LimitsSettings, spend: Spend, wall_h: float | None = None) -> tuple[Budget, ...]:
    """One per limit that is set. `wall_h`: of this run, None if it is not known."""
    found = []
    if limits.max_usd is not None:
        found.append(Budget("dollars", spend.dollars, limits.max_usd))
    if limits.max_wall_h is not None and wall_h is not None:
        found.append(Budget("hours", wall_h, limits.max_wall_h))
    if limits.max_gpu_h is not None:
        found.append(Budget("GPU-hours", spend.gpu_s / 3600, limits.max_gpu_h))
    if limits.max_total_wall_h is not None:
        found.append(Budget("hours of all runs", spend.wall_s / 3600, limits.max_total_wall_h))
    return tuple(found)
