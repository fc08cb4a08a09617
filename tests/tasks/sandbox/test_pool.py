"""The pool: what an honest job gets, parallel jobs, zygotes that die, choosing a tier, and faults of the machine."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.records import Failure, FailureKind, MachineFault
from tasks.sandbox import Finished, Job, Limits, Pool, SandboxUnavailable, cgroup, describe_tiers, open_sandbox, tiers
from tasks.sandbox.inside import proctree
from tests.tasks.sandbox.jail import ADAPTER, FAST, PROCESS_NAME, TIERS, Run

ONE_TIER = TIERS[:1]


def test_this_machine_has_a_tier() -> None:
    assert TIERS, describe_tiers()


def test_answer_output_and_cost_come_back(run: Run, sandbox: Pool) -> None:
    code = (
        "import sys\ndef main(request):\n    print('out')\n    print('err', file=sys.stderr)\n    return [request, 1.5]"
    )
    result = run(code, request={"a": [True, None]})
    assert isinstance(result, Finished)
    expected = ([{"a": [True, None]}, 1.5], "out\n", "err\n", sandbox.tier)
    assert (result.answer, result.stdout, result.stderr, result.tier) == expected


def test_files_come_out_beside_the_answer(run: Run) -> None:
    content = bytes(range(256)) * 8192  # 2 MB with every byte in it
    code = "def main(request):\n    return 'done', {'weights.bin': bytes(range(256)) * request, 'empty': b''}"
    result = run(code, replace(FAST, files_mb=2), 8192)
    assert isinstance(result, Finished)
    assert (result.answer, dict(result.files)) == ("done", {"weights.bin": content, "empty": b""})


ASKS = """
import time
from time import monotonic
def main(request):
    asked = [time.process_time(), time.time(), monotonic(), time.perf_counter_ns()]
    began = time.process_time()
    while time.process_time() < began + 1.0:
        sum(range(request))
    return asked + [time.process_time()]
"""


def test_counted_clocks_move_on_by_a_tick_for_each_question(sandbox: Pool) -> None:
    for work in (10, 10_000):  # however long the steps between them take
        job = Job(ASKS, ADAPTER, "call:named", [PROCESS_NAME, work], FAST, tick_s=0.25)
        result = sandbox.run(job)
        assert isinstance(result, Finished)
        assert result.answer == [0.25, 0.5, 0.75, 1_000_000_000, 2.5]
    after = sandbox.run(replace(job, tick_s=0.0, code="import time\ndef main(request):\n    return time.time()"))
    assert isinstance(after, Finished)
    assert isinstance(after.answer, float)
    assert after.answer > 1e9  # the next job has real ones


def test_counted_clocks_do_not_lift_the_real_limit(sandbox: Pool) -> None:
    code = "import time\ndef main(request):\n    while time.time() < 1e12:\n        pass"
    result = sandbox.run(Job(code, ADAPTER, "call:named", [PROCESS_NAME, None], replace(FAST, cpu_s=0.3), tick_s=1e-9))
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.CPU_TIME


@pytest.mark.parametrize(
    ("returned", "files_mb", "said"),
    [
        ("'x', {'big': b'0' * (2**20 + 1)}", 1, "1 MB of files"),
        ("'x', {'unasked': b'0'}", 0, "0 MB of files"),
        ("'x', {'../up': b'0'}", 1, "no name for a file"),
        ("'x' * 40_000, {'small': b'0'}", 1, "more than 16 KB"),
    ],
)
def test_files_that_were_not_asked_for_are_refused(run: Run, returned: str, files_mb: int, said: str) -> None:
    result = run(f"def main(request):\n    return {returned}", replace(FAST, files_mb=files_mb))
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.INVALID
    assert said in result.reason


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (b'{"answer": 1, "files": [["a", 3]]}\nab', "should have 3 bytes together, and 2 came"),
        (b'{"answer": 1, "files": [["a", 1], ["a", 1]]}\nab', "two files are called a"),
        (b'{"answer": 1, "files": [["a", -1], ["b", 3]]}\nab', "no size of a file"),
        (b'{"answer": 1, "files": {"a": 2}}\nab', "not a list"),
        (b'{"answer": 1}\nab', "should have 0 bytes together, and 2 came"),
    ],
)
def test_forged_sizes_of_files_are_refused(run: Run, report: bytes, said: str) -> None:
    code = f"import os\ndef main(request):\n    os.write(3, {report!r})\n    os._exit(0)"
    result = run(code, replace(FAST, files_mb=1))
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.INVALID
    assert said in result.reason


def test_cpu_time_is_measured(run: Run) -> None:
    code = "import time\ndef main(request):\n    while time.process_time() < request: pass"
    result = run(code, replace(FAST, cpu_s=5.0), 0.5)
    assert isinstance(result, Finished)
    assert result.cost.cpu_s == pytest.approx(0.5, abs=0.1)


def test_cpu_limit_is_finer_than_the_kernels_seconds(run: Run) -> None:
    code = """
import sys, time
def main(request):
    while True: print(time.process_time(), file=sys.stderr)
