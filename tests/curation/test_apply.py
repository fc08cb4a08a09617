"""`curate apply`: nothing is dropped in silence, shards are resumed, outputs are never mixed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from cognition.records import Cost, Failure, FailureKind, MachineFault
from curation.cleaning import Allowance
from curation.scale import executors
from curation.scale.apply import ApplyError, Plan, apply, inputs, scripts
from curation.scale.executors import ExecutorSettings
from curation.scale.ledger import Counts, ShardStopped
from curation.strategy import read_steps
from tasks.sandbox import Pool
from tasks.sandbox.handle import Finished, Job, Sandbox

STRIP = 'def clean(text, metadata):\n    return text.replace("<b>", "") or None\n'
PICKY = (
    "def clean(text, metadata):\n"
    "    if text == 'raise': raise ValueError('no')\n"
    "    while text == 'loop':\n"
    "        try:\n"
    "            while True: pass\n"
    "        except BaseException: pass\n"
    "    return None if text == 'drop' else text\n"
)


class Fake:
    """A sandbox that runs nothing: it takes tags out, and fails a batch that holds the text `crash`."""

    tier = "fake"

    def __init__(self) -> None:
        self.jobs = 0

    def run(self, job: Job) -> Finished | Failure:
        self.jobs += 1
        texts = [text for text, _ in job.request["documents"]]
        if "crash" in texts:
            return Failure(FailureKind.MEMORY, "too much")
        return Finished([None if text == "drop" else text.replace("<b>", "") for text in texts], cost=Cost(0.1))


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def opener(fake: Fake) -> Any:
    @contextmanager
    def open_fake() -> Iterator[Sandbox]:
        yield fake

    return open_fake


def plan_of(tmp_path: Path, **changes: Any) -> Plan:
    return replace(Plan(STRIP, (), tmp_path / "in", tmp_path / "out", audit_every=0), **changes)


def write(folder: Path, name: str, *lines: bytes | dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    content = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def faults(plan: Plan) -> list[tuple[str, str]]:
    lines = [line for path in sorted((plan.books / "faults").glob("*")) for line in path.read_text().splitlines()]
    return [(each["document"], each["kind"]) for each in map(json.loads, lines)]


def texts(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line)["text"] for line in content.splitlines()]


def test_columns_survive_and_texts_are_cleaned(tmp_path: Path, opener: Any) -> None:
    write(tmp_path / "in", "a.jsonl", {"id": "x", "text": "<b>one", "url": "u", "metadata": {"k": 1}}, {"text": "drop"})
    done = apply(plan_of(tmp_path), opener)
    rows = [json.loads(line) for line in (tmp_path / "out" / "00000.jsonl").read_text().splitlines()]
    assert rows == [{"id": "x", "text": "one", "url": "u", "metadata": {"k": 1}}]
    assert done.counts == Counts(2, 1, 0, 1, {}, 0, 10, 3, 0.1)


def test_every_bad_document_is_named_and_the_rest_goes_on(tmp_path: Path, opener: Any) -> None:
    write(
        tmp_path / "in", "a.jsonl.gz", {"text": "first"}, b'{"text":"\xff\xfe"}', b"not json", {"text": ""},
        {"body": "x"}, {"text": None}, {"text": "y" * 5000}, {"text": "last"},
    )  # fmt: skip
    plan = plan_of(tmp_path, longest_mb=0.002)
    done = apply(plan, opener)
    assert texts(tmp_path / "out" / "00000.jsonl.gz") == ["first", "last"]
    kinds = ["broken_utf8", "not_json", "empty", "missing_column", "no_text", "too_large"]
    assert faults(plan) == [(f"a.jsonl.gz/{number}", kind) for number, kind in enumerate(kinds, start=1)]
    assert (done.counts.read, done.counts.kept, sum(done.counts.faults.values())) == (8, 2, 6)


def test_files_that_end_early_lack_the_column_or_are_something_else(tmp_path: Path, opener: Any) -> None:
    folder = tmp_path / "in"
    write(folder, "a.jsonl.gz", *[{"text": f"text {number} " + "x" * 50} for number in range(2000)])
    torn = (folder / "a.jsonl.gz").read_bytes()
    (folder / "a.jsonl.gz").write_bytes(torn[: len(torn) // 2])
    pq.write_table(pa.table({"text": ["good", "also good"]}), folder / "b.parquet")
    whole = (folder / "b.parquet").read_bytes()
    (folder / "c.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(pa.table({"body": ["x"]}), folder / "d.parquet")
    plan = plan_of(tmp_path)
    done = apply(plan, opener)
    assert faults(plan) == [
        ("a.jsonl.gz", "unreadable_file"),
        ("c.parquet", "unreadable_file"),
        ("d.parquet", "missing_column"),
    ]
    assert done.counts.unreadable_files == 3
    assert len(texts(tmp_path / "out" / "00000.jsonl.gz")) > 100  # what came before the end is there
    assert texts(tmp_path / "out" / "00001.jsonl.gz") == ["good", "also good"]


def test_one_broken_text_of_a_parquet_file_does_not_take_its_neighbours(tmp_path: Path, opener: Any) -> None:
    broken = pa.array([b"one", b"\xff\xfe", b"three"], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, broken.buffers())
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"text": column, "n": [1, 2, 3]}), tmp_path / "in" / "a.parquet")
    plan = plan_of(tmp_path)
    apply(plan, opener)
    table = pq.read_table(tmp_path / "out" / "00000.parquet").to_pylist()
    assert [(row["text"], json.loads(row["metadata"])) for row in table] == [("one", {"n": 1}), ("three", {"n": 3})]
    assert faults(plan) == [("a.parquet/1", "broken_utf8")]


def test_a_document_that_ends_its_batch_is_found(tmp_path: Path, opener: Any, fake: Fake) -> None:
    write(tmp_path / "in", "a.jsonl", *[{"id": str(n), "text": "crash" if n == 5 else f"t{n}"} for n in range(8)])
    plan = plan_of(tmp_path)
    apply(plan, opener)
    assert texts(tmp_path / "out" / "00000.jsonl") == [f"t{n}" for n in range(8) if n != 5]
    assert faults(plan) == [("5", "memory")]
    assert fake.jobs == 7  # 8, 4, 4, 2, 2, 1, 1


def test_a_shard_stops_at_its_first_fault_if_told_to_and_has_no_marker(tmp_path: Path, opener: Any) -> None:
    write(tmp_path / "in", "a.jsonl", {"text": "first"}, b"not json")
    plan = plan_of(tmp_path, stop_at_fault=True)
    with pytest.raises(ShardStopped, match=r"a.jsonl/1: not_json"):
        apply(plan, opener)
    assert list((plan.books / "completions").glob("*")) == []


def test_what_is_done_is_not_done_again_and_totals_cover_all(tmp_path: Path, opener: Any, fake: Fake) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path / "in", name, {"text": f"text of {name}"})
    plan = plan_of(tmp_path)
    first = apply(plan, opener)
    (plan.books / "completions" / "00001").unlink()  # as if the second shard had been interrupted
    jobs = fake.jobs
    second = apply(plan, opener)
    assert (fake.jobs - jobs, second.done_before, second.counts) == (1, 1, first.counts)


@pytest.mark.parametrize("change", [{"code": STRIP + "#"}, {"longest_mb": 1.0}, {"form": "parquet"}])
def test_another_strategy_or_setting_is_refused_on_the_same_output(
    tmp_path: Path, opener: Any, change: dict[str, Any]
) -> None:
    write(tmp_path / "in", "a.jsonl", {"text": "x"})
    apply(plan_of(tmp_path), opener)
    with pytest.raises(ApplyError, match="another strategy or other settings"):
        apply(plan_of(tmp_path, **change), opener)


def test_changed_inputs_foreign_outputs_and_nothing_to_read_are_refused(tmp_path: Path, opener: Any) -> None:
    with pytest.raises(ApplyError, match="expected a folder"):
        inputs(tmp_path / "nowhere")
    write(tmp_path / "in", "notes.txt", b"x")
    with pytest.raises(ApplyError, match="no file that ends in"):
        inputs(tmp_path / "in")
    write(tmp_path / "in", "a.jsonl", {"text": "x"})
    write(tmp_path / "full", "mine.txt", b"x")
    with pytest.raises(ApplyError, match="is not empty"):
        apply(plan_of(tmp_path, target=tmp_path / "full"), opener)
    apply(plan_of(tmp_path), opener)
    write(tmp_path / "in", "b.jsonl", {"text": "x"})
    with pytest.raises(ApplyError, match="have changed"):
        apply(plan_of(tmp_path), opener)


def test_stock_steps_run_before_the_strategy(tmp_path: Path, opener: Any) -> None:
    write(tmp_path / "in", "a.jsonl", {"text": "short"}, {"text": "Mail a.b@mail-host.net today."})
    steps = read_steps([["PIIFormatter", {}]])
    apply(plan_of(tmp_path, steps=steps), opener)
    assert texts(tmp_path / "out" / "00000.jsonl") == ["short", "Mail email@example.com today."]


def test_executors_are_datatroves_and_say_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = executors.build(ExecutorSettings(workers=2), [], 3, tmp_path)
    assert (type(local).__name__, local.workers, local.world_size) == ("LocalPipelineExecutor", 2, 3)
    with pytest.raises(MachineFault, match="partition"):
        executors.build(ExecutorSettings(kind="slurm"), [], 3, tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    slurm = executors.build(ExecutorSettings(kind="slurm", slurm_partition="cpu", workers=8), [], 3, tmp_path)
    assert (type(slurm).__name__, slurm.partition, slurm.workers) == ("SlurmPipelineExecutor", "cpu", 8)
    with pytest.raises(MachineFault, match="Ray is not installed"):
        executors.build(ExecutorSettings(kind="ray"), [], 3, tmp_path)


def test_in_the_real_sandbox_a_loop_a_crash_and_a_drop_are_told_apart(tmp_path: Path, warm_sandbox: Pool) -> None:
    @contextmanager
    def opener() -> Iterator[Sandbox]:
        yield warm_sandbox

    write(
        tmp_path / "in", "a.jsonl", *[{"id": text, "text": text} for text in ("good", "raise", "drop", "loop", "fine")]
    )
    plan = plan_of(tmp_path, code=PICKY, allowance=Allowance(0.2, 0.5, 512))
    done = apply(plan, opener)
    assert texts(tmp_path / "out" / "00000.jsonl") == ["good", "fine"]
    assert sorted(faults(plan)) == [("loop", "cpu_time"), ("raise", "crash")]
    assert done.counts.dropped_by_strategy == 1


def test_an_output_inside_the_input_is_refused(tmp_path: Path, opener: Any) -> None:
    """The next run would find its own output, and call the input changed."""
    write(tmp_path / "in", "a.jsonl", {"text": "x"})
    with pytest.raises(ApplyError, match="would be read as input"):
        apply(plan_of(tmp_path, target=tmp_path / "in" / "clean"), opener)
    assert not (tmp_path / "in" / "clean").exists()


def test_a_column_that_python_cannot_hold_is_a_fault_of_its_file(tmp_path: Path, opener: Any) -> None:
    (tmp_path / "in").mkdir()
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"text": ["fine"], "title": broken}), tmp_path / "in" / "a.parquet")
    done = apply(plan_of(tmp_path), opener)
    assert (done.counts.unreadable_files, done.counts.kept) == (1, 0)


def test_inputs_with_other_contents_under_the_same_names_are_refused(tmp_path: Path, opener: Any) -> None:
    write(tmp_path / "in", "a.jsonl", {"text": "one"})
    write(tmp_path / "in", "b.jsonl", {"text": "two"})
    apply(plan_of(tmp_path), opener)
    assert apply(plan_of(tmp_path), opener).done_before == 2
    before = (tmp_path / "in" / "b.jsonl").stat()
    (tmp_path / "in" / "b.jsonl").write_text('{"text": "2wo"}\n')  # the same size
    os.utime(tmp_path / "in" / "b.jsonl", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ApplyError, match=r"1 with other contents or times, such as b\.jsonl"):
        apply(plan_of(tmp_path), opener)


def test_columns_that_json_cannot_hold_are_written_as_base64_or_text(tmp_path: Path, opener: Any) -> None:
    (tmp_path / "in").mkdir()
    columns = {"text": ["one"], "raw": [b"\x00\xff"], "price": [Decimal("1.50")], "took": [timedelta(seconds=3)]}
    pq.write_table(pa.table(columns), tmp_path / "in" / "a.parquet")
    expected = {"raw": "AP8=", "price": "1.50", "took": "0:00:03"}
    for form in ("jsonl", "parquet"):
        done = apply(plan_of(tmp_path, form=form, target=tmp_path / form), opener)
        assert done.counts.kept == 1
    row = json.loads((tmp_path / "jsonl" / "00000.jsonl").read_text())
    assert {key: row[key] for key in expected} == expected
    [other] = pq.read_table(tmp_path / "parquet" / "00000.parquet").to_pylist()
    assert json.loads(other["metadata"]) == expected


class Odd:
    """A sandbox whose strategy does what cleaning does not, by the document's first word."""

    tier = "fake"

    def __init__(self) -> None:
        self.calls = 0

    def run(self, job: Job) -> Finished | Failure:
        self.calls += 1
        return Finished([self._clean(text) for text, _ in job.request["documents"]], cost=Cost(0.1))

    def _clean(self, text: str) -> str:
        kind = text.split()[0]
        if kind == "grow":
            return text * 3 + "x" * 300
        if kind == "reorder":
            return " ".join(reversed(text.split()))
        if kind == "invent":
            return "Zebras graze quietly beneath enormous baobab trees while elephants wander across dusty plains."
        return text + f" {self.calls}" if kind == "state" else text


