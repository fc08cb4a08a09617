"""A campaign goes on under the measure that it began with, or not at all; what is told may change, and is noted."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cognition.archive import Archive
from flows import engines, measure, problem_source, registry, run_cli, scaffold, steps
from flows.alerts import AlertsSettings
from flows.comparison import gather as comparing
from flows.config import ConfigError, Settings
from flows.home import open_home
from flows.replaying.export import export
from flows.report.gather import Occasion, gather
from flows.report.records import Goal
from flows.study import record, running, same_files
from flows.study.cells import cells
from flows.study.ledger import Ran
from flows.study.results import results_of
from flows.study.settings import validate
from flows.study.table import markdown
from tasks.engine import STEPS, Round
from tests.cognition.play import NAME, played
from tests.flows.study.examples import values


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """A problem as `nightshift new` makes it."""
    folder = tmp_path / "mine"
    scaffold.new(folder)
    return folder


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """The archive of a state folder of its own."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    with Archive.open(open_home().archive_url) as opened:
        yield opened


def _settings(problem: Path, name: str = NAME, **more: Any) -> Settings:
    plain = {"name": name, "problem": registry.resolved(str(problem)), "tracking": {"enabled": False}}
    return Settings.model_validate(plain | more)


def _begun(archive: Archive, settings: Settings, *, rounds: int = 2) -> Any:
    """A campaign that noted its files and recorded some rounds; returns its domain."""
    domain = registry.load(settings.problem, settings.options)
    stored = settings.model_dump(mode="json")
    archive.create_campaign(settings.name, settings.problem, settings.seed, stored, domain.contract_version)
    archive.note_source(settings.name, problem_source.source_of(settings.problem, domain))
    measure.note(archive, settings, domain)
    for index in range(rounds):
        played(archive, index, float(index))
    return domain


def _edited(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "reads"),
    [
        ("test_cases.py", "from test_cases import CASES"),
        ("cases.toml", "CASES = HERE / 'cases.toml'"),
        (".answers.json", "CASES = 'data/.answers.json'"),
        ("cases.md", "CASES = open('cases.md')"),
    ],
)
def test_what_looks_like_a_note_is_measure_once_the_judge_names_it(problem: Path, file: str, reads: str) -> None:
    def parts() -> dict[str, str]:
        return problem_source.parts_of(str(problem), domain).measure

    domain = registry.load(registry.resolved(str(problem)), {})
    (problem / file).write_text("[problem]\nx = 1\n")
    assert file not in parts()
    _edited(problem / "problem.py", "class ", f"def unused():\n    {reads}\n\n\nclass ")
    before = parts()
    _edited(problem / file, "x = 1", "x = 2")
    assert measure.differing(before, parts()) == f"{file} changed"


def _parts(problem: Path) -> problem_source.Files:
    return problem_source.parts_of(str(problem), registry.load(registry.resolved(str(problem)), {}))


@pytest.mark.parametrize(
    ("reader", "changed"),
    [
        ("x = 1", ""),
        ("x = other.__doc__", "about.py changed"),
        ("from inspect import getdoc", "about.py changed"),
        ("x = inspect.getsource(other)", "about.py changed"),
        ("x = (HERE / 'about.py').read_text()", "about.py changed"),
    ],
)
def test_docstrings_are_measure_once_something_reads_them(problem: Path, reader: str, changed: str) -> None:
    (problem / "about.py").write_text('"""One."""\nx = 1\n')
    (problem / "reader.py").write_text(f"{reader}\n")
    before = _parts(problem).measure
    _edited(problem / "about.py", "One.", "Two.")
    assert measure.differing(before, _parts(problem).measure) == changed


@pytest.mark.parametrize(
    ("reader", "changed"),
    [("x = 1", ""), ("from getpass import getsource", "about.py changed"), ("open('about.py')", "about.py changed")],
)
def test_comments_are_measure_once_something_reads_them(problem: Path, reader: str, changed: str) -> None:
    (problem / "about.py").write_text("x = 1  # one\n")
    (problem / "reader.py").write_text(f"{reader}\n")
    before = _parts(problem).measure
    _edited(problem / "about.py", "# one", "# two")
    assert measure.differing(before, _parts(problem).measure) == changed