"""
    result = run(code, replace(FAST, output_kb=100_000))
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.CPU_TIME
    assert 0.2 < float(result.trace.splitlines()[-2]) < 1.0


@pytest.mark.slow
def test_peak_memory_is_measured(run: Run) -> None:
    code = "import time\ndef main(request):\n    kept = b'x' * (100 * 2**20)\n    time.sleep(0.2)"
    result = run(code, replace(FAST, memory_mb=256, cpu_s=5.0))
    assert isinstance(result, Finished)
    assert result.cost.peak_memory_mb == pytest.approx(105, abs=20)


def test_traceback_names_the_line(run: Run) -> None:
    result = run("def main(request):\n    return [][request]", request=3)
    assert isinstance(result, Failure)
    assert (result.kind, result.reason) == (FailureKind.CRASH, "IndexError: list index out of range")
    assert "candidate.py" in result.trace
    assert "line 2" in result.trace


def test_crash_in_c_leaves_a_trace(run: Run) -> None:
    result = run("import ctypes\ndef main(request):\n    ctypes.string_at(0)")
    assert isinstance(result, Failure)
    assert result.reason == "was ended by SIGSEGV"
    assert "Segmentation fault" in result.trace


def test_threads_within_the_limit_are_fine(run: Run) -> None:
    code = """
        import threading
        def main(request):
            threads = [threading.Thread(target=sum, args=([1],)) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            return 'joined'
    """
    result = run(textwrap.dedent(code), replace(FAST, processes=4))
    assert isinstance(result, Finished)
    assert result.answer == "joined"


def test_a_program_sees_as_many_processors_as_it_may_have_threads(run: Run) -> None:
    result = run("import os\ndef main(request):\n    return [len(os.sched_getaffinity(0)), os.cpu_count()]")
    assert isinstance(result, Finished)
    assert result.answer[0] == 1


def test_random_numbers_differ_between_jobs(run: Run) -> None:
    code = "import numpy, random\ndef main(request):\n    return [numpy.random.rand(), random.random()]"
    first, second = run(code), run(code)
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert not set(first.answer) & set(second.answer)


def test_data_is_visible_and_read_only(sandbox: Pool, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    data = tmp_path / "data.txt"
    data.write_text("given")
    code = """
def main(path):
    try: open(path, 'a').write('x')
    except OSError: return open(path).read()
"""
    result = sandbox.run(Job(code, ADAPTER, "call:main", str(data), FAST, data=(data,)))
    assert isinstance(result, Finished), result
    assert result.answer == "given"


@pytest.mark.parametrize("tier", TIERS)
def test_memory_without_a_cgroup(tier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most users may not write cgroups: then the engine's own look at the tree ends the job."""
    monkeypatch.setattr(cgroup, "create", lambda memory_mb: None)
    mapping = "import mmap, time\ndef main(_):\n    kept = mmap.mmap(-1, 2**28)\n"
    mapping += "    kept.write(b'x' * 2**27)\n    time.sleep(5)"
    family = "import os, time\ndef main(_):\n    os.fork()\n    kept = b'x' * (40 * 2**20)\n    time.sleep(5)"
    limits = replace(FAST, memory_mb=160, cpu_s=5.0, processes=4)
    with open_sandbox(tmp_path, tier=tier, preload=()) as pool:
        for code, memory_mb in ((mapping, 100), (family, 64)):
            result = pool.run(Job(code, ADAPTER, "call:main", None, replace(limits, memory_mb=memory_mb)))
            assert isinstance(result, Failure)
            assert result.kind == FailureKind.MEMORY


@pytest.mark.parametrize("tier", TIERS)
def test_jobs_run_in_parallel_and_waiting_is_not_their_wall_time(tier: str, tmp_path: Path) -> None:
    code = "import time\ndef main(request):\n    time.sleep(0.4)\n    return time.monotonic()"
    job = Job(code, ADAPTER, "call:main", None, replace(FAST, wall_s=0.9))
    with open_sandbox(tmp_path, tier=tier, zygotes=2, preload=()) as pool, ThreadPoolExecutor(4) as threads:
        results = list(threads.map(pool.run, [job] * 4))  # two waves of 0.4 s
        assert len(pool._idle) == 2
    ends = []
    for result in results:
        assert isinstance(result, Finished), result
        ends.append(result.answer)
    assert max(ends) - min(ends) >= 0.4
    assert max(ends) - min(ends) < 1.2


def test_a_dead_zygote_is_replaced(sandbox: Pool, run: Run) -> None:
    run("def main(request): return 1")
    zygote = sandbox._idle[-1]
    proctree.kill_descendants(zygote.pid)
    os.kill(zygote.pid, signal.SIGKILL)
    time.sleep(0.05)
    result = run("def main(request): return 2")
    assert isinstance(result, Finished)
    assert result.answer == 2


def test_a_zygote_that_always_dies_under_a_job_is_the_candidates_fault(sandbox: Pool, run: Run) -> None:
    """As a fault of the machine it would be tried for ever."""
    over = threading.Event()

    def killer() -> None:
        while not over.is_set():
            for pid in [pid for pid in proctree.descendants(os.getpid()) if _is_candidate(pid)]:
                for ancestor in _ancestors_up_to(os.getpid(), pid):
                    os.kill(ancestor, signal.SIGKILL)
            time.sleep(0.01)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        result = run("import time\ndef main(request): time.sleep(5)")
    finally:
        over.set()
        thread.join()
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.CRASH


def _is_candidate(pid: int) -> bool:
    return proctree.read_proc(f"/proc/{pid}/comm").strip() == PROCESS_NAME


def _ancestors_up_to(top: int, pid: int) -> list[int]:
    found = []
    while pid not in (top, 0):
        found.append(pid)
        pid = int((proctree.read_proc(f"/proc/{pid}/stat").rpartition(")")[2].split() or ["", "0"])[1])
    return found


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_stays_after_close(tier: str, tmp_path: Path) -> None:
    before = set(proctree.descendants(os.getpid()))
    with open_sandbox(tmp_path, tier=tier, preload=()) as pool:
        pool.run(Job("def main(request): return 1", ADAPTER, "call:main", None, FAST))
        started = set(proctree.descendants(os.getpid())) - before
    assert started
    assert [pid for pid in started if not proctree.is_zombie(pid)] == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MachineFault, match="closed"):
        pool.run(Job("def main(request): return 1", ADAPTER, "call:main", None, FAST))


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
def test_a_zygote_is_retired_after_its_jobs(tier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sandbox.pool.JOBS_PER_ZYGOTE", 2)
    seen = []
    with open_sandbox(tmp_path, tier=tier, preload=()) as pool:
        for _ in range(4):
            pool.run(Job("def main(request): return 1", ADAPTER, "call:main", None, FAST))
            seen.append(len(pool._idle))
    assert seen == [1, 0, 1, 0]


def test_our_full_disk_is_a_fault_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if "landlock" not in TIERS:
        pytest.skip("only this tier keeps its scratch on our disk")
    with open_sandbox(tmp_path, tier="landlock", preload=()) as pool:
        monkeypatch.setattr(Path, "mkdir", full)
        with pytest.raises(MachineFault, match="No space left"):
            pool.run(Job("def main(request): return 1", ADAPTER, "call:main", None, FAST))


def test_a_zygote_that_cannot_start_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    pool = Pool(tmp_path, tiers.TIERS[TIERS[0]], 1, ("no_such_module",))
    with pool, pytest.raises(MachineFault, match="No module named 'no_such_module'"):
        pool.run(Job("", ADAPTER, "call:main", None, FAST))


def test_without_any_tier_it_refuses_and_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sandbox.pool.probe", lambda tier, root: "is missing")
    with pytest.raises(SandboxUnavailable, match="install bubblewrap"):
        open_sandbox(tmp_path)


def test_the_next_tier_is_taken_if_the_best_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "landlock" not in TIERS:
        pytest.skip("no Landlock in this kernel")
    monkeypatch.setattr("shutil.which", lambda name: "/does/not/exist")
    with open_sandbox(tmp_path) as pool:
        assert pool.tier == "landlock"


def test_unsafe_needs_consent_and_is_tagged(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="consent"):
        open_sandbox(tmp_path, tier="unsafe")
    with open_sandbox(tmp_path, tier="unsafe", unsafe=True, preload=()) as pool:
        result = pool.run(Job("def main(request): return 1", ADAPTER, "call:main", None, FAST))
        busy = pool.run(Job("def main(request):\n    while True: pass", ADAPTER, "call:main", None, FAST))
    assert isinstance(result, Finished)
    assert result.tier == "unsafe"
    assert isinstance(busy, Failure)
    assert busy.kind == FailureKind.CPU_TIME


def test_a_probe_that_finds_a_leak_rejects_the_tier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tier that starts but confines nothing must not pass for a sandbox."""
    from tasks.sandbox.pool import probe

    hollow = tiers.Tier("landlock", seccomp=False)
    assert "files outside are hidden" in probe(hollow, tmp_path)
    assert "no network" in probe(hollow, tmp_path)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"entry": "no_colon"}, ValueError), ({"limits": Limits(processes=0)}, ValueError),
     ({"profile": "gpu-train"}, ValueError), ({"gpus": 1}, ValueError), ({"work": Path("/no/such")}, MachineFault),
     ({"adapter": Path("/no/such/folder")}, MachineFault)],
)  # fmt: skip
def test_wrong_jobs_are_refused(sandbox: Pool, change: dict[str, object], error: type[Exception]) -> None:
    job = Job("", ADAPTER, "call:main", None, FAST)
    with pytest.raises(error):
        sandbox.run(replace(job, **change))  # type: ignore[arg-type]  # one field at a time, by name


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_every_tier_is_described() -> None:
    reports = {report.name: report for report in describe_tiers()}
    assert list(reports) == ["container", "bubblewrap", "landlock", "unsafe"]
    assert all(report.why for report in reports.values())
    assert all(report.advice for report in reports.values() if not report.works)