PROSE = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo"
)


@pytest.fixture
def odd() -> Any:
    sandbox = Odd()

    @contextmanager
    def open_odd() -> Iterator[Sandbox]:
        yield sandbox

    return open_odd


def test_a_strategy_that_reorders_invents_grows_or_keeps_state_is_named(tmp_path: Path, odd: Any) -> None:
    kinds = ("good", "reorder", "invent", "grow", "state")
    write(tmp_path / "in", "a.jsonl", *[{"id": kind, "text": f"{kind} {PROSE}"} for kind in kinds])
    plan = plan_of(tmp_path, audit_every=1)
    done = apply(plan, odd)
    assert sorted(faults(plan)) == [
        ("grow", "grows documents"),
        ("invent", "invents text"),
        ("reorder", "reorders text"),
        ("state", "keeps state"),
    ]
    assert (done.counts.kept, done.counts.faults) == (4, {"grows documents": 1})  # what the audit finds is written
    assert done.counts.findings == {"invents text": 1, "reorders text": 1, "keeps state": 1}
    assert done.counts.audited == 4
    with pytest.raises(ShardStopped, match=r"reorders text|invents text|keeps state"):
        apply(plan_of(tmp_path, audit_every=1, stop_at_fault=True, target=tmp_path / "other"), odd)


