"""A folder that a job may write and that stays, and a network that holds one job alone."""

from __future__ import annotations

import socket
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.records import Failure, FailureKind
from tasks.sandbox import Finished, Job, Limits, Pool, open_sandbox, scratch
from tests.tasks.sandbox.jail import ADAPTER, PROCESS_NAME, TIERS

LIMITS = Limits(cpu_s=5.0, wall_s=30.0, memory_mb=128, processes=4, disk_mb=2, work_mb=4)
COUNT = """
from pathlib import Path
def main(request):
    path = Path(request, "count")
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    return len(path.read_text())
"""


def job(code: str, work: Path | None = None, **more: object) -> Job:
    request = [PROCESS_NAME, None if work is None else str(work)]
    made = Job(textwrap.dedent(code), ADAPTER, "call:named", request, LIMITS, "cpu-train", work=work)
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


def test_what_a_job_leaves_in_its_work_folder_stays_for_the_next(sandbox: Pool, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    answers = [sandbox.run(job(COUNT, work)) for _ in range(2)]
    assert [each.answer for each in answers if isinstance(each, Finished)] == [1, 2], answers
    assert (work / "count").read_text() == "xx"
    assert all(zygote.view.work is None for zygote in sandbox._idle)  # no other job gets to see it


def test_the_folder_is_all_that_can_be_written(sandbox: Pool, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "beside").write_text("ours")
    code = """
        import os
        from pathlib import Path
        def main(request):
            tried = []
            for name in ("../beside", "../new", "../../new"):
                try:
                    Path(request, name).write_text("theirs")
                    tried.append(name)
                except OSError:
                    pass
            os.symlink("/etc/passwd", Path(request, "link"))
            return tried
    """
    result = sandbox.run(job(code, work))
    assert isinstance(result, Finished), result
    assert result.answer == []
    assert (tmp_path / "beside").read_text() == "ours"


def test_no_file_is_left_that_runs_as_its_owner(sandbox: Pool, tmp_path: Path) -> None:
    """In a user's namespace that owner is the engine's own user, and another user of the machine could start it."""
    work = tmp_path / "work"
    work.mkdir()
    code = """
        import os, stat
        from pathlib import Path
        def main(request):
            folder, made = Path(request), []
            plain = folder / "plain"
            plain.write_bytes(b"x")
            os.chmod(plain, 0o755) if os.access("/scratch", os.F_OK) else None
            handle = os.open(plain, os.O_RDONLY, 0o6755)  # creates nothing, so the mode says nothing
            tries = {
                "chmod": lambda mode: os.chmod(plain, mode),
                "fchmod": lambda mode: os.fchmod(handle, mode),
                "fchmodat": lambda mode: os.chmod("plain", mode, dir_fd=os.open(folder, os.O_RDONLY)),
                "open": lambda mode: os.open(folder / "opened", os.O_CREAT | os.O_WRONLY, mode),
                "mknod": lambda mode: os.mknod(folder / "made", stat.S_IFREG | mode),
            }
            for name, attempt in tries.items():
                for mode in (0o4755, 0o2755, 0o6755):
                    try:
                        attempt(mode)
                        made.append(name)
                    except PermissionError:
                        pass
            return made
    """
    result = sandbox.run(job(code, work))
    assert isinstance(result, Finished), result
    assert result.answer == []
    assert [path.name for path in work.iterdir() if path.stat().st_mode & 0o6000] == []


def test_a_link_left_in_the_folder_is_not_followed_when_it_is_handed_on(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.write_text("ours")
    owner = ours.stat().st_uid
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link").symlink_to(ours)
    scratch.hand_over(tmp_path / "work", owner if owner else 61184)
    assert ours.stat().st_uid == owner


def test_a_work_folder_has_a_limit_of_its_own(sandbox: Pool, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    code = """
        import time
        from pathlib import Path
        def main(request):
            for number in range(3):
                Path(request, str(number)).write_bytes(bytes(2 << 20))
            time.sleep(20)
    """
    result = sandbox.run(job(code, work))
    assert isinstance(result, Failure)
    assert result.kind is FailureKind.DISK


TALK = """
import socket, threading
def reaches(family, address):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(2)
            one.connect(address)
        return True
    except OSError:
        return False
def main(request):
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: server.accept()[0].sendall(b"hello")).start()
    with socket.create_connection(server.getsockname()) as client:
        said = client.recv(5).decode()
    raw = []
    for family, kind in ((17, 3), (40, 1), (38, 5)):  # packet, vsock, kernel crypto
        try:
            socket.socket(family, kind)
            raw.append(family)
        except OSError:
            pass
    return [said, reaches(socket.AF_INET, ("10.0.0.1", 80)), reaches(socket.AF_INET, ("127.0.0.1", request)), raw]
"""


@pytest.mark.skipif("bubblewrap" not in TIERS, reason="needs bubblewrap")
def test_sockets_lead_nowhere_but_to_the_job_itself(tmp_path: Path) -> None:
    with (
        open_sandbox(tmp_path / "s", tier="bubblewrap", preload=()) as pool,
        socket.create_server(("127.0.0.1", 0)) as ours,
    ):
        port = ours.getsockname()[1]
        result = pool.run(job(TALK, loopback=True, request=[PROCESS_NAME, port]))
        without = pool.run(job(TALK, request=[PROCESS_NAME, port]))
    assert isinstance(result, Finished), result
    assert result.answer == ["hello", False, False, []]
    assert isinstance(without, Failure)
    assert "Operation not permitted" in without.reason
