"""Campaigns for tests of the report, played by hand into a real archive: busy ones, hopeless ones, hostile ones.

python -m tests.flows.report.scenes FOLDER    draws the figures of each into a folder, to be looked at
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from cognition.archive import Archive, RoundResult
from cognition.items import ItemStore
from cognition.records import (
    Cost,
    Evaluation,
    Failure,
    FailureKind,
    Item,
    Measurements,
    ModelCall,
    Outcome,
    Provenance,
    Sample,
    Score,
)
from flows.alerts import AlertsSettings
from flows.report.gather import Occasion, gather
from flows.report.records import Goal, Report
from tasks.codec import encode
from tasks.publication import Publication

NAME = "packing"
NOW = "2026-03-01T06:30:00.000+00:00"
#: Everything that means something to HTML, Markdown, rich or a terminal.
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> [link](javascript:alert(3)) "
    "![i](http://evil.example/p.png) | cell | **bold** `code` ```\n# title\n\x1b[2J\x1b]0;owned\x07 [red]markup[/red] "
    "\u202eevil {{ 7*7 }} {% raw %} $x^2$"
)


def archive_in(folder: Path, name: str = NAME, **settings: object) -> Archive:
    archive = Archive.open(f"sqlite:///{folder / 'archive.db'}")
    add_campaign(archive, name, **settings)
    return archive


def add_campaign(archive: Archive, name: str, **settings: object) -> None:
    stored = {"rounds": 10, "options": {}, "evaluate": {"rung": "explore", "replicates": 1}, **settings}
    archive.create_campaign(name, "circle_packing", 0, stored, "1")


def play(
    archive: Archive,
    index: int,
    outcome: Outcome | float,
    *made_from: str,
    name: str = NAME,
    code: str | None = None,
    metrics: tuple[float, ...] = (),
    rung: str = "explore",
    tier: str = "bubblewrap",
    **more: object,
) -> str:
    """One round, recorded; returns the candidate's id."""
    claim = archive.open_round(
        name, index, "me", 3600, lambda view: Sample(made_from[0] if made_from else None, (), view.sequence, "hand")
    )
    scored = Score(outcome) if isinstance(outcome, float) else outcome
    measured = metrics or ((scored.fitness,) if isinstance(scored, Score) else ())
    evaluations = tuple(
        Evaluation(rung, seed, "1", Measurements({"sum": value}, cost=Cost(cpu_s=2.0)))
        for seed, value in enumerate(measured)
    )
    fields = {"motivation": "because", "provenance": Provenance("recombine", built_on=made_from)} | more
    program = None if isinstance(scored, Failure) and scored.kind.is_proposal else code or f"x = {index}\n"
    archive.record(
        RoundResult(
            claim.round_id,
            claim.token,
            scored,
            program,
            evaluations=evaluations,
            sandbox_tier=tier,
            **fields,  # type: ignore[arg-type]  # by name
        )
    )
    return claim.candidate_id


def machine_fault(archive: Archive, index: int, reason: str, name: str = NAME) -> None:
    claim = archive.open_round(name, index, "me", 3600, lambda view: Sample(None, (), view.sequence, "hand"))
    archive.fail_round(claim.round_id, claim.token, reason, "train")


def retrieved(archive: Archive, candidate: str, *items: str) -> None:
    tags = {"nightshift.candidate": candidate, "nightshift.items": ",".join(items)}
    archive.enqueue(NAME, candidate, "retrieve", encode(Publication("packing", NAME, candidate, 0, tags=tags)))