def test_a_file_that_reads_its_own_docstring_keeps_it(problem: Path) -> None:
    (problem / "about.py").write_text('"""One."""\nCASES = __doc__\n')
    (problem / "other.py").write_text('"""One."""\n')
    before = _parts(problem).measure
    for name in ("about.py", "other.py"):
        _edited(problem / name, "One.", "Two.")
    assert measure.differing(before, _parts(problem).measure) == "about.py changed"


@pytest.mark.parametrize("file", ["blocks/table.csv", "cognition/answers.json", "cognition/deeper/more.jsonl"])
def test_data_among_what_is_told_is_measure(problem: Path, file: str) -> None:
    (problem / file).parent.mkdir(parents=True, exist_ok=True)
    before = _parts(problem)
    (problem / file).write_text("1")
    for told in ("blocks/another.py", "cognition/more.jsonl", "cognition/notes.md"):
        (problem / told).parent.mkdir(exist_ok=True)
        (problem / told).write_text("")
    now = _parts(problem)
    assert measure.differing(before.measure, now.measure) == f"{file} is new"
    assert {"blocks/another.py", "cognition/more.jsonl"} <= now.told.keys() - before.told.keys()


@pytest.mark.parametrize("reads", ["from mine.blocks import start", "import blocks.start", "open('blocks/start.py')"])
def test_a_block_that_the_judge_reads_is_measure(problem: Path, reads: str) -> None:
    (problem / "blocks").mkdir(exist_ok=True)
    (problem / "blocks" / "start.py").write_text("x = 1\n")
    assert "blocks/start.py" in _parts(problem).told
    (problem / "reader.py").write_text(f"{reads}\n")
    assert "blocks/start.py" in _parts(problem).measure


def test_a_folder_that_is_linked_to_is_measure_and_a_circle_ends(problem: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "cases.csv").write_text("1")
    (problem / "data").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(problem)
    before = _parts(problem).measure
    assert "data/cases.csv" in before
    assert not any("back" in name for name in before)
    (tmp_path / "elsewhere" / "cases.csv").write_text("2")
    assert measure.differing(before, _parts(problem).measure) == "data/cases.csv changed"


def test_a_module_s_helpers_and_data_beside_it_are_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "of_a_module.py").write_text(
        "from problems.circle_packing.domain import CirclePacking\nfrom helper_of_it import judge\n\n\n"
        "class Mine(CirclePacking):\n    pass\n"
    )
    (tmp_path / "helper_of_it.py").write_text("judge = open('tables_of_it/cases.csv') if False else None\n")
    (tmp_path / "tables_of_it").mkdir()
    for name in ("tables_of_it/cases.csv", "tables_of_it/other.csv", "unrelated.py", "README.md"):
        (tmp_path / name).write_text("")
    name = "of_a_module:Mine"
    files = problem_source.parts_of(name, registry.load(name, {})).measure.keys()
    assert files == {problem_source.SEED, "of_a_module.py", "helper_of_it.py", "tables_of_it/cases.csv"}


