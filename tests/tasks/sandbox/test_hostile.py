"""Programs that mean harm, in every tier that works here. Each ends as the failure it is, or is refused what it wants.

After each of them nothing may be left running and the next, honest program must get its answer.
"""

from __future__ import annotations

import errno
import os
import socket
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cognition.records import Failure, FailureKind
from tasks.sandbox import Finished, Limits, Pool, pool
from tasks.sandbox.tiers import readable_paths
from tests.tasks.sandbox.jail import ADAPTER, FAST, PROCESS_NAME, Run, cases, leftovers

REPOSITORY = Path(__file__).parents[3]
SEVERAL = replace(FAST, processes=4)
IDLE = replace(FAST, wall_s=0.5)


@pytest.fixture(autouse=True)
def _holds_afterwards(run: Run) -> Iterator[None]:
    yield
    assert leftovers() == []
    honest = run("def main(request):\n    return request * 2", request=21)
    assert isinstance(honest, Finished), honest
    assert honest.answer == 42


def kind(result: Finished | Failure) -> FailureKind:
    assert isinstance(result, Failure), result
    return result.kind


def program(body: str) -> str:
    """A candidate whose main has this body."""
    return (
        "import ctypes, os, signal, socket, subprocess, sys, threading, time\ndef main(request):\n"
        + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    )


def attempt(body: str) -> str:
    """A candidate that answers "refused" if the body raises OSError, otherwise what the body returns."""
    inner = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return program(f"try:\n{inner}\nexcept OSError as error:\n    return 'refused'\n")


CRASHES = {
    "raises": "raise ValueError('no idea')",
    "system exit": "sys.exit(0)",
    "exit without a word": "os._exit(0)",
    "exit with a code": "os._exit(3)",
    "segmentation fault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "kills itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "recursion": "def deeper(n): return deeper(n + 1)\ndeeper(0)",
    "stack of C": "sys.setrecursionlimit(10**8)\nthing = []\nfor _ in range(2 * 10**5): thing = [thing]\nrepr(thing)",
    "closes every descriptor": "os.closerange(0, 1 << 16)\nreturn 1",
    "half a surrogate in the message": "raise ValueError('\\ud800')",
    "message of a megabyte": "raise ValueError('x' * 10**6)",
}
BUSY = {
    "endless loop": "while True: pass",
    "endless loop that ignores signals": """
        for number in range(1, 32):
            if number not in (9, 19): signal.signal(number, signal.SIG_IGN)
        while True: pass""",
    "catches everything": """
        while True:
            try:
                while True: pass
            except BaseException: pass""",
}
ASLEEP = {
    "sleeps": "time.sleep(3600)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(3600)",
    "waits for input": "read, write = os.pipe()\nos.read(read, 1)",
    "sleeps with its pipes closed": "os.closerange(0, 1 << 16)\ntime.sleep(3600)",
}
MEMORY = {
    "one huge allocation": "data = bytearray(10**10)\nreturn len(data)",
    "many small ones": "kept = []\nwhile True: kept.append(bytearray(10**6))",
    "anonymous shared mapping": """
        import mmap
        kept = mmap.mmap(-1, 512 * 2**20)
        for page in range(0, 512 * 2**20, 4096): kept[page] = 1
        time.sleep(0.2)""",
    "huge list": "return len([0] * 10**9)",
}
CHILD_MEMORY = """
    for _ in range(3):
        if os.fork() == 0:
            kept = bytearray(b'x' * (30 * 2**20))
            time.sleep(3600)
    time.sleep(3600)
"""
FORKS = {
    "fork": "os.fork()\ntime.sleep(3600)",
    "fork bomb": "while True: os.fork()",
    "thread": "threading.Thread(target=time.sleep, args=(3600,)).start()",
    "subprocess": "subprocess.run(['/usr/bin/sleep', '3600'])",
    "raw clone": "ctypes.CDLL(None).syscall(56 if os.uname().machine == 'x86_64' else 220, 17, 0, 0, 0, 0)",
}
FORK_BOMBS = {
    "fork bomb": "while True:\n    try: os.fork()\n    except OSError: pass",
    "threads": """
        for _ in range(100): threading.Thread(target=time.sleep, args=(3600,)).start()
        time.sleep(3600)""",
    "daemons": """
        while True:
            try:
                if os.fork() == 0:
                    os.setsid()
                    if os.fork(): os._exit(0)
            except OSError: pass""",
}
DISK = {
    "one large file": "open('large', 'wb').write(b'x' * (50 * 2**20))",
    "endless file": "with open('endless', 'wb', 0) as file:\n    while True: file.write(b'x' * 65536)",
    "many files": "for number in range(10**6): open(f'file-{number}', 'wb').write(b'x')",
    "many folders": "for number in range(10**6): os.mkdir(f'folder-{number}')",
}
INVALID = {
    "not a number": "return float('nan')",
    "infinity": "return [float('inf')]",
    "not JSON": "return {1, 2}",
    "numpy array": "import numpy\nreturn numpy.zeros(2)",
    "huge": "return 'x' * 10**6",
    "endless": "while True: os.write(3, b'x' * 65536)",
    "deep": "value = []\nfor _ in range(500): value = [value]\nreturn value",
    "very deep": "value = []\nfor _ in range(10**5): value = [value]\nreturn value",
    "deep, written by hand": "os.write(3, b'[' * 10000)\nos._exit(0)",
    "infinity in disguise": """os.write(3, b'{"answer": 1e999}')\nos._exit(0)""",
    "number of many digits": """os.write(3, b'{"answer": ' + b'9' * 10000 + b'}')\nos._exit(0)""",
    "half a surrogate": "return '\\ud800'",
    "null character": "return 'a\\0b'",
    "not a report": "os.write(3, b'[1, 2]')\nos._exit(0)",
    "two reports": """os.write(3, b'{"answer": 1}')\nreturn 2""",
    "no text": "os.write(3, bytes(range(256)))\nos._exit(0)",
}
OUTPUT = {
    "stdout": "while True: print('x' * 1000)",
    "stderr": "while True: print('x' * 1000, file=sys.stderr)",
    "descriptor": "while True: os.write(1, b'x' * 65536)",
}


