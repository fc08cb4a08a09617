"""A process that hangs while it shuts down is ended, with its own exit code and its output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANGS = """
import sys, threading, time
from flows import leaving
threading._register_atexit(lambda: time.sleep(60))
print("done")
leaving.within(3, 0.2)
sys.exit(3)
"""


def test_a_hanging_exit_is_cut_short_with_the_same_code() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, cwd=ROOT, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (3, "done\n")
