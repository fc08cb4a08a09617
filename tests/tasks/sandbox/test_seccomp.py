"""The filter where Landlock cannot scope signals (kernels before 6.12): signals only to oneself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.sandbox.inside import seccomp

PROGRAM = """
import ctypes, fcntl, os, signal, sys
sys.path.insert(0, sys.argv[1])
from inside import kernel, seccomp
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(seccomp.build(4, os.getpid(), 2))
libc = ctypes.CDLL(None, use_errno=True)
def call(x86_64, aarch64, flags):
    number = x86_64 if os.uname().machine == "x86_64" else aarch64
    if libc.syscall(number, flags, 0, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")
refused = []
for name, attempt in {
    "parent": lambda: os.kill(os.getppid(), 0),
    "group": lambda: os.kill(0, 0),
    "all": lambda: os.kill(-1, 0),
    "owner": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid()),
    "thread in vfork": lambda: call(56, 220, 0x4000 | 0x10000 | 0x100 | 0x800),
    "namespace": lambda: call(56, 220, 0x10000000 | 17),
    "truncate": lambda: os.truncate(sys.argv[2], 0),
}.items():
    try: attempt()
    except PermissionError: refused.append(name)
os.kill(os.getpid(), 0)
print(",".join(refused))
"""


@pytest.mark.skipif(not seccomp.supported(), reason="no table for this processor")
def test_signals_only_to_oneself(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    folder = Path(seccomp.__file__).parents[1]
    command = [sys.executable, "-c", PROGRAM, str(folder), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert done.stdout.strip() == "parent,group,all,owner,thread in vfork,namespace,truncate"
    assert file.read_text() == "kept"


def test_filter_fits_the_kernels_limit_and_its_jumps() -> None:
    """At most 4096 instructions, and no jump past the end."""
    import struct

    program = list(struct.iter_unpack("HBBI", seccomp.build(1, 1, 1)))
    assert len(program) <= 4096
    for at, (code, when_true, when_false, _) in enumerate(program):
        if code & 0x07 == 0x05:
            assert at + 1 + max(when_true, when_false) < len(program)