@pytest.mark.parametrize("body", cases(CRASHES, "raises", "exit without a word", "segmentation fault"))
def test_crash(run: Run, body: str) -> None:
    assert kind(run(program(body), replace(FAST, memory_mb=512, cpu_s=10.0))) == FailureKind.CRASH


@pytest.mark.parametrize("body", cases(BUSY, "endless loop that ignores signals"))
def test_busy(run: Run, body: str) -> None:
    assert kind(run(program(body))) == FailureKind.CPU_TIME


@pytest.mark.parametrize("body", cases(ASLEEP, "stops itself"))
def test_asleep(run: Run, body: str) -> None:
    assert kind(run(program(body), IDLE)) == FailureKind.IDLE


@pytest.mark.parametrize("body", cases(MEMORY, "many small ones"))
def test_memory(run: Run, body: str) -> None:
    assert kind(run(program(body), replace(FAST, cpu_s=5.0))) == FailureKind.MEMORY


@pytest.mark.slow
def test_memory_of_children_counts(run: Run) -> None:
    assert kind(run(program(CHILD_MEMORY), replace(SEVERAL, cpu_s=5.0))) == FailureKind.MEMORY


@pytest.mark.parametrize("body", cases(FORKS, "fork bomb", "thread"))
def test_no_second_process(run: Run, body: str) -> None:
    assert kind(run(program(body))) == FailureKind.PROCESSES


@pytest.mark.parametrize("body", cases(FORK_BOMBS, "fork bomb"))
def test_more_processes_than_allowed(run: Run, body: str) -> None:
    assert kind(run(program(body), replace(SEVERAL, cpu_s=5.0))) == FailureKind.PROCESSES


@pytest.mark.parametrize("body", cases(DISK, "endless file", "many files"))
def test_disk(run: Run, body: str) -> None:
    assert kind(run(program(body), replace(FAST, cpu_s=10.0))) == FailureKind.DISK


@pytest.mark.parametrize("body", cases(OUTPUT, "stdout"))
def test_output(run: Run, body: str) -> None:
    assert kind(run(program(body), replace(FAST, cpu_s=5.0))) == FailureKind.OUTPUT


@pytest.mark.parametrize("body", cases(INVALID, "not a number", "deep, written by hand", "endless"))
def test_invalid_answer(run: Run, body: str) -> None:
    assert kind(run(program(body), replace(FAST, cpu_s=5.0))) == FailureKind.INVALID