def call(archive: Archive, round_id: str, role: str, price_usd: float | None, tokens: int = 1000) -> None:
    archive.save_call(ModelCall(round_id, role, 1, "h", "some-model", "p", "a", tokens, tokens // 4, price_usd, 1.0))


def report_of(archive: Archive, goal: Goal | None = None, since: str | None = None) -> Report:
    return gather(archive, NAME, goal or Goal("score"), AlertsSettings(), Occasion(NOW, since))


def item(archive: Archive, id: str, insight: str) -> None:
    ItemStore(archive).upsert([Item(id, "packing", insight)])


def busy(archive: Archive, rounds: int = 60, noise: float = 0.0) -> None:
    """Most things that happen in a night, in proportion."""
    rng = random.Random(rounds)
    scored = [(2.1, play(archive, 0, Score(2.1, noise or None, 3), provenance=Provenance("baseline")))]
    for index in range(1, rounds + 1):
        chance, parents = rng.random(), rng.sample(sorted(scored)[-6:], min(2, len(scored)))
        ids = [id for _, id in sorted(parents, reverse=True)]
        if chance < 0.15:
            kind = rng.choice([FailureKind.CRASH, FailureKind.CPU_TIME, FailureKind.INVALID])
            play(archive, index, Failure(kind, "it went wrong"), *ids)
        elif chance < 0.22:
            play(archive, index, Failure(FailureKind.DUPLICATE, f"the same program as {ids[0]}"), *ids)
        elif chance < 0.26:
            machine_fault(archive, index, "MachineFault: no space left on device")
        else:
            left = 2.6359830849 - max(parents)[0]
            fitness = max(parents)[0] + (rng.uniform(0, 0.35) if rng.random() < 0.3 else -rng.expovariate(1.2)) * left
            scored.append((fitness, play(archive, index, Score(fitness, noise or None, 3), *ids)))
        if noise:
            call(archive, f"{NAME}-{index:04d}", "researcher", 0.01 if index % 3 else None, 9000)
            call(archive, f"{NAME}-{index:04d}", "analyzer", 0.002, 3000)


def hopeless(archive: Archive) -> None:
    """Everything fails, the baseline too."""
    play(archive, 0, Failure(FailureKind.CRASH, "the seed crashes"))
    for index in range(1, 9):
        play(archive, index, Failure(FailureKind.CRASH if index % 2 else FailureKind.CHEATING, "it went wrong"))


def beyond(archive: Archive) -> None:
    """One candidate is better than anybody's."""
    first = play(archive, 0, 2.6)
    second = play(archive, 1, 2.635, first)
    play(archive, 2, 2.7, second, first)


def nothing(archive: Archive) -> None:
    """No round at all."""


def baseline_only(archive: Archive) -> None:
    play(archive, 0, 2.1)


def hostile(archive: Archive) -> None:
    """A model that writes against whoever reads it."""
    first = play(archive, 0, 1.0)
    item(archive, "i-1", HOSTILE)
    sources = Provenance("openai", model=HOSTILE, sources=("i-1",), built_on=(first,))
    best = play(
        archive, 1, 2.0, first, code=f"x = '''{HOSTILE}'''\n", motivation=HOSTILE, analysis=HOSTILE, provenance=sources
    )
    retrieved(archive, best, "i-1")
    play(archive, 2, Failure(FailureKind.UNUSABLE, HOSTILE), first)
    machine_fault(archive, 3, HOSTILE)


SCENES: dict[str, tuple[Callable[[Archive], None], Goal]] = {
    "busy": (busy, Goal("sum_radii", 2.6359830849)),
    "long": (lambda archive: busy(archive, 600), Goal("sum_radii", 2.6359830849)),
    "noisy": (lambda archive: busy(archive, 40, 0.02), Goal("accuracy")),
    "hopeless": (hopeless, Goal("sum_radii", 2.6359830849)),
    "beyond": (beyond, Goal("sum_radii", 2.6359830849)),
    "nothing": (nothing, Goal("score")),
    "baseline": (baseline_only, Goal("sum_radii", 2.6359830849)),
    "hostile": (hostile, Goal(HOSTILE)),
}


def main(folder: Path) -> None:
    from flows.report import figures

    for name, (play_scene, goal) in SCENES.items():
        with tempfile.TemporaryDirectory() as place, archive_in(Path(place)) as archive:
            play_scene(archive)
            for figure, content in figures.draw(report_of(archive, goal)):
                (folder / f"{name}-{figure}.png").write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
