"""What a re-test on fresh seeds said of a candidate, in words: the same wherever a score is shown."""

from __future__ import annotations

from cognition.archive import Archive, Demotion
from cognition.records import Failure
from tasks.trust import Standing


def mark(demotion: Demotion | None) -> str:
    """For a demoted candidate, why it counts no longer; "" for any other."""
    if demotion is None:
        return ""
    return (
        f"demoted by re-test: gain {demotion.gain:+.4g} over the baseline on {demotion.replicates} fresh seeds at "
        f"{demotion.rung}"
    )


def mark_of(archive: Archive, campaign: str, candidate: str) -> str:
    """The same for a candidate by name."""
    return mark(archive.demoted(campaign).get(candidate))


def sentence_of(rung: str, stands: Standing | None, failure: Failure | None) -> str:
    """A verdict with its numbers, as MLflow shows it."""
    if stands is None:
        return f"failed at {rung}: {failure.reason if failure else 'nothing was measured'}"
    error = stands.gains.standard_error
    spread = "" if error is None else f" ± {error:.2g}"
    is_demoted = stands.verdict == "demoted" and stands.gains.mean <= 0.0
    verdict = "demoted by re-test" if is_demoted else str(stands.verdict)
    return f"{verdict} at {rung}: gain {stands.gains.mean:+.4g}{spread} on {stands.gains.n} fresh seeds"