def test_a_fake_answer_on_stdout_is_only_output(run: Run) -> None:
    body = """print('{"answer": 100}')\nprint('{"answer": 100}', file=sys.stderr)\nreturn 1"""
    result = run(program(body))
    assert isinstance(result, Finished)
    assert (result.answer, result.stdout) == (1, '{"answer": 100}\n')


@pytest.mark.slow
def test_descriptors_are_null_stdout_stderr_and_the_report(run: Run) -> None:
    body = """
        found = []
        for number in range(1024):
            try: os.fstat(number)
            except OSError: continue
            found.append(number)
        return found
    """
    result = run(program(body))
    assert isinstance(result, Finished)
    assert result.answer == [0, 1, 2, 3]


def test_a_report_cannot_reach_the_supervisor(run: Run) -> None:
    """The status of a job comes from the supervisor, through a socket that the candidate does not hold."""
    body = """
        for number in range(4, 1024):
            try: os.write(number, b'{"status": 0, "cpu_s": 0, "disk_full": false}\\n')
            except OSError: pass
        os._exit(5)
    """
    result = run(program(body))
    assert isinstance(result, Failure)
    assert (result.kind, result.reason) == (FailureKind.CRASH, "exited with code 5")


def test_modes_and_dates_of_our_files_stay(run: Run, tmp_path: Path) -> None:
    """Landlock alone would let a candidate do this to any file of its user."""
    ours = tmp_path / "archive.db"
    ours.write_text("all candidates")
    before = ours.stat()
    for body in (
        "os.chmod({0!r}, 0)",
        "os.utime({0!r}, (0, 0))",
        "os.setxattr({0!r}, 'user.x', b'1')",
        "os.truncate({0!r}, 0)",
    ):
        assert answer(run, attempt(f"{body.format(str(ours))}\nreturn 'done'")) == "refused"
    assert (ours.stat().st_mode, ours.stat().st_mtime_ns, ours.stat().st_size) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_size,
    )


def test_files_of_the_system_are_hidden(run: Run) -> None:
    hidden = ["/etc/shadow", "/etc/passwd", "/etc/hostname", "/sys/class/net", "/dev/mem", "/dev/kmsg", "/dev/tty"]
    hidden += [f"/proc/{name}" for name in ("1/environ", "self/environ", "self/maps", "self/mem", "cpuinfo", "net/tcp")]
    body = """
        seen = []
        for path in request:
            try: open(path, 'rb').read(1)
            except OSError: continue
            seen.append(path)
        return seen
    """
    assert answer(run, program(body), hidden) == []


@pytest.mark.slow
def test_environment_of_parents_is_hidden(run: Run) -> None:
    assert answer(run, attempt("return len(open(f'/proc/{os.getppid()}/environ', 'rb').read())")) == "refused"


def test_our_files_are_hidden(run: Run, tmp_path: Path) -> None:
    archive = tmp_path / "archive.db"
    archive.write_text("all candidates")
    archive.chmod(0o666)
    referee = REPOSITORY / "tasks" / "contract.py"
    for path in (archive, referee, REPOSITORY / "pyproject.toml", Path.home() / ".bashrc", Path(__file__)):
        assert answer(run, attempt(f"return len(open({str(path)!r}, 'rb').read())")) == "refused"
        assert answer(run, attempt(f"return open({str(path)!r}, 'ab').write(b'x')")) == "refused"


def test_folders_are_hidden(run: Run, sandbox: Pool) -> None:
    body = """
        seen = []
        for path in request:
            try: seen += os.listdir(path)
            except OSError: pass
        return seen
    """
    places = [str(Path.home()), str(REPOSITORY), str(REPOSITORY / "tests"), "/proc", "/etc", "/sys", "/run", "/var"]
    result = run(program(body), request=places)
    assert isinstance(result, Finished)
    visible = [Path(path).parts for path in readable_paths(ADAPTER, ())]  # and the folders on the way to them
    assert set(result.answer) <= {part for parts in visible for part in parts}


