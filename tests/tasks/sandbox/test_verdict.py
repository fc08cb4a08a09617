"""The verdict: whose fault it was. The hostile suite covers the rest of it with real processes."""

from __future__ import annotations

import json
import signal

import pytest

from cognition.records import Cost, Failure, FailureKind, MachineFault
from tasks.sandbox import Finished, Limits, answer
from tasks.sandbox.verdict import Ending, judge

LIMITS = Limits(cpu_s=30.0, wall_s=10.0)


def after_wall(cpu_s: float = 0.0, run_delay_s: float = 0.0, blocked_s: float = 0.0) -> Ending:
    cost = Cost(cpu_s=cpu_s, wall_s=10.0)
    return Ending(wall_used_up=True, cost=cost, run_delay_s=run_delay_s, blocked_s=blocked_s)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (after_wall(), FailureKind.IDLE),
        (after_wall(cpu_s=4.0), FailureKind.IDLE),
        (after_wall(cpu_s=4.0, run_delay_s=4.0), FailureKind.IDLE),
        (after_wall(cpu_s=9.0), FailureKind.CPU_TIME),
        (after_wall(cpu_s=5.0, run_delay_s=40.0), FailureKind.CPU_TIME),  # its threads queue behind each other
    ],
)
def test_wall_time_used_up_by_the_candidate(ending: Ending, kind: FailureKind) -> None:
    result = judge(ending, LIMITS, "bubblewrap")
    assert isinstance(result, Failure)
    assert result.kind == kind


@pytest.mark.parametrize("ending", [after_wall(cpu_s=2.0, run_delay_s=7.5), after_wall(blocked_s=9.0)])
def test_wall_time_taken_by_the_host(ending: Ending) -> None:
    with pytest.raises(MachineFault, match="host kept a candidate waiting"):
        judge(ending, LIMITS, "bubblewrap")


def test_killed_by_the_hosts_lack_of_memory() -> None:
    with pytest.raises(MachineFault, match="ran out of memory"):
        judge(Ending(status=signal.SIGKILL, host_out_of_memory=True), LIMITS, "landlock")


def test_killed_for_memory_that_it_took_itself() -> None:
    ending = Ending(status=signal.SIGKILL, host_out_of_memory=True, cost=Cost(peak_memory_mb=LIMITS.memory_mb * 0.8))
    result = judge(ending, LIMITS, "landlock")
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.CRASH


def test_killed_by_itself() -> None:
    result = judge(Ending(status=signal.SIGKILL), LIMITS, "landlock")
    assert result == Failure(FailureKind.CRASH, "was ended by SIGKILL")


def test_a_report_followed_by_a_crash_is_no_answer() -> None:
    result = judge(Ending(status=signal.SIGSEGV, report=b'{"answer": 1}'), LIMITS, "landlock")
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.CRASH


def test_an_invented_error_report_stays_a_failure_of_the_candidate() -> None:
    for report in ({}, {"error": 5}, {"error": "MachineFault", "message": ["x"], "errno": "y", "trace": {}}):
        result = judge(Ending(status=0, report=json.dumps(report).encode()), LIMITS, "landlock")
        assert isinstance(result, Failure)
        assert result.kind == FailureKind.CRASH


def test_finished() -> None:
    ending = Ending(status=0, report=b'{"answer": 1}', stdout=b"out", stderr=b"err", cost=Cost(cpu_s=1.0))
    assert judge(ending, LIMITS, "landlock") == Finished(1, "out", "err", Cost(cpu_s=1.0), "landlock")


def test_an_answer_over_its_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may be hundreds of MB; an answer that takes their place must not be parsed in our process."""
    monkeypatch.setattr(answer, "parse", lambda raw: pytest.fail("it was parsed"))
    report = b'{"answer": [' + b"0," * 2**20 + b"0]}"
    result = judge(Ending(status=0, report=report), Limits(answer_kb=1, files_mb=64), "landlock")
    assert isinstance(result, Failure)
    assert "answered with more than 1 KB" in result.reason
