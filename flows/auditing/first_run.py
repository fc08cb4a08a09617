"""The short audit of a problem that nobody has run before, ahead of the first round.

The same cheats as `nightshift audit`, those that tell most first, side by side, and none begun after
`audit.budget_s`. The result belongs to the problem's measure, options and rung, and is kept in the archive: the next
campaign of the same problem finds it. Problems that come with the program are audited by its tests, and not here.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Literal

from cognition.archive import Archive
from cognition.records import JSON, MachineFault
from flows import problem_source, registry
from flows.auditing.audit import Audit, at_once, attacked
from flows.config import ConfigError, Settings
from flows.finalists import SELF_REPORTED
from tasks.codec import fingerprint
from tasks.engine import Engine

#: held: nothing to look at; open: not known, or not all of it; broken: believe no score.
Level = Literal["held", "open", "broken"]

#: For pipelines that run a new problem at every change and audit it elsewhere.
SWITCH = "NIGHTSHIFT_NO_AUDIT"


@dataclass(frozen=True, slots=True)
class Note:
    """What a campaign's report says about the evaluator. `advice`: why the campaign must not begin, if it must not."""

    sentence: str
    level: Level = "open"
    advice: str = ""


def refusal(engine: Engine, settings: Settings) -> str | None:
    """Audit the problem if it is new; why the campaign must not begin, or None. Raises nothing of the problem's own."""
    source = problem_source.source_of(settings.problem, engine.domain)
    engine.archive.note_source(settings.name, source)
    if settings.problem in registry.BUILT_IN:
        return None
    note = _noted(engine, settings)
    stored = {"sentence": note.sentence, "level": note.level}
    engine.archive.keep_audit(_of_campaign(settings.name), settings.problem, stored, replace=True)
    return f"{note.sentence}; {note.advice}" if note.advice else None


def note_of(archive: Archive, campaign: str) -> str:
    """What a report says about the audit, "" if there is nothing to say."""
    known = archive.audit_of(_of_campaign(campaign))
    return "" if known is None else str(known["sentence"])


def _noted(engine: Engine, settings: Settings) -> Note:
    if why := _why_not(engine, settings):
        return Note(f"the evaluator was not audited: {why}")
    key = _key(engine, settings)
    known = engine.archive.audit_of(key)
    if known is not None:
        return _judged(engine, settings, known)
    try:
        report = _report(_audited(engine, settings))
    except (ConfigError, MachineFault) as error:  # a seed program without a score, or a machine in trouble
        return Note(f"the evaluator could not be audited: {error}")
    except Exception as error:  # noqa: BLE001  # the edge to somebody's problem: its first round will say it better
        return Note(f"the evaluator could not be audited: {type(error).__name__}: {error}")
    if not report["faults"]:
        engine.archive.keep_audit(key, settings.problem, report)
    return _judged(engine, settings, report)


def _key(engine: Engine, settings: Settings) -> str:
    """What an audit belongs to: the same files that a campaign's scores belong to (flows/measure.py), and the rest."""
    files = problem_source.parts_of(settings.problem, engine.domain).measure
    runs = {name: found.split()[-1] for name, found in files.items()}
    return fingerprint("audit", runs, settings.options, settings.evaluate.rung, engine.domain.contract_version)


def _audited(engine: Engine, settings: Settings) -> Audit:
    slots = min(at_once(), settings.workers)  # the sandbox has as many places as there are workers
    return attacked(engine.domain, settings.evaluate.rung, engine.sandbox, slots, settings.audit.budget_s)


def _why_not(engine: Engine, settings: Settings) -> str:
    """Why there is no audit, "" if there is one."""
    if settings.audit.first_run == "off" or os.environ.get(SWITCH):
        return "it was switched off (--no-audit)"
    if engine.brief.metric.startswith(SELF_REPORTED):
        return "its scores are what programs say of themselves"
    if engine.sandbox.tier == "unsafe":
        return "programs run without a sandbox, where every cheat gets through"
    if engine.domain.needs("train", settings.evaluate.rung).gpus:
        return f"it needs a GPU; run `nightshift audit {settings.problem}` once"
    return ""


def _report(found: Audit) -> dict[str, JSON]:
    return {
        "broken": [asdict(finding) for finding in found.broken],
        "tried": sum(finding.result != "not tried" for finding in found.findings),
        "untried": sum(finding.result == "not tried" for finding in found.findings),
        "faults": sum(finding.result == "fault" for finding in found.findings),
        "repeats": found.repeats,
        "seconds": found.seconds,
    }


def _judged(engine: Engine, settings: Settings, known: dict[str, JSON]) -> Note:
    broken = known["broken"]
    if getattr(engine.domain, "deterministic", False) and not known["repeats"]:
        said = f"{settings.problem} says that it is deterministic, and its seed program got two scores on one seed"
        return Note(said, "broken", "remove `deterministic` or mend the evaluator")
    if not broken:
        untried = f", {known['untried']} not tried" if known["untried"] else ""
        faults = f", our machine failed under {known['faults']}" if known["faults"] else ""
        return Note(
            f"the evaluator was audited before its first run: {known['tried']} cheats in {known['seconds']:.0f} s, "
            f"none scored{untried}{faults}",
            "open" if untried or faults else "held",
        )
    names = ", ".join(str(one["cheat"]) for one in broken[:3]) + (" and more" if len(broken) > 3 else "")
    found = f"{len(broken)} of {known['tried']} cheats get through the evaluator of {settings.problem}: {names}"
    if settings.audit.first_run == "accept":
        return Note(f"{found}; that was accepted (--accept-audit): believe no score of it unseen", "broken")
    return Note(found, "broken", f"`nightshift audit {settings.problem}` shows them, --accept-audit runs all the same")


def _of_campaign(campaign: str) -> str:
    return f"campaign/{campaign}"