def test_a_strategy_that_merges_documents_is_named(tmp_path: Path) -> None:
    class Merging:
        tier = "fake"

        def run(self, job: Job) -> Finished | Failure:
            texts = [text for text, _ in job.request["documents"]]
            return Finished(["".join(texts)] if len(texts) < 3 else texts[:-1], cost=Cost(0.1))

    @contextmanager
    def opener() -> Iterator[Sandbox]:
        yield Merging()

    write(tmp_path / "in", "a.jsonl", *[{"id": str(n), "text": f"text {n}"} for n in range(4)])
    plan = plan_of(tmp_path)
    done = apply(plan, opener)
    assert (done.counts.kept, texts(tmp_path / "out" / "00000.jsonl")) == (4, [f"text {n}" for n in range(4)])


@pytest.mark.slow
def test_a_document_of_50_mb_is_a_fault_or_is_cleaned_as_configured(tmp_path: Path, opener: Any) -> None:
    large = "many words and nothing else. " * (50 * 2**20 // 29)
    write(
        tmp_path / "in", "a.jsonl", {"id": "small", "text": "first"}, {"id": "large", "text": large}, {"text": "last"}
    )
    plan = plan_of(tmp_path)
    apply(plan, opener)
    assert (texts(tmp_path / "out" / "00000.jsonl"), faults(plan)) == (["first", "last"], [("a.jsonl/1", "too_large")])
    wide = plan_of(tmp_path, longest_mb=64.0, target=tmp_path / "wide")
    assert apply(wide, opener).counts.kept == 3
    assert [len(text) for text in texts(tmp_path / "wide" / "00000.jsonl")] == [5, len(large), 4]


def test_slurm_is_shown_what_it_would_get(tmp_path: Path) -> None:
    write(tmp_path / "in", "a.jsonl", {"text": "x"})
    write(tmp_path / "in", "b.jsonl", {"text": "y"})
    settings = ExecutorSettings(
        kind="slurm", slurm_partition="cpu", workers=8, slurm_environment="source venv/activate"
    )
    plan = plan_of(tmp_path, executor=settings, dedup=True)
    found = scripts(plan, open_nothing)
    names = ["nightshift-curate", *(f"nightshift-{name}" for name in ("signatures", "pairs", "clusters", "filter"))]
    assert [line for script in found for line in script.splitlines() if "job-name" in line] == [
        f"#SBATCH --job-name={name}" for name in names
    ]
    arrays = [line for script in found for line in script.splitlines() if "--array" in line]
    assert arrays == [f"#SBATCH --array=0-{last}%8" for last in (1, 1, 13, 0, 1)]
    for script in found:
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
        assert "#SBATCH --partition=cpu" in script
        assert "source venv/activate" in script
    assert f"launch_pickled_pipeline {plan.books}/executor.pik" in found[0]
    assert not (tmp_path / "out").exists()


def open_nothing() -> Any:
    """An opener that can travel; nothing is opened."""
    raise AssertionError("a dry run opens no sandbox")


def test_settings_of_slurm_are_checked() -> None:
    with pytest.raises(ValidationError, match="slurm_time"):
        ExecutorSettings(kind="slurm", slurm_time="noon")