def _refusal(archive: Archive, settings: Settings, domain: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        measure.refuse_changed(archive, settings, domain)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_another_judge_or_other_data_is_refused_by_name_with_the_ways_out(problem: Path, archive: Archive) -> None:
    (problem / "data").mkdir()
    (problem / "data" / "answers.csv").write_text("1,2\n")
    settings = _settings(problem)
    domain = _begun(archive, settings)
    measure.refuse_changed(archive, settings, domain)
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    (problem / "data" / "answers.csv").write_text("1,3\n")
    (problem / "inside").mkdir()
    (problem / "inside" / "adapter.py").write_text("x = 1\n")
    said = _refusal(archive, settings, domain)
    assert "data/answers.csv changed, inside/adapter.py is new, problem.py changed" in said
    assert "--name" in said
    assert "--measure-changed" in said


def test_another_seed_program_is_another_measure(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    _begun(archive, settings)
    _edited(problem / "seed.py", "def solve", "ANOTHER = 1\n\n\ndef solve")
    again = registry.load(settings.problem, settings.options)
    assert "the seed program changed" in _refusal(archive, settings, again)


def test_words_in_the_code_notes_tests_and_what_is_told_may_change(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    domain = _begun(archive, settings)
    _edited(problem / "problem.py", "Ten points in the unit square", "Some points")
    _edited(problem / "problem.py", "  # refuses NaN too", "")
    (problem / "README.md").write_text("notes")
    (problem / "test_more.py").write_text("def test() -> None: ...")
    (problem / ".problem.py.swp").write_bytes(b"x")
    (problem / "night.toml").write_text(f'problem = "{problem}"\nrounds = 9\n')
    _edited(problem / "brief.md", "# Goal", "# Goal\n\nBe quick.")
    measure.refuse_changed(archive, settings, domain)
    measure.note(archive, settings, domain)
    known = measure.known_of(archive, NAME)
    assert known is not None
    assert known.told_otherwise == ("what proposers are told changed after 1 rounds: brief.md changed",)
    measure.note(archive, settings, domain)
    assert measure.known_of(archive, NAME) == known
    assert ("told_otherwise", False) in _notices(archive)


def _notices(archive: Archive) -> set[tuple[str, bool]]:
    goal = Goal("min_distance", None)
    report = gather(archive, NAME, goal, AlertsSettings(), Occasion("2026-03-01T06:30:00.000+00:00"))
    return {(notice.kind, notice.urgent) for notice in report.notices}


def test_an_accepted_change_goes_on_and_the_report_says_so(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    domain = _begun(archive, settings)
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    measure.accept(archive, settings, domain)
    measure.refuse_changed(archive, settings, domain)
    known = measure.known_of(archive, NAME)
    assert known is not None
    assert "after 1 rounds (problem.py changed)" in known.accepted[0]
    assert ("measure_changed", True) in _notices(archive)
    with pytest.raises(ConfigError, match="a replay has one measure"):
        export(archive, NAME)


def test_a_comparison_says_so_too(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    domain = _begun(archive, settings)
    before = played(archive, 2, 2.0)
    assert comparing.gather(archive, before, before).warnings == ()
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    measure.accept(archive, settings, domain)
    (said,) = comparing.gather(archive, before, played(archive, 3, 3.0)).warnings
    assert "(problem.py changed), and that was accepted" in said


def test_campaigns_of_one_problem_and_two_measures_are_not_compared_in_silence(problem: Path, archive: Archive) -> None:
    one = _settings(problem)
    _begun(archive, one)
    other = _settings(problem, "other")
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    domain = registry.load(other.problem, other.options)
    archive.create_campaign(other.name, other.problem, 0, other.model_dump(mode="json"), domain.contract_version)
    measure.note(archive, other, domain)
    ours = archive.candidate(played(archive, 2, 2.0))
    (said,) = comparing.changes_of_measure(archive, ours, dataclasses.replace(ours, campaign="other"))
    assert said == "measured by different files of the problem (problem.py changed): the scores do not compare"


def test_step_results_of_another_measure_are_not_taken_up(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    domain = _begun(archive, settings, rounds=0)
    engine: Any = SimpleNamespace(archive=archive, domain=domain)
    round = Round(NAME, 1, 1, "c", None, (), 0, "none", None, dict.fromkeys(STEPS, 1))
    keys = {step: [steps.key_of(step, engine, settings, round)] for step in ("propose", "check", "train", "benchmark")}
    for _ in range(2):  # mended before anything is recorded, then accepted
        measure.accept(archive, settings, domain)
        measure.note(archive, settings, domain)
        for step, before in keys.items():
            before.append(steps.key_of(step, engine, settings, round))
        _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
        measure.accept(archive, settings, domain)
        measure.note(archive, settings, domain)
        for step, before in keys.items():
            before.append(steps.key_of(step, engine, settings, round))
        if not archive.recorded_rounds(NAME):
            played(archive, 0, 1.0)
    for step, found in keys.items():
        if step == "propose":
            assert len(set(found)) == 1
        else:
            assert found == [found[0], found[0], found[2], found[2], found[4]]
            assert len(set(found)) == 3


def test_before_anything_is_recorded_the_problem_may_be_mended(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    domain = _begun(archive, settings, rounds=0)
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    measure.refuse_changed(archive, settings, domain)
    measure.note(archive, settings, domain)
    source = problem_source.source_of(settings.problem, domain)
    assert archive.note_source(NAME, source) == source
    played(archive, 0, 1.0)
    measure.refuse_changed(archive, settings, domain)


def test_campaigns_of_older_versions_are_compared_by_their_one_hash(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    domain = registry.load(settings.problem, settings.options)
    archive.create_campaign(NAME, settings.problem, 0, settings.model_dump(mode="json"), domain.contract_version)
    archive.note_source(NAME, problem_source.source_of(settings.problem, domain))
    played(archive, 0, 1.0)
    measure.refuse_changed(archive, settings, domain)
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    assert "which ones was not noted" in _refusal(archive, settings, domain)


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_a_shipped_problem_has_its_judge_and_sandboxed_code_in_its_measure(name: str) -> None:
    parts = problem_source.parts_of(name, registry.load(name, {}))
    assert problem_source.SEED in parts.measure
    assert any(file.endswith(("domain.py", "problem.py")) for file in parts.measure)
    assert any("inside/" in file or "referee.py" in file for file in parts.measure)
    assert any("/cognition" in file for file in parts.told)
    assert not any("exporting" in file for file in parts.measure)


def test_a_shared_referee_belongs_to_the_shipped_problems_that_use_it() -> None:
    parts = problem_source.parts_of("autocorrelation", registry.load("autocorrelation", {}))
    assert "exact/convolution.py" in parts.measure


def test_whatever_opens_the_campaign_refuses(problem: Path, archive: Archive) -> None:
    settings = _settings(problem)
    _begun(archive, settings)
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    with pytest.raises(ConfigError, match=r"problem\.py changed"):
        engines.engine_for(settings)  # what resume, promote, rerun and Retry in the UI begin with
    with pytest.raises(ConfigError, match=r"problem\.py changed"):
        run_cli._run(settings, ephemeral=True, as_json=True, measure_changed=False)


def test_what_the_audit_belongs_to_is_what_a_campaign_is_refused_by(problem: Path, archive: Archive) -> None:
    from flows.auditing import first_run

    settings = _settings(problem)
    domain = _begun(archive, settings)
    engine: Any = type("Engine", (), {"domain": domain})
    before = first_run._key(engine, settings)
    _edited(problem / "brief.md", "# Goal", "# Goal\n\nBe quick.")
    assert first_run._key(engine, settings) == before
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    assert first_run._key(engine, settings) != before


def test_two_folders_of_one_name_are_told_to_share_what_they_know(
    problem: Path, archive: Archive, tmp_path: Path
) -> None:
    domain = _begun(archive, _settings(problem))
    shutil.copytree(problem, tmp_path / "copy")
    other = _settings(tmp_path / "copy", "copied")
    assert measure.shared_with(archive, other, domain) == f"{NAME} ({problem})"
    assert measure.shared_with(archive, _settings(problem, "another"), domain) == ""
    apart = _settings(tmp_path / "copy", "copied", retrieve={"cognition": "own"})
    assert measure.shared_with(archive, apart, domain) == ""


def _cell_begun(archive: Archive, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cognition.play.NAME", settings.name)
    _begun(archive, settings)


def test_a_study_is_not_finished_under_another_measure(
    problem: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = {"problem": str(problem), "propose": {"kind": "recombine"}, "tracking": {"enabled": False}}
    study = validate(values(campaign=campaign), "mine.toml")
    ordered = cells(study)
    _cell_begun(archive, ordered[0].settings, monkeypatch)
    same_files.refuse_changed(archive, study.name, ordered)
    _edited(problem / "brief.md", "# Goal", "# Goal\n\nBe quick.")
    _cell_begun(archive, ordered[1].settings, monkeypatch)
    said = same_files.remarks(archive, ordered)
    assert len(said) == 1
    assert "brief.md changed" in said[0]
    assert said[0] in markdown(results_of(study, Ran((), {}, said)))
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    with pytest.raises(ConfigError, match=r"its cell toys-[ab]00 was measured by other files .*problem\.py changed"):
        same_files.refuse_changed(archive, study.name, ordered)


async def test_a_study_that_goes_on_asks_for_its_files_first(
    problem: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = {"problem": str(problem), "propose": {"kind": "recombine"}, "tracking": {"enabled": False}}
    study = validate(values(campaign=campaign), "mine.toml")
    record.begin(open_home(), archive, study)
    _cell_begun(archive, cells(study)[0].settings, monkeypatch)
    _edited(problem / "problem.py", "return {", "return {'extra': 1.0, ")
    with pytest.raises(ConfigError, match="cells of two measures cannot be compared"):
        await running.run(open_home(), study)
