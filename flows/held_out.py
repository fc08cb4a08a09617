"""The held-out test: one look at each promoted finalist, on a rung that nothing else uses, and counted.

A domain names such a rung by an attribute `held_out`. What was looked at is in the archive, so a second
promotion shows the same numbers and touches nothing. The result decides nothing: a test that decided would be one more
round of selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cognition.records import Candidate, Failure, Measurements
from flows.config import Settings
from flows.engines import engine_for
from flows.evolution_round import evaluate_seed
from flows.finalists import NoBaseline, as_evaluation, fresh_seeds, held_out_rung, round_of, score_of, stored
from tasks.check import Checked
from tasks.engine import Engine


@dataclass(frozen=True, slots=True)
class _Test:
    engine: Engine
    settings: Settings
    seed: int

    async def measured(self, candidate: Candidate) -> Measurements | Failure:
        """What is stored, or one run. A failure is not kept in the archive, but its steps' results are."""
        known = stored(self.engine, candidate.id)
        if self.seed in known:
            return known[self.seed]
        checked = Checked(candidate.code)
        _, found = await evaluate_seed(self.engine, self.settings, round_of(candidate), checked, self.seed)
        if isinstance(found, Measurements):
            self.engine.archive.confirm(candidate.id, [as_evaluation(self.engine, self.seed, found)])
        return found


async def touch(
    engine: Engine, settings: Settings, baseline: Candidate, promoted: Sequence[Candidate]
) -> dict[str, Any] | None:
    """The gains of the promoted on the held-out test, and how often the campaign has touched it; None without one."""
    rung = held_out_rung(engine.domain)
    if rung is None:
        return None
    at_rung = settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update={"rung": rung})})
    test = _Test(engine_for(at_rung), at_rung, fresh_seeds(settings.seed, 1)[0])
    rows = []
    if promoted:
        base = await test.measured(baseline)
        if isinstance(base, Failure):
            raise NoBaseline(f"the baseline fails on the held-out test ({base.kind}): {base.reason}")
        rows = [_row(test.engine, each, await test.measured(each), base) for each in promoted]
    touches = sum(each.rung == rung for each in engine.archive.confirmed(settings.name))
    return {"rung": rung, "touches": touches, "finalists": rows}


def _row(engine: Engine, candidate: Candidate, found: Measurements | Failure, base: Measurements) -> dict[str, Any]:
    score = found if isinstance(found, Failure) else score_of(engine, found, base)
    over = score_of(engine, base, base)
    for outcome in (score, over):
        if isinstance(outcome, Failure):
            return {"candidate": candidate.id, "gain": None, "reason": outcome.reason}
    assert not isinstance(score, Failure)
    assert not isinstance(over, Failure)
    return {"candidate": candidate.id, "gain": score - over, "reason": ""}