def test_environment_is_clean(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(program("return sorted(os.environ)"))
    assert isinstance(result, Finished)
    threads = {f"{name}_NUM_THREADS" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    expected = {"PATH", "LANG", "HOME", "TMPDIR", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", *threads}
    assert set(result.answer) - {"PWD"} == expected


NETWORK = {
    "tcp": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "tcp6": "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "unix": "socket.socket(socket.AF_UNIX)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "packet": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "vsock": "socket.socket(40, socket.SOCK_STREAM)",
}


def test_no_network(run: Run) -> None:
    body = """
        opened = []
        for name, call in request.items():
            try: eval(call)
            except OSError: continue
            opened.append(name)
        return opened
    """
    assert answer(run, program(body), NETWORK) == []


def test_a_server_of_ours_gets_no_visitor(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        body = f"socket.create_connection(('127.0.0.1', {port}), 1)\nreturn 'open'"
        assert answer(run, attempt(body)) == "refused"
        with pytest.raises(TimeoutError):
            server.accept()


SYSTEM_CALLS = {  # x86_64 number, aarch64 number, arguments
    "ptrace": (101, 117, "16, os.getppid(), 0, 0"),
    "process_vm_readv": (310, 270, "os.getppid(), 0, 0, 0, 0, 0"),
    "pidfd_getfd": (438, 438, "0, 0, 0"),
    "bpf": (321, 280, "0, 0, 0"),
    "io_uring_setup": (425, 425, "1, 0"),
    "perf_event_open": (298, 241, "0, 0, -1, -1, 0"),
    "userfaultfd": (323, 282, "1"),
    "keyctl": (250, 219, "0, -3, 0"),
    "mount": (165, 40, "0, 0, 0, 0, 0"),
    "unshare": (272, 97, "0x10000000"),
    "setns": (308, 268, "0, 0"),
    "shmget": (29, 194, "0, 4096, 0o1600"),
    "setpriority": (141, 140, "0, 0, 19"),
    "sched_setaffinity": (203, 122, "0, 0, 0"),
    "prlimit of another": (302, 261, "os.getppid(), 7, 0, 0"),
    "open_by_handle_at": (304, 265, "0, 0, 0"),
}


def test_system_calls_are_refused(run: Run) -> None:
    column = 0 if os.uname().machine == "x86_64" else 1
    calls = {name: f"libc.syscall({call[column]}, {call[2]})" for name, call in SYSTEM_CALLS.items()}
    body = """
        libc = ctypes.CDLL(None, use_errno=True)
        return {name: [eval(call, {'libc': libc, 'os': os}), ctypes.get_errno()] for name, call in request.items()}
    """
    assert answer(run, program(body), calls) == {name: [-1, errno.EPERM] for name in SYSTEM_CALLS}


def test_no_signal_reaches_our_processes(run: Run, sandbox: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the supervisor, nor the zygote, nor the engine, nor anything else: by number and by broadcast."""
    body = """
        delivered = []
        for pid in (*request, os.getppid(), 1, -1):
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
                try: os.kill(pid, number)
                except OSError: continue
                delivered.append(pid)
        return delivered
    """
    monkeypatch.setattr(pool, "JOBS_PER_ZYGOTE", 10**6)
    run(program("return 1"))
    zygote = sandbox._idle[-1]
    result = run(program(body), request=[os.getpid(), zygote.pid])
    assert isinstance(result, Finished)
    # in a namespace, 1 is the supervisor: a signal to it is accepted and has no effect
    assert [pid for pid in result.answer if pid > 1] == []
    assert sandbox._idle[-1] is zygote, "the zygote had to be replaced"


def test_no_signal_through_a_descriptor(run: Run) -> None:
    body = "import fcntl\nread, write = os.pipe()\nfcntl.fcntl(read, fcntl.F_SETOWN, request)\nreturn 'set'"
    assert answer(run, attempt(body), os.getpid()) == "refused"


def test_no_power_of_root(run: Run) -> None:
    body = """
        libc = ctypes.CDLL(None)
        held = [number for number in range(41) if libc.prctl(23, number, 0, 0, 0) == 1]  # PR_CAPBSET_READ
        header = ctypes.create_string_buffer(bytes([0x22, 5, 8, 0x20, 0, 0, 0, 0]))  # version 3, ourselves
        sets = ctypes.create_string_buffer(24)
        assert libc.capget(header, sets) == 0
        try: os.setresuid(1, 1, 1)
        except OSError: return {'bounding': held, 'held': sum(sets.raw)}
        return 'changed'
    """
    result = run(program(body))
    assert isinstance(result, Finished)
    assert result.answer["held"] == 0
    if os.getuid() == 0:  # for others no_new_privs alone makes the bounding set irrelevant
        assert result.answer["bounding"] == []


def test_daemon_does_not_survive(run: Run) -> None:
    body = f"""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv('/usr/bin/sleep', ['{PROCESS_NAME}', '3600'])
            os._exit(0)
        os.wait()
        return 'left one behind'
    """
    try_result = run(program(body), SEVERAL)
    assert isinstance(try_result, Finished), try_result
    assert leftovers() == []


@pytest.mark.slow
def test_daemon_that_holds_the_pipes_does_not_delay(run: Run) -> None:
    body = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(3600)\nreturn 'done'"
    result = run(program(body), SEVERAL)
    assert isinstance(result, Finished)
    assert result.cost.wall_s < 5.0


def test_adapter_cannot_be_written(run: Run) -> None:
    assert answer(run, attempt(f"return open({str(ADAPTER / 'call.py')!r}, 'a').write('x')")) == "refused"
    assert answer(run, attempt(f"return open({str(ADAPTER / 'new.py')!r}, 'w').write('x')")) == "refused"
    assert answer(run, attempt(f"return os.unlink({str(ADAPTER / 'call.py')!r})")) == "refused"
    assert answer(run, attempt(f"return os.chmod({str(ADAPTER / 'call.py')!r}, 0o777)")) == "refused"


def test_patches_do_not_reach_the_next_candidate(run: Run) -> None:
    patch = (
        "import builtins, json, random\njson.dumps = json.loads = len\nbuiltins.len = None\nos.fork = None\nreturn 1"
    )
    run(program(patch))
    body = "import json\nreturn [json.dumps([len('ab')]), callable(os.fork)]"
    assert answer(run, program(body)) == ["[2]", True]


@pytest.mark.slow
def test_scratch_of_the_last_candidate_is_gone(run: Run) -> None:
    run(program("open('message', 'w').write('for the next')\nreturn 1"))
    assert answer(run, program("return sorted(os.listdir('.'))")) == ["candidate.py"]


def test_other_scratches_are_hidden(run: Run, sandbox: Pool) -> None:
    other = sandbox._scratch_root / "job-of-another"
    other.mkdir(exist_ok=True)
    (other / "candidate.py").write_text("secret")
    body = f"return open({str(other / 'candidate.py')!r}).read()"
    assert answer(run, attempt(body)) == "refused"
    assert answer(run, attempt(f"return os.listdir({str(sandbox._scratch_root)!r})")) == "refused"


def test_links_in_the_scratch_lead_nowhere(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").write_text("kept")
    body = f"""
        os.symlink({str(target)!r}, 'link')
        os.symlink({str(target / "file")!r}, 'file')
        os.mkdir('folder')
        os.symlink({str(target)!r}, 'folder/link')
        os.mkdir('closed', 0)
        os.unlink('candidate.py')
        os.symlink({str(target / "file")!r}, 'candidate.py')
        return 'linked'
    """
    assert answer(run, program(body)) == "linked"
    assert (target / "file").read_text() == "kept"


@pytest.mark.slow
def test_scratch_of_2000_nested_folders_is_removed(run: Run, sandbox: Pool) -> None:
    body = "for _ in range(request):\n    os.mkdir('d')\n    os.chdir('d')\nreturn 'deep'"
    limits = replace(FAST, cpu_s=5.0, disk_mb=32)
    assert answer(run, program(body), 2000, limits) == "deep"
    assert [path for path in sandbox._scratch_root.iterdir() if path.name != "job-of-another"] == []


@pytest.mark.slow
def test_set_uid_programs_give_nothing(run: Run) -> None:
    """In a filter with no_new_privs a set-uid program runs with the candidate's own user id."""
    body = "os.execv('/usr/bin/id', ['id', '-u'])"
    result = run(program(body))
    assert isinstance(result, Failure)
    assert result.kind == FailureKind.CRASH


def answer(run: Run, code: str, request: object = None, limits: Limits = FAST) -> object:
    result = run(code, limits, request)
    assert isinstance(result, Finished), result
    return result.answer
