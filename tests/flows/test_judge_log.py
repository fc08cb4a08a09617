"""A judge that stumbles in a campaign: models read one line of it, people the whole."""

from __future__ import annotations

from pathlib import Path

from cognition.archive import Archive
from cognition.records import Failure, FailureKind
from flows import progress, registry, runtime, scaffold
from flows.config import Settings
from flows.home import open_home
from tasks.codec import decode, encode
from tasks.publication import Publication


def test_the_traceback_is_with_the_logs_and_in_no_record(home: Path, tmp_path: Path) -> None:
    problem, stumble = tmp_path / "mine", tmp_path / "stumble"
    scaffold.new(problem)
    text = (problem / "problem.py").read_text()
    trap = f"        open({str(stumble)!r}).close()  # there as long as the judge is well\n"
    place = text.index("        points = ")
    (problem / "problem.py").write_text(text[:place] + trap + text[place:])
    stumble.touch()
    plain = {"name": "mine", "problem": registry.resolved(str(problem)), "propose": {"kind": "random"}, "rounds": 0}
    settings = Settings.model_validate(plain | {"workers": 1, "tracking": {"enabled": False}})
    for rounds in (0, 1):
        progress.stop_requested.clear()
        ended = runtime.run_campaign(settings.model_copy(update={"rounds": rounds}), lambda: None)
        assert ended.ending == "finished", ended.sentence
        stumble.unlink(missing_ok=True)
    with Archive.open(open_home().archive_url) as archive:
        candidate = archive.candidate("mine-0001")
        published = archive.publications("mine", "benchmark")
    outcome = candidate.outcome
    assert isinstance(outcome, Failure)
    assert outcome == Failure(
        FailureKind.INVALID,
        "the judge cannot read the answer: FileNotFoundError: [Errno 2] No such file or directory: 'stumble'",
    )
    assert str(tmp_path) not in str(encode(candidate))
    (said,) = filter(None, (decode(each.payload, Publication).texts.get("judge.log") for each in published))
    assert str(stumble) in said
    assert "in judge" in said
    (kept,) = open_home().root.rglob("judge.log")
    assert kept.read_text() == said
